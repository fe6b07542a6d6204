//! JSON's tokens: white space, strings, literals, and values that are passed over.

use super::{Reader, number};
use crate::json::JsonError;
use crate::text;

/// A string's content, which is UTF-8.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    /// As it stands in the JSON.
    Plain(&'a [u8]),
    /// It had escapes; the reader's `scratch` has it without.
    Escaped,
}

impl<'a> Reader<'a, '_> {
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// The first byte of what comes next, after white space; zero at the end.
    #[inline(always)]
    pub(super) fn begin(&mut self) -> u8 {
        self.space();
        self.peek().unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<(), JsonError> {
        if self.begin() == byte {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(what))
    }

    /// Whether another element comes before `close`; what separates them has been read then, or what
    /// ends them.
    #[inline(always)]
    pub(super) fn another(&mut self, first: &mut bool, close: u8) -> Result<bool, JsonError> {
        let byte = self.begin();
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if byte != b',' {
                let close = char::from(close);
                return Err(self.unexpected(&format!("a comma or {close:?}")));
            }
            self.at += 1;
            self.space();
        }
        Ok(true)
    }

    /// What was found where something else is needed.
    #[cold]
    pub(super) fn unexpected(&self, what: &str) -> JsonError {
        let found = match self.peek() {
            None => return self.fail(self.at, format!("expected {what}, but the JSON ends")),
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b't' | b'f') => "a bool",
            Some(b'n') => "null",
            Some(byte) => {
                let reason = format!("expected {what}, found {:?}", char::from(byte));
                return self.fail(self.at, reason);
            }
        };
        self.fail(self.at, format!("expected {what}, found {found}"))
    }

    /// A string; `at` is at its first quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>, JsonError> {
        let start = self.at + 1;
        let rest = self.json.get(start..).unwrap_or_default();
        let ascii = text::plain_ascii(rest);
        if rest.get(ascii) == Some(&b'"') {
            self.at = start + ascii + 1;
            return Ok(Text::Plain(rest.get(..ascii).unwrap_or_default()));
        }
        self.long_string(start, ascii)
    }

    fn long_string(&mut self, start: usize, ascii: usize) -> Result<Text<'a>, JsonError> {
        let rest = self.json.get(start + ascii..).unwrap_or_default();
        let plain = text::plain(rest);
        if rest.get(plain) == Some(&b'"') {
            let content = self.json.get(start..start + ascii + plain).unwrap_or_default();
            self.utf8(content, start)?;
            self.at = start + ascii + plain + 1;
            return Ok(Text::Plain(content));
        }
        self.scratch.clear();
        self.at = start;
        match unescape(self.json, &mut self.at, &mut self.scratch) {
            Ok(()) => Ok(Text::Escaped),
            Err(reason) => Err(self.fail(self.at, reason)),
        }
    }

    fn utf8(&self, content: &[u8], start: usize) -> Result<(), JsonError> {
        match str::from_utf8(content) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(start + error.valid_up_to(), NOT_UTF8)),
        }
    }

    #[inline]
    pub(super) fn content<'s>(&'s self, text: Text<'a>) -> &'s [u8]
    where
        'a: 's,
    {
        match text {
            Text::Plain(bytes) => bytes,
            Text::Escaped => &self.scratch,
        }
    }

    pub(super) fn literal(&mut self, literal: &str) -> Result<(), JsonError> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        if !rest.starts_with(literal.as_bytes()) {
            return Err(self.unexpected(literal));
        }
        self.at += literal.len();
        Ok(())
    }

    /// The text of a number; `at` is at its first byte.
    pub(super) fn number(&mut self) -> Result<&'a [u8], JsonError> {
        let Some(end) = number::end(self.json, self.at) else {
            return Err(self.fail(self.at, "this is not a number as JSON writes it"));
        };
        let text = self.json.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(text)
    }

    /// Passes over a value of any kind.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        match self.begin() {
            b'"' => self.string().map(drop),
            b'{' => {
                self.enter()?;
                self.at += 1;
                let mut first = true;
                while self.another(&mut first, b'}')? {
                    self.name()?;
                    self.expect(b':', "a colon")?;
                    self.skip()?;
                }
                self.leave();
                Ok(())
            }
            b'[' => {
                self.enter()?;
                self.at += 1;
                let mut first = true;
                while self.another(&mut first, b']')? {
                    self.skip()?;
                }
                self.leave();
                Ok(())
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// The name of an object's member; the colon comes next.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Text<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        self.string()
    }
}

const NOT_UTF8: &str = "the JSON is not UTF-8";

/// Appends what the string is that goes on at `at`; leaves `at` behind its last quote, or where it
/// is wrong.
fn unescape(json: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
    loop {
        let rest = json.get(*at..).unwrap_or_default();
        let (plain, after) = rest.split_at_checked(text::plain(rest)).unwrap_or_default();
        if let Err(error) = str::from_utf8(plain) {
            *at += error.valid_up_to();
            return Err(NOT_UTF8);
        }
        out.extend_from_slice(plain);
        *at += plain.len();
        match after {
            [b'"', ..] => {
                *at += 1;
                return Ok(());
            }
            [b'\\', b'u', ..] => {
                let c = unicode(after).ok_or("this is no \\u escape of a character")?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                *at += if u32::from(c) < 0x1_0000 { 6 } else { 12 };
            }
            [b'\\', escaped, ..] => {
                out.push(match escaped {
                    b'"' | b'\\' | b'/' => *escaped,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    _ => return Err("JSON has no such escape"),
                });
                *at += 2;
            }
            [] | [b'\\'] => {
                *at = json.len();
                return Err("the JSON ends within a string");
            }
            _ => return Err("a string has a control character that is not escaped"),
        }
    }
}

/// The character of `\uXXXX`, or of two that are a surrogate pair.
fn unicode(escaped: &[u8]) -> Option<char> {
    let unit = |at: usize| {
        let escape = escaped.get(at..at + 6)?.strip_prefix(b"\\u")?;
        escape.iter().try_fold(0, |unit, byte| Some(unit << 4 | char::from(*byte).to_digit(16)?))
    };
    let first = unit(0)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let second = unit(6).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}
