//! Messages whose fields' parts stand apart: brought together, as protobuf merges them.
//!
//! <https://protobuf.dev/programming-guides/encoding/#last-one-wins>

use super::{Writer, in_field};
use crate::Field;
use crate::json::seen::Seen;
use crate::schema::{FieldTable, Kind, MessageTable, Shape, Special};
use crate::wire::{self, Stop};

/// Where a field begins, with its tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// In the message's table.
    pub(super) index: u32,
    /// In the whole.
    pub(super) offset: u32,
}

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
        let Some(table) = self.tables.by_name.get(&*table.name) else { return Ok(()) };
        let Some(table) = self.tables.message(*table) else { return Ok(()) };
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
                let special = self.tables.message(id).map(|table| table.special);
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

    /// Where the message's fields are, by field and, of each, in their order; of a oneof only what
    /// was set last.
    pub(super) fn gather(
        &mut self,
        table: &'a MessageTable,
        parts: &[&'a [u8]],
    ) -> Result<Vec<Found>, Stop> {
        let mut all = Vec::new();
        // Of each oneof, the field that is set and since when.
        let mut set: Vec<Option<Found>> = vec![None; table.oneofs.len()];
        for part in parts {
            let mut wire = *part;
            while !wire.is_empty() {
                let start = wire;
                let tag = self.check(start, wire::tag(&mut wire))?;
                let value = wire;
                self.check(start, wire::skip(&mut wire, tag))?;
                let Some((index, field)) = self.known(table, tag) else { continue };
                if field.shape == Shape::Singular
                    && let Kind::Enum(_) = field.kind
                {
                    let raw = self.raw(field.kind, &mut { value })?;
                    if self.is_unknown(field.kind, raw) {
                        continue;
                    }
                }
                self.room(start)?;
                let offset = u32::try_from(self.offset(start));
                let offset = offset.map_err(|_| self.fault(start, "it is longer than 4 GiB"))?;
                let found = Found { index: index as u32, offset };
                if let Some(oneof) = field.oneof
                    && let Some(set) = set.get_mut(usize::from(oneof))
                    && set.is_none_or(|set| set.index != found.index)
                {
                    *set = Some(found);
                }
                all.push(found);
            }
        }
        if !set.is_empty() {
            all.retain(|found| {
                let field = table.fields.get(found.index as usize);
                let set = field.and_then(|field| set.get(usize::from(field.oneof?)).copied()?);
                set.is_none_or(|set| set.index == found.index && set.offset <= found.offset)
            });
        }
        // Parts of a message come in their order in the whole, and so do offsets.
        all.sort_unstable();
        Ok(all)
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
                    let mut wire = self.at(found);
                    let start = wire;
                    let tag = self.check(start, wire::tag(&mut wire))?;
                    self.elements(field, tag, &mut wire, &mut index)?;
                }
                self.close_list(field, mark);
                Ok(())
            }
            (Shape::Singular, Kind::Message(id) | Kind::Group(id)) => {
                let parts = self.parts(field, found)?;
                self.key(field);
                self.message(id, &parts)
            }
            (Shape::Singular, _) => {
                let Some(last) = found.last() else { return Ok(()) };
                let mut wire = self.at(last);
                let start = wire;
                self.check(start, wire::tag(&mut wire))?;
                self.singular(field, &mut wire)
            }
        }
    }

    /// The parts of a singular message.
    pub(super) fn parts(&self, field: &FieldTable, found: &[Found]) -> Result<Vec<&'a [u8]>, Stop> {
        found
            .iter()
            .map(|found| {
                let mut wire = self.at(found);
                let start = wire;
                self.check(start, wire::tag(&mut wire))?;
                self.submessage(field, &mut wire)
            })
            .collect()
    }

    pub(super) fn at(&self, found: &Found) -> &'a [u8] {
        self.root.get(found.offset as usize..).unwrap_or_default()
    }
}
