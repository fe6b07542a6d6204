//! JSON in: takes a run of bytes apart into values, and values into messages.

use std::collections::VecDeque;

use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// The longest value that is collected before it is called endless.
const MAX_VALUE_BYTES: usize = 64 << 20;

/// The text of one JSON value.
#[derive(Debug, PartialEq)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    /// The line of the input on which it begins, from 1.
    line: usize,
}

/// Finds where one JSON value ends and the next begins, however the bytes come in.
///
/// A value is handed out as soon as its last byte is seen, so that a message that is typed goes out
/// at its closing brace. Only brackets and quotes are looked at; the parser judges the rest.
#[derive(Debug)]
pub(crate) struct Splitter {
    state: State,
    current: Vec<u8>,
    started: usize,
    line: usize,
    ready: VecDeque<Text>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Between,
    /// In an object or an array.
    Nested {
        depth: usize,
        string: bool,
        escaped: bool,
    },
    /// In a string that is a value of its own.
    String {
        escaped: bool,
    },
    /// In a number, `true`, `false`, `null`, or what is no JSON at all.
    Bare,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Between,
            current: Vec::new(),
            started: 1,
            line: 1,
            ready: VecDeque::new(),
        }
    }

    /// Takes further bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        for &byte in bytes {
            self.step(byte);
            if byte == b'\n' {
                self.line += 1;
            }
        }
        if self.current.len() > MAX_VALUE_BYTES {
            return Err(format!(
                "the value that begins on line {} is longer than {} MiB",
                self.started,
                MAX_VALUE_BYTES >> 20
            ));
        }
        Ok(())
    }

    /// Says that no bytes follow; an unfinished value is handed out for the parser to refuse.
    pub(crate) fn finish(&mut self) {
        if !matches!(self.state, State::Between) {
            self.end();
        }
    }

    /// The next whole value.
    pub(crate) fn next(&mut self) -> Option<Text> {
        self.ready.pop_front()
    }

    fn step(&mut self, byte: u8) {
        match &mut self.state {
            State::Between => self.begin(byte),
            State::Nested { depth, string, escaped } => {
                match byte {
                    _ if *escaped => *escaped = false,
                    b'\\' if *string => *escaped = true,
                    b'"' => *string = !*string,
                    b'{' | b'[' if !*string => *depth += 1,
                    b'}' | b']' if !*string => *depth -= 1,
                    _ => {}
                }
                let done = *depth == 0;
                self.current.push(byte);
                if done {
                    self.end();
                }
            }
            State::String { escaped } => {
                let done = byte == b'"' && !*escaped;
                *escaped = byte == b'\\' && !*escaped;
                self.current.push(byte);
                if done {
                    self.end();
                }
            }
            State::Bare => {
                if byte.is_ascii_whitespace() || matches!(byte, b'{' | b'[' | b'"') {
                    self.end();
                    self.begin(byte);
                } else {
                    self.current.push(byte);
                }
            }
        }
    }

    fn begin(&mut self, byte: u8) {
        self.state = match byte {
            _ if byte.is_ascii_whitespace() => return,
            b'{' | b'[' => State::Nested { depth: 1, string: false, escaped: false },
            b'"' => State::String { escaped: false },
            _ => State::Bare,
        };
        self.started = self.line;
        self.current.push(byte);
    }

    fn end(&mut self) {
        self.state = State::Between;
        self.ready.push_back(Text { bytes: std::mem::take(&mut self.current), line: self.started });
    }
}

/// Every message in `bytes`.
pub(crate) fn parse_all(
    descriptor: &MessageDescriptor,
    bytes: &[u8],
) -> Result<Vec<DynamicMessage>, String> {
    let mut splitter = Splitter::new();
    splitter.push(bytes)?;
    splitter.finish();
    std::iter::from_fn(|| splitter.next()).map(|text| parse(descriptor, &text)).collect()
}

/// One message. The error names the field that is wrong, and what it may have meant to be.
pub(crate) fn parse(descriptor: &MessageDescriptor, text: &Text) -> Result<DynamicMessage, String> {
    let mut json = serde_json::Deserializer::from_slice(&text.bytes);
    let parsed = DynamicMessage::deserialize(descriptor.clone(), &mut json)
        .and_then(|message| json.end().map(|()| message));
    parsed.map_err(|error| {
        if error.is_syntax() || error.is_eof() {
            return format!(
                "the JSON is not well-formed: {}, line {} column {}",
                without_place(&error),
                text.line + error.line().saturating_sub(1),
                error.column()
            );
        }
        let value = serde_json::from_slice::<Value>(&text.bytes).ok();
        let misfit = value.and_then(|value| examples::misfit::message(descriptor, &value).err());
        misfit.map_or_else(
            || format!("{}: {}", descriptor.full_name(), without_place(&error)),
            |misfit| misfit.to_string(),
        )
    })
}

/// serde_json's words without the place in them, which is counted from the value's own start.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::call::tests::contract;

    fn split(bytes: &[u8], chunk: usize) -> Vec<(String, usize)> {
        let mut splitter = Splitter::new();
        for part in bytes.chunks(chunk) {
            splitter.push(part).unwrap();
        }
        splitter.finish();
        std::iter::from_fn(|| splitter.next())
            .map(|text| (String::from_utf8(text.bytes).unwrap(), text.line))
            .collect()
    }

    #[test]
    fn values_are_split_whatever_the_chunks() {
        let input = b" {\"a\": \"}\\\"{\"}\n{}[1,[2]]\"x\\\\\" 12 null\ntrue{\"b\":\n1}";
        let expected: Vec<_> = [
            (r#"{"a": "}\"{"}"#, 1),
            ("{}", 2),
            ("[1,[2]]", 2),
            (r#""x\\""#, 2),
            ("12", 2),
            ("null", 2),
            ("true", 3),
            ("{\"b\":\n1}", 3),
        ]
        .map(|(text, line)| (text.to_owned(), line))
        .into();
        for chunk in [1, 2, 3, 7, input.len()] {
            assert_eq!(split(input, chunk), expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_value_is_ready_at_its_last_byte() {
        let mut splitter = Splitter::new();
        splitter.push(b"{\"a\":{}").unwrap();
        assert_eq!(splitter.next(), None);
        splitter.push(b"}").unwrap();
        assert!(splitter.next().is_some());
    }

    #[test]
    fn errors_name_the_field_and_what_it_may_have_meant() {
        let order = contract().get_message_by_name("shop.v1.Order").unwrap();
        let error = |json: &str| parse_all(&order, json.as_bytes()).unwrap_err();
        assert_eq!(
            error(r#"{"custmer": "x"}"#),
            "custmer: shop.v1.Order has no field \"custmer\"; did you mean customer?"
        );
        assert_eq!(
            error(r#"{"items": [{"sku": "a"}, {"count": 1}]}"#),
            "items[1].count: shop.v1.Item has no field \"count\"; it has sku, quantity"
        );
        assert_eq!(
            error(r#"{"bySku": {"a": {"sku": 1}}}"#),
            "bySku[\"a\"].sku: expected string, not 1"
        );
        assert_eq!(
            error(r#"{"items": [{"quantity": "two"}]}"#),
            "items[0].quantity: expected int32, not \"two\""
        );
        assert_eq!(
            error(r#"{"state": "STATE_PIAD"}"#),
            "state: shop.v1.State has no value \"STATE_PIAD\"; did you mean STATE_PAID?"
        );
        assert!(error(r#"{"placed": "yesterday"}"#).starts_with("placed: "));
        assert!(error(r#"{"card": "1", "iban": "2"}"#).contains("oneof"));
        assert_eq!(
            error("{}\n{\n\"customer\" 1}"),
            "the JSON is not well-formed: expected `:`, line 3 column 12"
        );
        assert!(error("{").contains("EOF"));
        assert!(error("[]").starts_with("the message: "));
        assert!(error("}").contains("not well-formed"));
    }
}
