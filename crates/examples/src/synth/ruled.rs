//! Values within the rules of their fields.

use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use rules::{Lower, NumberRules, Range, StringRules, TypeRules, Upper, WellKnown};

use super::{pattern, words};

const SECOND: i128 = 1_000_000_000;

/// The first second of 2026; made up times are in that year.
const THIS_YEAR: i128 = 1_767_225_600;

/// A text for a field of that name.
pub(super) fn text(rng: &mut Rng, name: &str, of_type: Option<&TypeRules>) -> String {
    let Some(TypeRules::String(rules)) = of_type else {
        return words::text(rng, name);
    };
    if let Some(only) = &rules.values.exactly {
        return only.clone();
    }
    if let Some(one) = rng.choice(&rules.values.one_of).or_else(|| rng.choice(&rules.example)) {
        return one.clone();
    }
    let text = match (rules.well_known, &rules.pattern) {
        (Some(form), _) => well_known(rng, form),
        (None, Some(pattern)) => pattern::text(rng, pattern.as_str()).unwrap_or_default(),
        (None, None) => words::text(rng, name),
    };
    // What has a form already fits, or nothing would.
    if rules.well_known.is_some() || rules.pattern.is_some() {
        return text;
    }
    fitted(text, rules)
}

/// Gives a text its beginning, its end and its length.
fn fitted(mut text: String, rules: &StringRules) -> String {
    let (prefix, suffix) = (rules.prefix.as_deref(), rules.suffix.as_deref());
    let head =
        format!("{}{}", prefix.unwrap_or_default(), rules.contains.as_deref().unwrap_or_default());
    let tail = suffix.unwrap_or_default();
    let (exactly, min, max) = rules.characters;
    let (exact_bytes, min_bytes, max_bytes) = rules.bytes;
    // Characters beyond ASCII would have lengths of two kinds.
    if exact_bytes.or(min_bytes).or(max_bytes).is_some() {
        text.retain(|c| c.is_ascii());
    }
    if let Some(part) = &rules.not_contains {
        text = text.replace(part.as_str(), "");
    }
    let least = [exactly, min, exact_bytes, min_bytes].into_iter().flatten().max().unwrap_or(0);
    let most = [exactly, max, exact_bytes, max_bytes].into_iter().flatten().min();
    let fixed = (head.chars().count() + tail.chars().count()) as u64;
    let room = |length: u64| usize::try_from(length.saturating_sub(fixed)).unwrap_or(usize::MAX);
    if let Some(most) = most {
        text = text.chars().take(room(most)).collect();
    }
    let missing = room(least.min(4096)).saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n('x', missing));
    format!("{head}{text}{tail}")
}

fn well_known(rng: &mut Rng, form: WellKnown) -> String {
    let number = rng.u32(1..255);
    match form {
        WellKnown::Email => words::email(rng),
        WellKnown::Hostname | WellKnown::Address => words::text(rng, "host"),
        WellKnown::Ip | WellKnown::Ipv4 => format!("192.0.2.{number}"),
        WellKnown::Ipv6 => format!("2001:db8::{number:x}"),
        WellKnown::Uri | WellKnown::UriRef => words::text(rng, "url"),
        WellKnown::Uuid => words::uuid(rng),
        WellKnown::Tuuid => words::uuid(rng).replace('-', ""),
        WellKnown::IpWithPrefixLen | WellKnown::Ipv4WithPrefixLen => format!("192.0.2.{number}/24"),
        WellKnown::Ipv6WithPrefixLen => format!("2001:db8::{number:x}/32"),
        WellKnown::IpPrefix | WellKnown::Ipv4Prefix => "192.0.2.0/24".to_owned(),
        WellKnown::Ipv6Prefix => "2001:db8::/32".to_owned(),
        WellKnown::HostAndPort => format!("{}:{}", words::text(rng, "host"), 8000 + number),
        WellKnown::Ulid => format!("01ARZ3NDEKTSV4RRFFQ69G{:04}", number),
        WellKnown::ProtobufFqn => "example.v1.Message".to_owned(),
        WellKnown::ProtobufDotFqn => ".example.v1.Message".to_owned(),
        WellKnown::HeaderName { .. } => "x-example".to_owned(),
        WellKnown::HeaderValue { .. } => "example".to_owned(),
    }
}

/// Bytes.
pub(super) fn bytes(rng: &mut Rng, of_type: Option<&TypeRules>) -> Vec<u8> {
    let mut bytes = |length: u64| (0..length.min(4096)).map(|_| rng.u8(..)).collect::<Vec<_>>();
    let Some(TypeRules::Bytes(rules)) = of_type else {
        return bytes(8);
    };
    if let Some(only) = rules.values.exactly.as_ref().or(rules.values.one_of.first()) {
        return only.clone();
    }
    let (exactly, min, max) = rules.length;
    let length = exactly.or(rules.known_length()).unwrap_or(8).max(min.unwrap_or(0));
    let part = |part: &Option<Vec<u8>>| part.clone().unwrap_or_default();
    let fixed = [part(&rules.prefix), part(&rules.contains)].concat();
    let suffix = part(&rules.suffix);
    let length = length.min(max.unwrap_or(u64::MAX));
    let free = length.saturating_sub((fixed.len() + suffix.len()) as u64);
    [fixed, bytes(free), suffix].concat()
}

/// A whole number for a field of that name and type.
pub(super) fn whole(
    rng: &mut Rng,
    name: &str,
    of_type: Option<&TypeRules>,
    (least, most): (i128, i128),
) -> i128 {
    let likely = words::whole(rng, name);
    match of_type {
        Some(TypeRules::Number(_, NumberRules::Whole(range))) => {
            within(rng, range, likely, (least, most), 1)
        }
        _ => likely.clamp(least, most),
    }
}

/// The likely number if it is within a range, else another one that is, some steps from a bound.
fn within(
    rng: &mut Rng,
    range: &Range<i128>,
    likely: i128,
    type_range: (i128, i128),
    step: i128,
) -> i128 {
    if let Some(only) = range.exactly {
        return only;
    }
    if let Some(one) = rng.choice(&range.one_of) {
        return *one;
    }
    let lower = range.lower.as_ref().map(|lower| match lower {
        Lower::Above(bound) => bound + 1,
        Lower::AtLeast(bound) => *bound,
    });
    let upper = range.upper.as_ref().map(|upper| match upper {
        Upper::Below(bound) => bound - 1,
        Upper::AtMost(bound) => *bound,
    });
    let (least, most) = match (lower, upper) {
        // The bounds leave out what is between them.
        (Some(lower), Some(upper)) if upper < lower => (lower, type_range.1),
        (lower, upper) => (lower.unwrap_or(type_range.0), upper.unwrap_or(type_range.1)),
    };
    let mut number = likely;
    if number < least || number > most {
        let steps = ((most - least) / step).clamp(0, 100);
        number = if lower.is_none() { most - steps * step } else { least };
        number += step * i128::from(rng.u64(0..=u64::try_from(steps).unwrap_or(0)));
    }
    let start = number;
    while range.none_of.contains(&number) {
        number = if number < most { number + 1 } else { least };
        if number == start {
            break;
        }
    }
    number
}

/// A number with a fraction.
pub(super) fn float(rng: &mut Rng, name: &str, of_type: Option<&TypeRules>) -> f64 {
    let likely = words::float(rng, name);
    let Some(TypeRules::Number(_, NumberRules::Float { range, .. })) = of_type else {
        return likely;
    };
    if let Some(only) = range.exactly.or_else(|| rng.choice(&range.one_of).copied()) {
        return only;
    }
    let lower = range.lower.as_ref().map(|(Lower::Above(bound) | Lower::AtLeast(bound))| *bound);
    let upper = range.upper.as_ref().map(|(Upper::Below(bound) | Upper::AtMost(bound))| *bound);
    match (lower, upper) {
        (Some(lower), Some(upper)) if upper < lower => lower + 1.0,
        (Some(lower), Some(upper)) if likely <= lower || likely >= upper => {
            lower + (upper - lower) / 2.0
        }
        (Some(lower), None) if likely <= lower => lower + 1.0,
        (None, Some(upper)) if likely >= upper => upper - 1.0,
        _ => likely,
    }
}

/// A duration in nanoseconds: some minutes.
pub(super) fn duration(rng: &mut Rng, of_type: Option<&TypeRules>) -> i128 {
    let likely = i128::from(rng.u32(1..=3600)) * SECOND;
    match of_type {
        Some(TypeRules::Duration(range)) => {
            within(rng, range, likely, (0, 86_400 * SECOND), SECOND)
        }
        _ => likely,
    }
}

/// A point in time in nanoseconds since 1970.
pub(super) fn timestamp(rng: &mut Rng, name: &str, of_type: Option<&TypeRules>) -> i128 {
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(THIS_YEAR, |now| i128::from(now.as_secs())) * SECOND
    };
    let later =
        ["expire", "end", "until", "due", "deadline"].iter().any(|word| name.contains(word));
    let year = if later { 31_536_000 * 10 } else { 0 };
    let likely = (THIS_YEAR + year + i128::from(rng.u32(0..20_000_000))) * SECOND;
    match of_type {
        Some(TypeRules::Timestamp(rules)) if rules.within.is_some() => {
            now()
                + if rules.past { -SECOND } else { rules.within.unwrap_or(0).min(60 * SECOND) / 2 }
        }
        Some(TypeRules::Timestamp(rules)) if rules.past => likely.min(now() - SECOND),
        // A year after which nobody runs this.
        Some(TypeRules::Timestamp(rules)) if rules.future => 7_258_118_400 * SECOND,
        Some(TypeRules::Timestamp(rules)) => {
            within(rng, &rules.range, likely, (0, 253_402_300_799 * SECOND), SECOND)
        }
        _ => likely,
    }
}
