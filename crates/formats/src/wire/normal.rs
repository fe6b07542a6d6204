//! A message as a writer would leave it that had read it.

use super::walk::{Found, Walk};
use super::{
    EntryFields, MAX_DEPTH, Malformed, WireError, WireType, bytes, check, close, open, put_length,
    put_varint,
};
use crate::Message;
use crate::schema::{FieldTable, Kind, MessageId, Shape};

/// Appends the message with each field once and in the order of numbers, packed as the contract says
/// and without defaults that need not be said; what is scattered is merged. Fields that the message
/// does not have follow as they are.
///
/// # Errors
/// As [`check()`]. Nothing is appended then.
pub fn normalize(message: &Message, wire: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    check(message, wire)?;
    let start = out.len();
    let walk = Walk { tables: message.tables(), root: wire };
    let done = Normal { walk, out }.message(message.id(), &[wire], MAX_DEPTH);
    done.inspect_err(|_| out.truncate(start))
}

struct Normal<'a, 'o> {
    walk: Walk<'a>,
    out: &'o mut Vec<u8>,
}

impl<'a> Normal<'a, '_> {
    fn message(&mut self, id: MessageId, parts: &[&'a [u8]], depth: u32) -> Result<(), WireError> {
        let at = parts.first().copied().unwrap_or_default();
        let depth = self.walk.check(at, depth.checked_sub(1).ok_or(Malformed::Depth))?;
        let Some(table) = self.walk.tables.message(id) else { return Ok(()) };
        let mut unknown = Vec::new();
        let found = self.walk.gather::<WireError>(
            table,
            parts,
            |_| Ok(()),
            |field| unknown.extend_from_slice(field),
        )?;
        for same in found.chunk_by(|a, b| a.index == b.index) {
            let index = same.first().map(|found| found.index as usize);
            let Some(field) = index.and_then(|index| table.fields.get(index)) else { continue };
            match field.shape {
                Shape::Singular => self.singular(field, same, depth)?,
                Shape::Repeated => self.list(field, same, &mut unknown, depth)?,
                Shape::Map => self.map(field, same, &mut unknown, depth)?,
            }
        }
        self.out.extend_from_slice(&unknown);
        Ok(())
    }

    fn singular(
        &mut self,
        field: &'a FieldTable,
        found: &[Found],
        depth: u32,
    ) -> Result<(), WireError> {
        if let Some(id) = field.kind.message() {
            let parts = self.walk.parts(field, found)?;
            return self.submessage(field, id, &parts, depth);
        }
        let Some(last) = found.last() else { return Ok(()) };
        let (_, value) = self.walk.enter(last)?;
        self.value(field, value, field.presence)
    }

    fn submessage(
        &mut self,
        field: &FieldTable,
        id: MessageId,
        parts: &[&'a [u8]],
        depth: u32,
    ) -> Result<(), WireError> {
        put_varint(self.out, field.tag.into());
        if let Kind::Group(_) = field.kind {
            self.message(id, parts, depth)?;
            put_varint(self.out, (field.number << 3 | WireType::EndGroup as u32).into());
            return Ok(());
        }
        let start = open(self.out);
        self.message(id, parts, depth)?;
        close(self.out, start);
        Ok(())
    }

    /// A value that is no message, with its tag.
    fn value(
        &mut self,
        field: &FieldTable,
        mut wire: &'a [u8],
        presence: bool,
    ) -> Result<(), WireError> {
        if let Kind::String | Kind::Bytes = field.kind {
            let content = self.walk.check(wire, bytes(&mut wire))?;
            if presence || !content.is_empty() {
                put_varint(self.out, field.tag.into());
                put_length(self.out, content.len());
                self.out.extend_from_slice(content);
            }
            return Ok(());
        }
        let raw = self.walk.raw(field.kind, &mut wire)?;
        if presence || !field.kind.is_default(raw) {
            put_varint(self.out, field.tag.into());
            self.put(field.kind, raw);
        }
        Ok(())
    }

    fn put(&mut self, kind: Kind, raw: u64) {
        let sign_extended = || i64::from(raw as i32).cast_unsigned();
        match kind.wire_type() {
            WireType::Fixed64 => self.out.extend_from_slice(&raw.to_le_bytes()),
            WireType::Fixed32 => self.out.extend_from_slice(&(raw as u32).to_le_bytes()),
            _ => put_varint(
                self.out,
                match kind {
                    Kind::Bool => u64::from(raw != 0),
                    Kind::Int32 | Kind::Enum(_) => sign_extended(),
                    Kind::Uint32 | Kind::Sint32 => u64::from(raw as u32),
                    _ => raw,
                },
            ),
        }
    }

    fn list(
        &mut self,
        field: &'a FieldTable,
        found: &[Found],
        unknown: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), WireError> {
        let before = self.out.len();
        if field.packed {
            put_varint(self.out, (field.number << 3 | WireType::Bytes as u32).into());
        }
        let start = if field.packed { open(self.out) } else { 0 };
        for found in found {
            let (tag, mut wire) = self.walk.enter(found)?;
            if let Some(id) = field.kind.message() {
                let part = self.walk.submessage(field, &mut wire)?;
                self.submessage(field, id, &[part], depth)?;
            } else if !field.kind.packs() {
                self.value(field, wire, true)?;
            } else if tag == field.tag {
                self.element(field, &mut wire, unknown)?;
            } else {
                let mut packed = self.walk.check(wire, bytes(&mut wire))?;
                while !packed.is_empty() {
                    self.element(field, &mut packed, unknown)?;
                }
            }
        }
        if field.packed && self.out.len() == start {
            self.out.truncate(before);
        } else if field.packed {
            close(self.out, start);
        }
        Ok(())
    }

    /// A number of a list. One that a closed enum does not have becomes an unknown field.
    fn element(
        &mut self,
        field: &FieldTable,
        wire: &mut &'a [u8],
        unknown: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let raw = self.walk.raw(field.kind, wire)?;
        if self.walk.is_unknown(field.kind, raw) {
            put_varint(unknown, field.tag.into());
            put_varint(unknown, raw);
            return Ok(());
        }
        if !field.packed {
            put_varint(self.out, field.tag.into());
        }
        self.put(field.kind, raw);
        Ok(())
    }

    fn map(
        &mut self,
        field: &'a FieldTable,
        found: &[Found],
        unknown: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), WireError> {
        let Some(fields) = EntryFields::of(self.walk.tables, field) else { return Ok(()) };
        let Some(entry) = field.kind.message() else { return Ok(()) };
        for found in found {
            if self.walk.entry(fields, found)?.is_none() {
                let (tag, mut wire) = self.walk.enter(found)?;
                let content = self.walk.check(wire, bytes(&mut wire))?;
                put_varint(unknown, tag.into());
                put_length(unknown, content.len());
                unknown.extend_from_slice(content);
            }
        }
        for found in self.walk.entries(fields, found)? {
            let (_, mut wire) = self.walk.enter(&found)?;
            let content = self.walk.submessage(field, &mut wire)?;
            self.submessage(field, entry, &[content], depth)?;
        }
        Ok(())
    }
}
