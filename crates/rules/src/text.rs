//! Checks texts and bytes.

use crate::formats;
use crate::rule::{BytesRules, StringRules};

type Lengths = (Option<u64>, Option<u64>, Option<u64>);

/// Tells what is wrong with a text: the rule and the words.
pub(crate) fn check(rules: &StringRules, text: &str, mut wrong: impl FnMut(String, String)) {
    let quoted = |text: &String| format!("{text:?}");
    rules
        .values
        .check(&text.to_owned(), quoted, |rule, words| wrong(format!("string.{rule}"), words));
    let names = ["len", "min_len", "max_len"];
    lengths(
        rules.characters,
        || text.chars().count(),
        "characters",
        names,
        |rule, words| {
            wrong(format!("string.{rule}"), words);
        },
    );
    let names = ["len_bytes", "min_bytes", "max_bytes"];
    lengths(
        rules.bytes,
        || text.len(),
        "bytes",
        names,
        |rule, words| {
            wrong(format!("string.{rule}"), words);
        },
    );
    if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        wrong("string.pattern".into(), format!("has to match {}", pattern.as_str()));
    }
    if let Some(prefix) = rules.prefix.as_ref().filter(|prefix| !text.starts_with(prefix.as_str()))
    {
        wrong("string.prefix".into(), format!("has to begin with {prefix:?}"));
    }
    if let Some(suffix) = rules.suffix.as_ref().filter(|suffix| !text.ends_with(suffix.as_str())) {
        wrong("string.suffix".into(), format!("has to end with {suffix:?}"));
    }
    if let Some(part) = rules.contains.as_ref().filter(|part| !text.contains(part.as_str())) {
        wrong("string.contains".into(), format!("has to contain {part:?}"));
    }
    if let Some(part) = rules.not_contains.as_ref().filter(|part| text.contains(part.as_str())) {
        wrong("string.not_contains".into(), format!("must not contain {part:?}"));
    }
    if let Some(well_known) = rules.well_known
        && !formats::is(well_known, text)
    {
        let (rule, what) = formats::named(well_known);
        match text.is_empty() && formats::is_told_when_empty(well_known) {
            true => {
                wrong(format!("string.{rule}_empty"), format!("is empty, and has to be {what}"))
            }
            false => wrong(format!("string.{rule}"), format!("has to be {what}")),
        }
    }
}

/// Tells what is wrong with bytes.
pub(crate) fn check_bytes(rules: &BytesRules, bytes: &[u8], mut wrong: impl FnMut(String, String)) {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    rules.values.check(&bytes.to_vec(), hex, |rule, words| wrong(format!("bytes.{rule}"), words));
    let names = ["len", "min_len", "max_len"];
    lengths(
        rules.length,
        || bytes.len(),
        "bytes",
        names,
        |rule, words| {
            wrong(format!("bytes.{rule}"), words);
        },
    );
    if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.is_match(bytes)) {
        wrong("bytes.pattern".into(), format!("has to match {}", pattern.as_str()));
    }
    if let Some(prefix) = rules.prefix.as_ref().filter(|prefix| !bytes.starts_with(prefix)) {
        wrong("bytes.prefix".into(), format!("has to begin with {}", hex(prefix)));
    }
    if let Some(suffix) = rules.suffix.as_ref().filter(|suffix| !bytes.ends_with(suffix)) {
        wrong("bytes.suffix".into(), format!("has to end with {}", hex(suffix)));
    }
    if let Some(part) = rules.contains.as_ref().filter(|part| !contains(bytes, part)) {
        wrong("bytes.contains".into(), format!("has to contain {}", hex(part)));
    }
    if let Some((rule, lengths)) = rules.well_known
        && !lengths.contains(&bytes.len())
    {
        let what = if rule == "uuid" { "a UUID" } else { "an IP address" };
        let empty = if bytes.is_empty() { "_empty" } else { "" };
        wrong(format!("bytes.{rule}{empty}"), format!("has to be {what}"));
    }
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// Tells which of the rules, named for exactly, at least and at most, a length breaks.
fn lengths(
    (exactly, min, max): Lengths,
    length: impl Fn() -> usize,
    unit: &str,
    [is, is_least, is_most]: [&str; 3],
    mut wrong: impl FnMut(&str, String),
) {
    if exactly.is_none() && min.is_none() && max.is_none() {
        return;
    }
    let length = length() as u64;
    if let Some(exactly) = exactly.filter(|exactly| length != *exactly) {
        wrong(is, format!("{exactly} {unit}, not {length}"));
    }
    if let Some(min) = min.filter(|min| length < *min) {
        wrong(is_least, format!("at least {min} {unit}, not {length}"));
    }
    if let Some(max) = max.filter(|max| length > *max) {
        wrong(is_most, format!("at most {max} {unit}, not {length}"));
    }
}
