//! Messages whose fields' parts stand apart: brought together, as protobuf merges them.
//!
//! <https://protobuf.dev/programming-guides/encoding/#last-one-wins>

use super::{Writer, in_field};
use crate::Field;
use crate::json::seen::Seen;
use crate::schema::{FieldTable, Kind, MessageTable, Shape, Special};
use crate::wire::{Found, Stop};

impl<'a> Writer<'a, '_> {
    pub(super) fn fields_together(
        &mut self,
        table: &'a MessageTable,
        parts: &[&'a [u8]],
    ) -> Result<(), Stop> {
        let found = self.gather(table, parts)?;
        let mut seen = Seen::default();
        let mut next = 0;
        for same in found.chunk_by(|a, b| a.index == b.index) {
            let Some(index) = same.first().map(|found| found.index as usize) else { continue };
            let Some(field) = table.fields.get(index) else { continue };
            if self.options.emit_defaults {
                self.defaults(table, next..index, &mut seen);
            }
            next = index + 1;
            self.together(field, same).map_err(|stop| in_field(stop, field))?;
        }
        if self.options.emit_defaults {
            self.defaults(table, next..table.fields.len(), &mut seen);
        }
        Ok(())
    }

    /// Writes the value of one field of the message, without its name.
    pub(super) fn only(&mut self, field: &Field, wire: &'a [u8]) -> Result<(), Stop> {
        let (Some(table), Some(found)) = (field.parent().table(), field.table()) else {
            return Ok(());
        };
        // The tables are the writer's own, where they live longer.
        let Some(table) = self.walk.tables.by_name.get(&*table.name) else { return Ok(()) };
        let Some(table) = self.walk.tables.message(*table) else { return Ok(()) };
        let start = self.out.len();
        let mut parts = self.gather(table, &[wire])?;
        parts.retain(|part| part.index as usize == field.index());
        if !parts.is_empty() {
            self.together(found, &parts).map_err(|stop| in_field(stop, found))?;
        }
        let key = if self.options.proto_names { &found.proto_key } else { &found.json_key };
        if self.out.len() > start {
            self.out.drain(start..start + key.len());
            return Ok(());
        }
        match found.kind {
            Kind::Message(id) | Kind::Group(id) if found.shape == Shape::Singular => {
                let special = self.walk.tables.message(id).map(|table| table.special);
                match special.unwrap_or_default() {
                    Special::None | Special::Empty | Special::Struct | Special::ListValue => {
                        self.message(id, &[&[]])
                    }
                    _ => {
                        self.out.extend_from_slice(b"null");
                        Ok(())
                    }
                }
            }
            _ => {
                self.default(found);
                Ok(())
            }
        }
    }

    /// As [`Walk::gather`]; each field counts.
    pub(super) fn gather(
        &mut self,
        table: &'a MessageTable,
        parts: &[&'a [u8]],
    ) -> Result<Vec<Found>, Stop> {
        let walk = self.walk;
        walk.gather(table, parts, |at| self.room(at), |_| {})
    }

    fn together(&mut self, field: &FieldTable, found: &[Found]) -> Result<(), Stop> {
        match (field.shape, field.kind) {
            (Shape::Map, _) => {
                let mark = self.out.len();
                self.key(field);
                self.entries_together(field, found)?;
                self.drop_empty(field, mark);
                Ok(())
            }
            (Shape::Repeated, _) => {
                let mark = self.open_list(field);
                let mut index = 0;
                for found in found {
                    let (tag, mut wire) = self.walk.enter(found)?;
                    self.elements(field, tag, &mut wire, &mut index)?;
                }
                self.close_list(field, mark);
                Ok(())
            }
            (Shape::Singular, Kind::Message(id) | Kind::Group(id)) => {
                let parts = self.walk.parts(field, found)?;
                self.key(field);
                self.message(id, &parts)
            }
            (Shape::Singular, _) => {
                let Some(last) = found.last() else { return Ok(()) };
                let (_, mut wire) = self.walk.enter(last)?;
                self.singular(field, &mut wire)
            }
        }
    }
}
