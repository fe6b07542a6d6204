//! Messages that JSON writes in a way of its own.

use super::Writer;
use crate::json::time;
use crate::schema::{FieldTable, Kind, MessageTable, Special};
use crate::text;
use crate::wire::{self, EntryFields, Found, Stop, WireType};

impl<'a> Writer<'a, '_> {
    pub(super) fn special(
        &mut self,
        table: &'a MessageTable,
        parts: &[&'a [u8]],
    ) -> Result<(), Stop> {
        match table.special {
            Special::Any => self.any(table, parts),
            Special::Timestamp => self.time(parts, time::write_timestamp, time::TIMESTAMP_RANGE),
            Special::Duration => self.time(parts, time::write_duration, time::DURATION_RANGE),
            Special::FieldMask => self.field_mask(parts),
            Special::Struct => self.structure(table, parts),
            Special::ListValue => self.list_value(table, parts),
            Special::Value => self.dynamic(table, parts),
            Special::Wrapper(kind) => self.wrapper(kind, parts),
            Special::None | Special::Empty => self.object(table, parts),
        }
    }

    /// Calls `visit` with the tag of each field and what follows it. It says whether it has read the
    /// value, which is passed over otherwise.
    fn each(
        &mut self,
        parts: &[&'a [u8]],
        mut visit: impl FnMut(&mut Self, u32, &mut &'a [u8]) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        for part in parts {
            let mut wire = *part;
            while !wire.is_empty() {
                let start = wire;
                let tag = self.walk.check(start, wire::tag(&mut wire))?;
                if !visit(self, tag, &mut wire)? {
                    self.walk.check(start, wire::skip(&mut wire, tag))?;
                }
            }
        }
        Ok(())
    }

    fn time(
        &mut self,
        parts: &[&'a [u8]],
        write: impl Fn(i64, i32, &mut Vec<u8>) -> bool,
        range: &'static str,
    ) -> Result<(), Stop> {
        let (mut seconds, mut nanos) = (0, 0);
        self.each(parts, |writer, tag, wire| {
            match tag {
                SECONDS => seconds = writer.walk.raw(Kind::Int64, wire)?.cast_signed(),
                NANOS => nanos = writer.walk.raw(Kind::Int32, wire)? as i32,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.out.push(b'"');
        if !write(seconds, nanos, self.out) {
            return Err(self.fault(parts.first().copied().unwrap_or_default(), range));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn wrapper(&mut self, kind: Kind, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let value = 1 << 3 | kind.wire_type() as u32;
        let textual = kind.wire_type() == WireType::Bytes;
        let (mut raw, mut bytes): (u64, &[u8]) = (0, &[]);
        self.each(parts, |writer, tag, wire| {
            if tag != value {
                return Ok(false);
            }
            let start = *wire;
            if textual {
                bytes = writer.walk.check(start, wire::bytes(wire))?;
            } else {
                raw = writer.walk.raw(kind, wire)?;
            }
            Ok(true)
        })?;
        if textual {
            return self.text(kind, bytes);
        }
        self.number(kind, raw);
        Ok(())
    }

    /// Paths in lowerCamelCase, with commas between.
    fn field_mask(&mut self, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let mut joined = Vec::new();
        self.each(parts, |writer, tag, wire| {
            if tag != PATHS {
                return Ok(false);
            }
            let start = *wire;
            let path = writer.walk.check(start, wire::bytes(wire))?;
            writer.room(start)?;
            if !joined.is_empty() {
                joined.push(b',');
            }
            if !camel_case(path, &mut joined) {
                let path = text::excerpt(&String::from_utf8_lossy(path));
                let reason = format!("the path {path:?} would not be read from JSON as it is");
                return Err(writer.fault(start, reason));
            }
            Ok(true)
        })?;
        self.text_of(&joined, parts)
    }

    fn text_of(&mut self, bytes: &[u8], parts: &[&'a [u8]]) -> Result<(), Stop> {
        let written = text::quote_utf8(bytes, self.out);
        let at = parts.first().copied().unwrap_or_default();
        written.map_err(|_| self.fault(at, "a string is not UTF-8"))
    }

    fn any(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let (mut url, mut value): (&[u8], &[u8]) = (&[], &[]);
        self.each(parts, |writer, tag, wire| {
            let start = *wire;
            match tag {
                TYPE_URL => url = writer.walk.check(start, wire::bytes(wire))?,
                VALUE => value = writer.walk.check(start, wire::bytes(wire))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let at = parts.first().copied().unwrap_or_default();
        if url.is_empty() {
            if !value.is_empty() {
                return Err(self.fault(at, format!("a {} without a type", table.name)));
            }
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.out.extend_from_slice(b"{\"@type\":");
        self.text(Kind::String, url)?;
        let url = str::from_utf8(url).unwrap_or_default();
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let found = name.and_then(|name| self.walk.tables.by_name.get(name));
        let Some((id, table)) = found.and_then(|id| Some((*id, self.walk.tables.message(*id)?)))
        else {
            let url = text::excerpt(url);
            return Err(self.fault(at, format!("the type {url:?} is in no known contract")));
        };
        if table.special == Special::None {
            self.fields(table, &[value])?;
        } else {
            self.out.extend_from_slice(b",\"value\":");
            self.message(id, &[value])?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn structure(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let Some(field) = table.fields.first() else { return Ok(()) };
        let Some(fields) = EntryFields::of(self.walk.tables, field) else { return Ok(()) };
        if self.scattered {
            let found = self.gather(table, parts)?;
            return self.entries_together(field, &found);
        }
        self.out.push(b'{');
        let first = self.keys.len();
        self.each(parts, |writer, tag, wire| {
            if tag != field.tag {
                return Ok(false);
            }
            let start = *wire;
            let entry = writer.walk.check(start, wire::bytes(wire))?;
            writer.entry(fields, entry).map(|()| true)
        })?;
        self.close_map(first)
    }

    fn list_value(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let Some((field, id)) = table.fields.first().and_then(|f| Some((f, f.kind.message()?)))
        else {
            return Ok(());
        };
        self.out.push(b'[');
        self.each(parts, |writer, tag, wire| {
            if tag != field.tag {
                return Ok(false);
            }
            writer.room(wire)?;
            let part = writer.walk.submessage(field, wire)?;
            writer.message(id, &[part])?;
            writer.out.push(b',');
            Ok(true)
        })?;
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = b']',
            _ => self.out.push(b']'),
        }
        Ok(())
    }

    /// A `google.protobuf.Value`: whatever JSON has.
    fn dynamic(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let mut written = false;
        if self.scattered {
            let found = self.gather(table, parts)?;
            if let Some(first) = found.first()
                && let Some(field) = table.fields.get(first.index as usize)
            {
                self.variant_together(field, &found)?;
                written = true;
            }
        } else {
            self.each(parts, |writer, tag, wire| {
                let Some((_, field)) = writer.walk.known(table, tag) else { return Ok(false) };
                if written {
                    return Err(Stop::Scattered);
                }
                written = true;
                writer.variant(field, wire).map(|()| true)
            })?;
        }
        if written {
            return Ok(());
        }
        // struct.proto: "Absence of any variant indicates an error."
        let reason = format!("a {} that holds nothing, not even null", table.name);
        Err(self.fault(parts.first().copied().unwrap_or_default(), reason))
    }

    fn variant_together(&mut self, field: &FieldTable, found: &[Found]) -> Result<(), Stop> {
        if let Some(id) = field.kind.message() {
            let parts = self.walk.parts(field, found)?;
            return self.message(id, &parts);
        }
        let Some(last) = found.last() else { return Ok(()) };
        let (_, mut wire) = self.walk.enter(last)?;
        self.variant(field, &mut wire)
    }

    /// The tag has been read.
    fn variant(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        let start = *wire;
        match field.kind {
            Kind::Message(id) | Kind::Group(id) => {
                let part = self.walk.submessage(field, wire)?;
                self.message(id, &[part])
            }
            Kind::String | Kind::Bytes => {
                let bytes = self.walk.check(start, wire::bytes(wire))?;
                self.text(field.kind, bytes)
            }
            kind => {
                let raw = self.walk.raw(kind, wire)?;
                if kind == Kind::Double && !f64::from_bits(raw).is_finite() {
                    return Err(self.fault(start, "JSON has neither NaN nor infinities"));
                }
                self.number(kind, raw);
                Ok(())
            }
        }
    }
}

/// `seconds` of timestamp.proto and duration.proto.
const SECONDS: u32 = 1 << 3;
/// `nanos` of timestamp.proto and duration.proto.
const NANOS: u32 = 2 << 3;
/// `paths` of field_mask.proto.
const PATHS: u32 = 1 << 3 | WireType::Bytes as u32;
/// `type_url` and `value` of any.proto.
const TYPE_URL: u32 = 1 << 3 | WireType::Bytes as u32;
const VALUE: u32 = 2 << 3 | WireType::Bytes as u32;

/// Appends a path in lowerCamelCase; false if that would not be read as the same path.
fn camel_case(path: &[u8], out: &mut Vec<u8>) -> bool {
    let mut upper = false;
    for byte in path {
        match byte {
            b'_' if !upper => upper = true,
            b'a'..=b'z' if upper => {
                out.push(byte.to_ascii_uppercase());
                upper = false;
            }
            b'A'..=b'Z' | b',' => return false,
            _ if upper => return false,
            byte => out.push(*byte),
        }
    }
    !upper && !path.is_empty()
}
