//! Makes up a text that a regular expression matches.

use fastrand::Rng;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How often something is repeated that may be repeated for ever.
const MORE: u32 = 3;

/// The longest text, in bytes.
const MAX_BYTES: usize = 1024;

/// A text that the pattern matches, unless it looks around itself; `None` if it is no pattern.
pub(super) fn text(rng: &mut Rng, pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(rng, &hir, &mut text);
    Some(text)
}

fn write(rng: &mut Rng, hir: &Hir, text: &mut String) {
    if text.len() > MAX_BYTES {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(character(rng, class)),
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let most = repetition.max.unwrap_or(u32::MAX).min(least.saturating_add(MORE));
            for _ in 0..rng.u32(least..=most.max(least)) {
                write(rng, &repetition.sub, text);
            }
        }
        HirKind::Capture(capture) => write(rng, &capture.sub, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(rng, part, text)),
        HirKind::Alternation(parts) => {
            if let Some(part) = rng.choice(parts) {
                write(rng, part, text);
            }
        }
    }
}

/// One that a person can read, if there is one.
fn character(rng: &mut Rng, class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (r.start(), r.end())).collect(),
        Class::Bytes(class) => class.iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    let within = |from: char, to: char| {
        let ranges = ranges.iter().map(move |(a, b)| (*a.max(&from), *b.min(&to)));
        ranges.filter(|(a, b)| a <= b).collect::<Vec<_>>()
    };
    let likely = [within('a', 'z'), within('0', '9'), within('A', 'Z'), within('!', '~')];
    let likely = likely.into_iter().find(|ranges| !ranges.is_empty()).unwrap_or(ranges);
    let (from, to) = rng.choice(likely)?;
    Some(rng.char(from..=to))
}
