//! Repeated fields.

use super::Reader;
use crate::json::JsonError;
use crate::schema::{FieldTable, Kind};
use crate::wire::{self, WireType};

impl Reader<'_, '_> {
    pub(super) fn list(&mut self, field: &FieldTable) -> Result<(), JsonError> {
        self.expect(b'[', "a list")?;
        if field.packed {
            return self.packed(field);
        }
        let mut first = true;
        let mut index = 0;
        while self.another(&mut first, b']')? {
            self.element(field.kind, field.tag).map_err(|error| error.index(index))?;
            index += 1;
        }
        Ok(())
    }

    fn packed(&mut self, field: &FieldTable) -> Result<(), JsonError> {
        let before = self.out.len();
        wire::put_varint(self.out, (field.number << 3 | WireType::Bytes as u32).into());
        let start = wire::open(self.out);
        let mut first = true;
        let mut index = 0;
        while self.another(&mut first, b']')? {
            let raw = self.room().and_then(|()| self.raw(field.kind));
            if let Some(raw) = raw.map_err(|error| error.index(index))? {
                self.put(field.kind, raw);
            }
            index += 1;
        }
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            wire::close(self.out, start);
        }
        Ok(())
    }

    /// One element, or one value of a map, with its tag.
    #[inline]
    pub(super) fn element(&mut self, kind: Kind, tag: u32) -> Result<(), JsonError> {
        self.room()?;
        if self.peek() == Some(b'n') && !self.kind_takes_null(kind) {
            return Err(self.fail(self.at, "null is no value here"));
        }
        self.singular(kind, tag, true)
    }
}
