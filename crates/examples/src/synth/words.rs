//! What a field is likely to hold, by its name.

use fastrand::Rng;

const FIRST: [&str; 8] = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Radia", "Dennis", "Hedy"];
const LAST: [&str; 8] =
    ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Perlman", "Ritchie", "Lamarr"];
const CITIES: [&str; 6] = ["Lisbon", "Nairobi", "Kyoto", "Montréal", "Tallinn", "Valparaíso"];
const COUNTRIES: [&str; 6] = ["PT", "KE", "JP", "CA", "EE", "CL"];
const STREETS: [&str; 4] = ["1 Harbour Street", "24 Mill Lane", "7 Station Road", "19 Park Avenue"];
const THINGS: [&str; 8] =
    ["teapot", "lantern", "compass", "notebook", "kettle", "anchor", "telescope", "ladder"];
const ADJECTIVES: [&str; 6] = ["small", "blue", "sturdy", "folding", "brass", "quiet"];
const SENTENCES: [&str; 4] = [
    "A short text that stands for a longer one.",
    "Made up by a mock, and the same each time.",
    "Handle with care.",
    "Arrived on time and in one piece.",
];

fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    rng.choice(list.iter().copied()).unwrap_or_default()
}

fn hex(rng: &mut Rng, digits: usize) -> String {
    (0..digits).map(|_| rng.digit(16).to_ascii_lowercase()).collect()
}

pub(super) fn uuid(rng: &mut Rng) -> String {
    // Version 4, variant 1 (RFC 9562, section 5.4).
    let variant = pick(rng, &["8", "9", "a", "b"]);
    let (a, b, c, d, e) = (hex(rng, 8), hex(rng, 4), hex(rng, 3), hex(rng, 3), hex(rng, 12));
    format!("{a}-{b}-4{c}-{variant}{d}-{e}")
}

pub(super) fn email(rng: &mut Rng) -> String {
    let (first, last) = (pick(rng, &FIRST), pick(rng, &LAST));
    format!("{}.{}@example.com", first.to_lowercase(), last.to_lowercase())
}

pub(super) fn instant(rng: &mut Rng) -> String {
    let (month, day) = (rng.u32(1..=12), rng.u32(1..=28));
    let (hour, minute, second) = (rng.u32(0..24), rng.u32(0..60), rng.u32(0..60));
    format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Whether a name has a word, as `customer_email` has `email`.
fn has(name: &str, words: &[&str]) -> bool {
    name.split('_').any(|part| {
        words.contains(&part) || part.strip_suffix('s').is_some_and(|p| words.contains(&p))
    })
}

/// A text for a field of that name.
pub(super) fn text(rng: &mut Rng, name: &str) -> String {
    let name = &snake(name);
    let last = name.rsplit('_').next().unwrap_or_default();
    match () {
        () if has(name, &["email", "mail"]) => email(rng),
        () if has(name, &["uuid", "guid"]) => uuid(rng),
        () if has(name, &["phone", "mobile", "fax"]) => {
            format!("+1 555 01{:02}", rng.u32(0..100))
        }
        () if has(name, &["url", "uri", "link", "website", "homepage", "href"]) => {
            format!("https://example.com/{}", pick(rng, &THINGS))
        }
        () if has(name, &["host", "hostname", "domain"]) => {
            format!("{}.example.com", pick(rng, &THINGS))
        }
        () if has(name, &["ip", "ipv4"]) => format!("192.0.2.{}", rng.u32(1..255)),
        () if has(name, &["ipv6"]) => format!("2001:db8::{:x}", rng.u32(1..0xffff)),
        () if matches!(last, "at" | "time" | "timestamp") => instant(rng),
        () if has(name, &["date", "day", "birthday"]) => instant(rng).chars().take(10).collect(),
        () if has(name, &["currency"]) => pick(rng, &["EUR", "USD", "JPY", "KES"]).to_owned(),
        () if has(name, &["language", "lang", "locale"]) => {
            pick(rng, &["en", "de", "fr", "pt", "ja"]).to_owned()
        }
        () if has(name, &["country", "nation"]) => pick(rng, &COUNTRIES).to_owned(),
        () if has(name, &["city", "town", "place", "location"]) => pick(rng, &CITIES).to_owned(),
        () if has(name, &["street", "address"]) => pick(rng, &STREETS).to_owned(),
        () if has(name, &["zip", "postcode", "postal"]) => {
            format!("{:05}", rng.u32(10_000..99_999))
        }
        () if has(name, &["zone", "timezone", "tz"]) => "Europe/Lisbon".to_owned(),
        () if has(name, &["color", "colour"]) => format!("#{}", hex(rng, 6)),
        () if has(name, &["greeting"]) => format!("Hello, {}!", pick(rng, &FIRST)),
        () if has(name, &["token", "etag", "hash", "checksum", "digest", "secret", "key"]) => {
            hex(rng, 16)
        }
        () if has(name, &["sku", "code"]) => {
            let letters = pick(rng, &THINGS).chars().take(3).collect::<String>().to_uppercase();
            format!("{letters}-{:04}", rng.u32(1..10_000))
        }
        () if last == "id" || last == "ids" => match name.strip_suffix("_id") {
            Some(of) if !of.is_empty() => format!("{}-{}", of.replace('_', "-"), hex(rng, 6)),
            _ => hex(rng, 12),
        },
        () if has(name, &["version"]) => format!("1.{}.{}", rng.u32(0..10), rng.u32(0..10)),
        () if has(name, &["file", "filename", "path"]) => format!("{}.txt", pick(rng, &THINGS)),
        () if has(name, &["mime", "media"]) => "text/plain".to_owned(),
        () if has(name, &["product", "item", "title", "label", "tag", "topic", "category"]) => {
            format!("{} {}", pick(rng, &ADJECTIVES), pick(rng, &THINGS))
        }
        () if has(name, &["first", "given"]) => pick(rng, &FIRST).to_owned(),
        () if has(name, &["surname", "family"]) || name == "last_name" => {
            pick(rng, &LAST).to_owned()
        }
        () if has(name, &["user", "username", "login"]) && last != "name" => {
            pick(rng, &FIRST).to_lowercase()
        }
        () if has(
            name,
            &["name", "customer", "author", "owner", "recipient", "sender", "person"],
        ) =>
        {
            format!("{} {}", pick(rng, &FIRST), pick(rng, &LAST))
        }
        () if has(
            name,
            &["description", "summary", "text", "message", "comment", "note", "body", "content"],
        ) =>
        {
            pick(rng, &SENTENCES).to_owned()
        }
        () => format!("{}-{}", name.replace('_', "-"), hex(rng, 4)),
    }
}

/// A whole number for a field of that name.
pub(super) fn whole(rng: &mut Rng, name: &str) -> i128 {
    let name = &snake(name);
    match () {
        () if has(name, &["cent", "price", "amount", "total", "cost", "fee", "balance"]) => {
            i128::from(rng.u32(1..=200)) * 50 - 1
        }
        () if has(name, &["age"]) => rng.u32(18..=90).into(),
        () if has(name, &["year"]) => rng.u32(1990..=2026).into(),
        () if has(name, &["month"]) => rng.u32(1..=12).into(),
        () if has(name, &["day", "hour"]) => rng.u32(1..=23).into(),
        () if has(name, &["minute", "second", "percent", "percentage", "score"]) => {
            rng.u32(1..=59).into()
        }
        () if has(name, &["port"]) => rng.u32(1024..=49_151).into(),
        () if has(name, &["rating", "star", "level", "priority"]) => rng.u32(1..=5).into(),
        () if has(name, &["byte", "size", "length"]) => rng.u32(1..=64).into(),
        () if has(name, &["at", "time", "timestamp", "epoch"]) => {
            1_767_225_600 + i128::from(rng.u32(0..31_536_000))
        }
        () if has(name, &["id", "number", "serial"]) => rng.u32(1_000..=99_999).into(),
        () => rng.u32(1..=20).into(),
    }
}

/// A number with a fraction for a field of that name.
pub(super) fn float(rng: &mut Rng, name: &str) -> f64 {
    let name = &snake(name);
    let hundredths =
        |rng: &mut Rng, range: std::ops::RangeInclusive<i32>| f64::from(rng.i32(range)) / 100.0;
    match () {
        () if has(name, &["latitude", "lat"]) => hundredths(rng, -6_000..=6_000),
        () if has(name, &["longitude", "lon", "lng"]) => hundredths(rng, -18_000..=18_000),
        () if has(name, &["ratio", "probability", "confidence", "share", "fraction"]) => {
            hundredths(rng, 0..=100)
        }
        () if has(name, &["rating", "score"]) => hundredths(rng, 100..=500),
        () => hundredths(rng, 100..=20_000),
    }
}

/// A name in lower case with underscores, whatever it is written in.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
