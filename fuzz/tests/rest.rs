//! Random text as templates and requests, of the parts that they are made of.

#![allow(clippy::indexing_slicing)]

#[test]
fn templates_are_read_as_written_or_refused_by_place() {
    const PARTS: [&str; 16] = [
        "/", "/", "/", "a", "b.c", "*", "**", "{", "}", "{d}", "{e=*}", "{f=a/**}", "=", ":",
        "%2F", "é",
    ];
    let base = fastrand::u64(..);
    for seed in (0..20_000).map(|n| base.wrapping_add(n)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let text: String = (0..rng.usize(0..12)).map(|_| PARTS[rng.usize(..PARTS.len())]).collect();
        println!("{text}");
        fuzz::rest::template(&text);
    }
}

#[test]
fn requests_become_messages_or_are_refused() {
    const METHODS: [&str; 6] = ["GET", "PUT", "POST", "HEAD", "OPTIONS", "GET"];
    const SEGMENTS: [&str; 20] = [
        "v1",
        "shelves",
        "books",
        "at",
        "raw",
        "1",
        "a%2Fb",
        "%ff",
        "",
        "é",
        "x:find",
        "x:many",
        "1970-01-01T00:00:01.5Z",
        "2s",
        "-1.5s",
        "true",
        "STATE_NEW",
        "library.v1.Library",
        "Post",
        "a+b",
    ];
    const PARAMETERS: [&str; 16] = [
        "name=x",
        "author.name=%C3%A9",
        "author.teacher.name=",
        "pages=7",
        "pages=x",
        "tags=a",
        "published=1970-01-01T00:00:00Z",
        "loan=-1.5s",
        "loan=3s",
        "mask=a,bC",
        "lent=false",
        "novel=true",
        "genre=a%20b",
        "cover=AAE=",
        "state=1",
        "$alt=sse",
    ];
    const JSON: [&str; 18] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"name\"",
        "\"author\":{\"age\":\"7\"}",
        "\"others\":[{}]",
        "\"published\":\"1970-01-01T00:00:01.5Z\"",
        "\"lent\":true",
        "\"\\ud800\"",
        "null",
        "1e3",
        "\"counts\":{\"a\":1}",
        "\"genre\":\"x\"",
        "\"cover\":\"_-\"",
        "\n",
    ];
    const WHOLE: [&str; 8] = [
        "GET /v1/shelves/1/books/2/3?pages=7&loan=1.5s&loan=-2s",
        "GET /v1/Ada/7:find?tags=a&tags=b&mask=a&novel=true&genre=x",
        "GET /v1/at/1970-01-01T00:00:00Z/false/1?cover=AAE=",
        "PUT /v1/x/2s?genre=y\n{\"name\":\"A\",\"teacher\":{\"age\":3}}",
        "POST /v1/books/7\n{\"name\":\"B\",\"author\":{\"name\":\"A\",\"age\":1}}",
        "POST /v1/x:many\n[{\"pages\":1},{\"name\":\"y\"}]",
        "POST /v1/x:many\n{}\n{\"lent\":false}\n",
        "POST /v1/raw\nbytes",
    ];
    let base = fastrand::u64(..);
    for seed in (0..20_000).map(|n| base.wrapping_add(n)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut text = match rng.u8(..3) {
            0 => WHOLE[rng.usize(..WHOLE.len())].to_owned(),
            _ => {
                let mut some = |parts: &[&str], join: &str, most: usize| {
                    let some = (0..rng.usize(..most)).map(|_| parts[rng.usize(..parts.len())]);
                    some.collect::<Vec<_>>().join(join)
                };
                let (path, query) = (some(&SEGMENTS, "/", 6), some(&PARAMETERS, "&", 4));
                let body = some(&JSON, "", 8);
                format!("{} /{path}?{query}\n{body}", METHODS[rng.usize(..METHODS.len())])
            }
        }
        .into_bytes();
        if rng.u8(..4) == 0 {
            let at = rng.usize(..text.len());
            text[at] = rng.u8(..);
        }
        println!("{}", String::from_utf8_lossy(&text));
        fuzz::rest::request(&text);
    }
}
