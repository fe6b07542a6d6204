//! Random text as templates, of the characters that they are made of.

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
