//! Repeated fields, packed or not.

use super::{Writer, in_element};
use crate::schema::FieldTable;
use crate::wire::{self, Stop, WireType};

impl<'a> Writer<'a, '_> {
    /// All elements that stand together; the first one's tag has been read.
    pub(super) fn list(
        &mut self,
        field: &FieldTable,
        mut tag: u32,
        wire: &mut &'a [u8],
    ) -> Result<(), Stop> {
        let mark = self.open_list(field);
        let mut index = 0;
        loop {
            self.elements(field, tag, wire, &mut index)?;
            if wire::same_tag(wire, field.tag) {
                tag = field.tag;
            } else if field.kind.packs() && wire::same_tag(wire, packed_tag(field)) {
                tag = packed_tag(field);
            } else {
                break;
            }
        }
        self.close_list(field, mark);
        Ok(())
    }

    /// Where the field began.
    #[inline]
    pub(super) fn open_list(&mut self, field: &FieldTable) -> usize {
        let mark = self.out.len();
        self.key(field);
        self.out.push(b'[');
        mark
    }

    /// Ends a list whose elements have a comma after each. One without elements is not written.
    pub(super) fn close_list(&mut self, field: &FieldTable, mark: usize) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = b']',
            _ => {
                self.out.truncate(mark);
                if self.options.emit_defaults {
                    self.key(field);
                    self.default(field);
                }
            }
        }
    }

    /// One element, or a packed run of them; the tag has been read.
    #[inline(always)]
    pub(super) fn elements(
        &mut self,
        field: &FieldTable,
        tag: u32,
        wire: &mut &'a [u8],
        index: &mut usize,
    ) -> Result<(), Stop> {
        if tag == field.tag {
            self.element(field, wire).map_err(|stop| in_element(stop, *index))?;
            *index += 1;
            return Ok(());
        }
        let start = *wire;
        let mut packed = self.walk.check(start, wire::bytes(wire))?;
        while !packed.is_empty() {
            self.element(field, &mut packed).map_err(|stop| in_element(stop, *index))?;
            *index += 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn element(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        self.room(wire)?;
        let before = self.out.len();
        self.value(field, wire)?;
        if self.out.len() > before {
            self.out.push(b',');
        }
        Ok(())
    }
}

fn packed_tag(field: &FieldTable) -> u32 {
    field.number << 3 | WireType::Bytes as u32
}
