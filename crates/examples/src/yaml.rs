//! Reads YAML into values that know where they stand.
//!
//! JSON is what messages are written in, so a value here is what JSON can say, and a plain scalar
//! is a number, a boolean or null as YAML's core schema has it (YAML 1.2.2, section 10.3.2).

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Number, Value};

use crate::Place;

/// How deep values may be nested: more than any contract's messages are.
const MAX_DEPTH: usize = 64;

/// How many values a file may hold, with what its aliases repeat.
const MAX_VALUES: usize = 200_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Object(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    pub(crate) text: String,
}

impl Node {
    /// The value alone.
    pub(crate) fn json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Object(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.value.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Object(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    pub(crate) fn item(&self, index: usize) -> Option<&Self> {
        match &self.kind {
            Kind::List(items) => items.get(index),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::List(items) => items.iter().map(Self::count).sum(),
            Kind::Object(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
        }
    }
}

/// Reads the one document of a file; `None` if there is none.
pub(crate) fn read(source: &str) -> Result<Option<Node>, Mistake> {
    let mut reader =
        Reader { parser: Parser::new_from_str(source), anchors: Vec::new(), values: 0 };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(root),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => {
                return Err(mistake(span, "a second document; a file of examples holds one"));
            }
            event => root = Some(reader.node(event, span, 0)?),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// By the parser's number of the anchor.
    anchors: Vec<(usize, Node)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Mistake> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(malformed(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Mistake> {
        let place = place(span);
        if depth > MAX_DEPTH {
            return Err(mistake(span, format!("values nested deeper than {MAX_DEPTH}")));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (Kind::Scalar(if plain { plain_scalar(&text) } else { text.into() }), anchor)
            }
            Event::SequenceStart(anchor, _) => (Kind::List(self.list(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Kind::Object(self.object(depth)?), anchor),
            Event::Alias(anchor) => {
                let known = self.anchors.iter().rev().find(|(known, _)| *known == anchor);
                let Some((_, node)) = known else {
                    return Err(mistake(span, "an alias within what it stands for"));
                };
                let node = node.clone();
                self.count(node.count(), span)?;
                return Ok(node);
            }
            _ => return Err(mistake(span, "a value is missing")),
        };
        self.count(1, span)?;
        let node = Node { place, kind };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Mistake> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Entry>, Mistake> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(mistake(span, "a key is a text")),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(mistake(span, format!("{key} stands here twice")));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            entries.push(Entry { key, place: place(span), value });
        }
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Mistake> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(mistake(span, format!("more than {MAX_VALUES} values")));
        }
        Ok(())
    }
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        // Protobuf's JSON has these as texts.
        ".nan" | ".NaN" | ".NAN" => return "NaN".into(),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return "Infinity".into(),
        "-.inf" | "-.Inf" | "-.INF" => return "-Infinity".into(),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return text.into();
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.starts_with('+')
            && let Ok(number) = u64::from_str_radix(digits, radix)
        {
            return number.into();
        }
    }
    if let Ok(number) = unsigned.parse::<u64>() {
        return number.into();
    }
    if let Ok(number) = unsigned.parse::<i64>() {
        return number.into();
    }
    let numeric = digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    match unsigned.parse::<f64>().ok().filter(|_| numeric).and_then(Number::from_f64) {
        Some(number) => number.into(),
        None => text.into(),
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn mistake(span: Span, text: impl Into<String>) -> Mistake {
    Mistake { place: place(span), text: text.into() }
}

fn malformed(error: &ScanError) -> Mistake {
    let mark = error.marker();
    let place = Place { line: mark.line(), column: mark.col() + 1 };
    Mistake { place, text: format!("not YAML: {}", error.info()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    fn value(source: &str) -> Value {
        read(source).unwrap().unwrap().json()
    }

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        let source = "[1, -2, +3, 0x1F, 1.5, 1e3, true, ~, no, 1.2.3, 2026-11-22, '1', .inf, \"\"]";
        assert_eq!(
            value(source),
            json!([
                1,
                -2,
                3,
                31,
                1.5,
                1000.0,
                true,
                null,
                "no",
                "1.2.3",
                "2026-11-22",
                "1",
                "Infinity",
                ""
            ])
        );
        assert_eq!(
            value("a: 18446744073709551615\nb: >-\n  two\n  lines\n"),
            json!({"a": u64::MAX, "b": "two lines"})
        );
    }

    #[test]
    fn numbers_in_every_base_and_none_that_only_look_like_one() {
        assert_eq!(
            value("[0o17, 0xff, -.INF, +.Inf, .5, +-1, --1, 0x+1F, 0o8]"),
            json!([15, 255, "-Infinity", "Infinity", 0.5, "+-1", "--1", "0x+1F", "0o8"])
        );
    }

    #[test]
    fn values_know_their_places() {
        let root = read("# first\nname: Ada\nitems:\n  - sku: a\n  - {sku: b, count: 2}\n")
            .unwrap()
            .unwrap();
        let items = root.get("items").unwrap();
        assert_eq!((items.place.line, items.place.column), (3, 1));
        let count = items.value.item(1).unwrap().get("count").unwrap();
        assert_eq!((count.place.line, count.place.column), (5, 14));
        assert_eq!((count.value.place.line, count.value.place.column), (5, 21));
    }

    #[test]
    fn aliases_repeat_and_are_bounded() {
        assert_eq!(
            value("a: &x {b: 1}\nc: [*x, *x]"),
            json!({"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]})
        );
        let mut bomb = String::from("- &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
        for level in 1..9 {
            let inner = format!("*a{}", level - 1);
            bomb.push_str(&format!("- &a{level} [{}]\n", vec![inner; 10].join(", ")));
        }
        assert!(read(&bomb).unwrap_err().text.contains("more than"));
        let deep = "[".repeat(100_000);
        assert!(read(&deep).is_err());
    }

    #[test]
    fn mistakes_have_a_line() {
        for (source, line, told) in [
            ("a: 1\nb: [1,\nc: 2\n", 3, "not YAML"),
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: 1\n---\nb: 2\n", 3, "second document"),
            ("a:\n  ? [1]\n  : 2\n", 2, "key"),
        ] {
            let mistake = read(source).unwrap_err();
            assert_eq!(mistake.place.line, line, "{source}: {}", mistake.text);
            assert!(mistake.text.contains(told), "{}", mistake.text);
        }
        assert!(read("# nothing\n").unwrap().is_none());
    }
}
