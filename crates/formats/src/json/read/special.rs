//! Messages that JSON writes in a way of its own.

use super::Reader;
use super::scan::Text;
use crate::json::{JsonError, time};
use crate::schema::{Kind, MessageTable, Special};
use crate::wire::{self, WireType};

const fn tag(number: u8, wire_type: WireType) -> u8 {
    number << 3 | wire_type as u8
}

/// `seconds` and `nanos` of timestamp.proto and duration.proto.
const SECONDS: u8 = tag(1, WireType::Varint);
const NANOS: u8 = tag(2, WireType::Varint);
/// `paths` of field_mask.proto.
const PATHS: u8 = tag(1, WireType::Bytes);
/// `fields` of Struct, `values` of ListValue.
const FIELDS: u8 = tag(1, WireType::Bytes);
const VALUES: u8 = tag(1, WireType::Bytes);
/// An entry of `fields`.
const ENTRY_KEY: u8 = tag(1, WireType::Bytes);
const ENTRY_VALUE: u8 = tag(2, WireType::Bytes);
/// The variants of Value.
const NULL_VALUE: u8 = tag(1, WireType::Varint);
const NUMBER_VALUE: u8 = tag(2, WireType::Fixed64);
const STRING_VALUE: u8 = tag(3, WireType::Bytes);
const BOOL_VALUE: u8 = tag(4, WireType::Varint);
const STRUCT_VALUE: u8 = tag(5, WireType::Bytes);
const LIST_VALUE: u8 = tag(6, WireType::Bytes);

impl Reader<'_, '_> {
    pub(super) fn special(&mut self, table: &MessageTable) -> Result<(), JsonError> {
        match table.special {
            Special::Any => self.any(),
            Special::Value => self.dynamic(),
            Special::Struct => self.structure(),
            Special::ListValue => self.list_value(),
            Special::Wrapper(kind) => self.singular(kind, 1 << 3 | kind.wire_type() as u32, false),
            Special::Timestamp | Special::Duration | Special::FieldMask => {
                if self.begin() != b'"' {
                    return Err(self.unexpected("a string"));
                }
                let at = self.at;
                let text = self.string()?;
                // UTF-8 was checked when it was read.
                let text = str::from_utf8(match text {
                    Text::Plain(bytes) => bytes,
                    Text::Escaped => &self.scratch,
                });
                match put_text(table.special, text.unwrap_or_default(), false, self.out) {
                    Ok(()) => Ok(()),
                    Err(reason) => Err(self.fail(at, reason)),
                }
            }
            Special::None | Special::Empty => Ok(()),
        }
    }

    /// A `google.protobuf.Value`: whatever JSON has.
    fn dynamic(&mut self) -> Result<(), JsonError> {
        match self.begin() {
            b'n' => {
                self.literal("null")?;
                self.out.extend_from_slice(&[NULL_VALUE, 0]);
            }
            b't' => {
                self.literal("true")?;
                self.out.extend_from_slice(&[BOOL_VALUE, 1]);
            }
            b'f' => {
                self.literal("false")?;
                self.out.extend_from_slice(&[BOOL_VALUE, 0]);
            }
            b'"' => {
                self.out.push(STRING_VALUE);
                self.textual(Kind::String)?;
            }
            b'{' => {
                self.out.push(STRUCT_VALUE);
                let start = wire::open(self.out);
                self.structure()?;
                wire::close(self.out, start);
            }
            b'[' => {
                self.out.push(LIST_VALUE);
                let start = wire::open(self.out);
                self.list_value()?;
                wire::close(self.out, start);
            }
            b'-' | b'0'..=b'9' => {
                let raw = self.raw(Kind::Double)?.unwrap_or_default();
                self.out.push(NUMBER_VALUE);
                self.put(Kind::Double, raw);
            }
            _ => return Err(self.unexpected("a value")),
        }
        Ok(())
    }

    fn structure(&mut self) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        self.enter()?;
        let keys = self.keys.len();
        let mut first = true;
        while self.another(&mut first, b'}')? {
            self.room()?;
            let at = self.at;
            self.out.push(FIELDS);
            let entry = wire::open(self.out);
            self.out.push(ENTRY_KEY);
            let text = self.name()?;
            let name = match text {
                Text::Plain(bytes) => bytes,
                Text::Escaped => &self.scratch,
            };
            wire::put_length(self.out, name.len());
            self.out.extend_from_slice(name);
            let hash = self.tables.hash(name);
            self.note_key(hash, at);
            self.expect(b':', "a colon")?;
            self.out.push(ENTRY_VALUE);
            let value = wire::open(self.out);
            self.dynamic().map_err(|error| error.key(&self.key_at(at)))?;
            wire::close(self.out, value);
            wire::close(self.out, entry);
        }
        self.leave();
        self.close_keys(keys)
    }

    fn list_value(&mut self) -> Result<(), JsonError> {
        self.expect(b'[', "a list")?;
        self.enter()?;
        let mut first = true;
        let mut index = 0;
        while self.another(&mut first, b']')? {
            self.room()?;
            self.out.push(VALUES);
            let value = wire::open(self.out);
            self.dynamic().map_err(|error| error.index(index))?;
            wire::close(self.out, value);
            index += 1;
        }
        self.leave();
        Ok(())
    }
}

/// Appends the content of a message that JSON has as a string, zeros too if they are to count.
pub(super) fn put_text(
    special: Special,
    text: &str,
    zeros: bool,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    match special {
        Special::Timestamp => time::read_timestamp(text).map(|time| put_time(time, zeros, out)),
        Special::Duration => time::read_duration(text).map(|time| put_time(time, zeros, out)),
        _ => put_field_mask(text, out),
    }
}

fn put_time((seconds, nanos): (i64, i32), zeros: bool, out: &mut Vec<u8>) {
    if seconds != 0 || zeros {
        out.push(SECONDS);
        wire::put_varint(out, seconds.cast_unsigned());
    }
    if nanos != 0 || zeros {
        out.push(NANOS);
        wire::put_varint(out, i64::from(nanos).cast_unsigned());
    }
}

/// Paths in lowerCamelCase, with commas between.
fn put_field_mask(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    for path in text.split(',').filter(|path| !path.is_empty()) {
        out.push(PATHS);
        let start = wire::open(out);
        for byte in path.bytes() {
            match byte {
                b'_' => {
                    return Err("a field mask has paths in lowerCamelCase, without underscores");
                }
                b'A'..=b'Z' => out.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]),
                byte => out.push(byte),
            }
        }
        wire::close(out, start);
    }
    Ok(())
}
