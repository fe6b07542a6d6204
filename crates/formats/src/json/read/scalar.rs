//! Numbers, bools, enums, strings and bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::number::{self, Integer, NotInteger};
use super::scan::Text;
use super::{Reader, wire};
use crate::json::JsonError;
use crate::schema::{EnumTable, Kind};
use crate::wire::WireType;

pub(super) type Reason = Cow<'static, str>;

impl<'a> Reader<'a, '_> {
    /// What a number, bool or enum is on the wire; None is an enum's unknown name that is to be
    /// passed over.
    #[inline]
    pub(super) fn raw(&mut self, kind: Kind) -> Result<Option<u64>, JsonError> {
        let first = self.begin();
        match (kind, first) {
            (Kind::Bool, b't') => self.literal("true").map(|()| Some(1)),
            (Kind::Bool, b'f') => self.literal("false").map(|()| Some(0)),
            (Kind::Bool, _) => Err(self.unexpected("true or false")),
            (Kind::Enum(id), _) => match self.tables.enumeration(id) {
                Some(table) => self.enumeration(table, first),
                None => Ok(None),
            },
            (_, b'-' | b'0'..=b'9') => self.number_of(kind).map(Some),
            (_, b'"') => {
                let at = self.at;
                let text = self.string()?;
                let raw = self.raw_of_text(kind, self.content(text), false);
                raw.map_err(|reason| self.fail(at, reason))
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    fn number_of(&mut self, kind: Kind) -> Result<u64, JsonError> {
        let at = self.at;
        let raw = match number::short_integer(self.json, at) {
            Some((integer, end)) => {
                self.at = end;
                match kind {
                    Kind::Double | Kind::Float => {
                        let text = self.json.get(at..end).unwrap_or_default();
                        float_of_integer(kind, integer).map_or_else(|| float(kind, text), Ok)
                    }
                    _ => in_range(kind, Ok(integer)),
                }
            }
            None => {
                let text = self.number()?;
                raw_of_number(kind, text)
            }
        };
        raw.map_err(|reason| self.fail(at, reason))
    }

    fn enumeration(&mut self, table: &EnumTable, first: u8) -> Result<Option<u64>, JsonError> {
        let at = self.at;
        match first {
            b'"' => {
                let text = self.string()?;
                let raw = self.named(table, self.content(text));
                raw.map_err(|reason| self.fail(at, reason))
            }
            b'-' | b'0'..=b'9' => {
                let text = self.number()?;
                let raw = self.numbered(table, text);
                raw.map_err(|reason| self.fail(at, reason))
            }
            b'n' if table.null => self.literal("null").map(|()| Some(0)),
            _ => Err(self.unexpected("the name of an enum's value, or its number")),
        }
    }

    fn named(&self, table: &EnumTable, name: &[u8]) -> Result<Option<u64>, Reason> {
        match table.names.get(name) {
            Some(number) => Ok(Some(sign_extended(number.cast_signed()))),
            None if self.options.ignore_unknown => Ok(None),
            None => {
                let name = String::from_utf8_lossy(name);
                let known = crate::text::nearest(&name, table.names.iter());
                let advice = known.map(|k| format!("; did you mean {k:?}?")).unwrap_or_default();
                let (name, table) = (crate::text::excerpt(&name), &table.name);
                Err(format!("{table} has no value {name:?}{advice}").into())
            }
        }
    }

    fn numbered(&self, table: &EnumTable, text: &[u8]) -> Result<Option<u64>, Reason> {
        let raw = raw_of_number(Kind::Int32, text)?;
        if table.closed && table.name_of(raw as i32).is_none() {
            if self.options.ignore_unknown {
                return Ok(None);
            }
            return Err(format!("{} has no value with that number", table.name).into());
        }
        Ok(Some(raw))
    }

    /// What the text is as a number, bool or enum. An enum's number, in text, is one for `numbers`
    /// only: JSON has it without quotes.
    pub(super) fn raw_of_text(
        &self,
        kind: Kind,
        text: &[u8],
        numbers: bool,
    ) -> Result<Option<u64>, Reason> {
        let whole = || number::end(text, 0) == Some(text.len());
        match (kind, text) {
            (Kind::Bool, b"true") => Ok(Some(1)),
            (Kind::Bool, b"false") => Ok(Some(0)),
            (Kind::Bool, _) => Err("expected true or false".into()),
            (Kind::Enum(id), _) => match self.tables.enumeration(id) {
                Some(table) if numbers && whole() => self.numbered(table, text),
                Some(table) => self.named(table, text),
                None => Ok(None),
            },
            (Kind::Double, b"NaN") => Ok(Some(f64::NAN.to_bits())),
            (Kind::Double, b"Infinity") => Ok(Some(f64::INFINITY.to_bits())),
            (Kind::Double, b"-Infinity") => Ok(Some(f64::NEG_INFINITY.to_bits())),
            (Kind::Float, b"NaN") => Ok(Some(f32::NAN.to_bits().into())),
            (Kind::Float, b"Infinity") => Ok(Some(f32::INFINITY.to_bits().into())),
            (Kind::Float, b"-Infinity") => Ok(Some(f32::NEG_INFINITY.to_bits().into())),
            _ if whole() => raw_of_number(kind, text).map(Some),
            _ => Err("expected a number".into()),
        }
    }

    /// Appends a value as the wire has it.
    #[inline]
    pub(super) fn put(&mut self, kind: Kind, raw: u64) {
        match kind.wire_type() {
            WireType::Fixed64 => self.out.extend_from_slice(&raw.to_le_bytes()),
            WireType::Fixed32 => self.out.extend_from_slice(&(raw as u32).to_le_bytes()),
            _ => wire::put_varint(self.out, raw),
        }
    }

    /// Appends a string or bytes, with the length.
    #[inline]
    pub(super) fn textual(&mut self, kind: Kind) -> Result<(), JsonError> {
        if self.begin() != b'"' {
            return Err(self.unexpected("a string"));
        }
        let at = self.at;
        let text = self.string()?;
        let content = match text {
            Text::Plain(bytes) => bytes,
            Text::Escaped => &self.scratch,
        };
        if kind == Kind::String {
            wire::put_length(self.out, content.len());
            self.out.extend_from_slice(content);
            return Ok(());
        }
        match put_base64(content, self.out) {
            Ok(()) => Ok(()),
            Err(reason) => Err(self.fail(at, reason)),
        }
    }
}

const NOT_STRICT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, NOT_STRICT);
const SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NOT_STRICT);

/// Appends what the text is in base64, of either alphabet, padded or not, with the length.
pub(super) fn put_base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if safe { &SAFE } else { &PLAIN };
    let start = wire::open(out);
    out.resize(start + base64::decoded_len_estimate(text.len()), 0);
    let decoded = out.get_mut(start..).map(|room| engine.decode_slice(text, room));
    let Some(Ok(length)) = decoded else { return Err("this is not base64") };
    out.truncate(start + length);
    wire::close(out, start);
    Ok(())
}

fn raw_of_number(kind: Kind, text: &[u8]) -> Result<u64, Reason> {
    match kind {
        Kind::Double | Kind::Float => float(kind, text),
        _ => in_range(kind, number::integer(text)),
    }
}

fn in_range(kind: Kind, integer: Result<Integer, NotInteger>) -> Result<u64, Reason> {
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let raw = integer.and_then(|integer| match kind {
        Kind::Int32 => integer.signed(least, most).map(i64::cast_unsigned),
        Kind::Sfixed32 => integer.signed(least, most).map(|value| u64::from(value as u32)),
        Kind::Sint32 => {
            integer.signed(least, most).map(|value| u64::from(wire::zigzag32(value as i32)))
        }
        Kind::Int64 | Kind::Sfixed64 => integer.signed(i64::MIN, i64::MAX).map(i64::cast_unsigned),
        Kind::Sint64 => integer.signed(i64::MIN, i64::MAX).map(wire::zigzag64),
        Kind::Uint32 | Kind::Fixed32 => integer.unsigned(u32::MAX.into()),
        _ => integer.unsigned(u64::MAX),
    });
    raw.map_err(|error| match error {
        NotInteger::Fraction => "expected an integer, found a fraction".into(),
        NotInteger::Range => format!("the number is out of range for {}", name(kind)).into(),
    })
}

fn float_of_integer(kind: Kind, integer: Integer) -> Option<u64> {
    // Up to here every integer is a float.
    let most = if kind == Kind::Double { 1 << 53 } else { 1 << 24 };
    if integer.magnitude > most {
        return None;
    }
    let value = integer.magnitude as f64;
    let value = if integer.negative { -value } else { value };
    Some(match kind {
        Kind::Double => value.to_bits(),
        _ => (value as f32).to_bits().into(),
    })
}

fn float(kind: Kind, text: &[u8]) -> Result<u64, Reason> {
    let text = str::from_utf8(text).unwrap_or_default();
    let raw = if kind == Kind::Double {
        text.parse().ok().filter(|value: &f64| value.is_finite()).map(f64::to_bits)
    } else {
        let value = text.parse().ok().filter(|value: &f32| value.is_finite());
        value.map(|value| value.to_bits().into())
    };
    raw.ok_or_else(|| format!("the number is out of range for {}", name(kind)).into())
}

fn sign_extended(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "a double",
        Kind::Float => "a float",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "32 bits with a sign",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "64 bits with a sign",
        Kind::Uint32 | Kind::Fixed32 => "32 bits without a sign",
        _ => "64 bits without a sign",
    }
}
