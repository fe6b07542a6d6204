//! Whether bytes are a message, without making anything of them.

use super::{
    MAX_DEPTH, Malformed, WireError, WireType, bytes, fixed32, fixed64, group, skip, tag, varint,
};
use crate::Message;
use crate::schema::{FieldTable, Kind, MessageId, Shape, Tables};

/// Checks that the bytes are such a message, with all that is in it: tags, lengths, groups, and
/// strings that have to be UTF-8. Fields that the message does not have are as well-formed as
/// anyone can tell.
///
/// # Errors
/// The first place that is wrong.
pub fn check(message: &Message, wire: &[u8]) -> Result<(), WireError> {
    Check { tables: message.tables(), root: wire }.message(message.id(), wire, MAX_DEPTH)
}

struct Check<'a> {
    tables: &'a Tables,
    root: &'a [u8],
}

impl<'a> Check<'a> {
    fn message(&self, id: MessageId, wire: &'a [u8], depth: u32) -> Result<(), WireError> {
        let Some(table) = self.tables.message(id) else { return Ok(()) };
        let depth =
            depth.checked_sub(1).ok_or_else(|| self.fail(wire, Malformed::Depth.reason()))?;
        let mut rest = wire;
        while !rest.is_empty() {
            let start = rest;
            let tag = self.well(start, tag(&mut rest))?;
            let field = table.find(tag >> 3).and_then(|index| table.fields.get(index));
            let Some(field) = field else {
                self.well(start, skip(&mut rest, tag))?;
                continue;
            };
            self.field(field, tag, &mut rest, depth).map_err(|mut error| {
                error.trail().field(&field.json_name);
                error
            })?;
        }
        Ok(())
    }

    fn field(
        &self,
        field: &FieldTable,
        tag: u32,
        wire: &mut &'a [u8],
        depth: u32,
    ) -> Result<(), WireError> {
        let start = *wire;
        let packed = field.shape == Shape::Repeated
            && field.kind.packs()
            && tag & 7 == WireType::Bytes as u32;
        if packed {
            let mut elements = self.well(start, bytes(wire))?;
            while !elements.is_empty() {
                let start = elements;
                let read = match field.kind.wire_type() {
                    WireType::Fixed32 => fixed32(&mut elements).map(drop),
                    WireType::Fixed64 => fixed64(&mut elements).map(drop),
                    _ => varint(&mut elements).map(drop),
                };
                self.well(start, read)?;
            }
            return Ok(());
        }
        if tag != field.tag {
            return self.well(start, skip(wire, tag));
        }
        match field.kind {
            Kind::Message(id) => {
                let content = self.well(start, bytes(wire))?;
                self.message(id, content, depth)
            }
            Kind::Group(id) => {
                let content = self.well(start, group(wire, field.number))?;
                self.message(id, content, depth)
            }
            Kind::String if field.utf8 => {
                let content = self.well(start, bytes(wire))?;
                match str::from_utf8(content) {
                    Ok(_) => Ok(()),
                    Err(_) => Err(self.fail(content, "a string is not UTF-8")),
                }
            }
            _ => self.well(start, skip(wire, tag)),
        }
    }

    fn well<T>(&self, at: &[u8], result: Result<T, Malformed>) -> Result<T, WireError> {
        result.map_err(|malformed| self.fail(at, malformed.reason()))
    }

    #[cold]
    fn fail(&self, at: &[u8], reason: &str) -> WireError {
        let offset = at.as_ptr().addr().saturating_sub(self.root.as_ptr().addr());
        WireError::new(offset.min(self.root.len()), reason)
    }
}
