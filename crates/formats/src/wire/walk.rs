//! Going through a message by its table.

use super::{Malformed, WireError, WireType, bytes, fixed32, fixed64, group, skip, tag, varint};
use crate::schema::{FieldTable, Kind, MessageTable, Shape, Tables};

/// What a walk needs to know. Every slice that it is given is a part of `root`.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) root: &'a [u8],
}

/// Where a field begins, with its tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// In the message's table.
    pub(crate) index: u32,
    /// In the root.
    pub(crate) offset: u32,
}

impl<'a> Walk<'a> {
    /// The field of that tag, if its wire type is one that the field can have.
    #[inline]
    pub(crate) fn known(
        &self,
        table: &'a MessageTable,
        tag: u32,
    ) -> Option<(usize, &'a FieldTable)> {
        let index = table.find(tag >> 3)?;
        let field = table.fields.get(index)?;
        let packed = tag & 7 == WireType::Bytes as u32
            && field.shape == Shape::Repeated
            && field.kind.packs();
        (field.tag == tag || packed).then_some((index, field))
    }

    /// A message's bytes; the tag has been read.
    #[inline(always)]
    pub(crate) fn submessage(
        &self,
        field: &FieldTable,
        wire: &mut &'a [u8],
    ) -> Result<&'a [u8], WireError> {
        let start = *wire;
        let part = match field.kind {
            Kind::Group(_) => group(wire, field.number),
            _ => bytes(wire),
        };
        self.check(start, part)
    }

    /// What a number, bool or enum is on the wire; the tag has been read.
    #[inline]
    pub(crate) fn raw(&self, kind: Kind, wire: &mut &'a [u8]) -> Result<u64, WireError> {
        let start = *wire;
        let raw = match kind.wire_type() {
            WireType::Fixed64 => fixed64(wire),
            WireType::Fixed32 => fixed32(wire).map(u64::from),
            _ => varint(wire),
        };
        self.check(start, raw)
    }

    /// A closed enum's number that it has no value for counts as an unknown field.
    #[inline]
    pub(crate) fn is_unknown(&self, kind: Kind, raw: u64) -> bool {
        let Kind::Enum(id) = kind else { return false };
        let Some(table) = self.tables.enumeration(id) else { return true };
        table.closed && table.name_of(raw as i32).is_none()
    }

    /// Where the message's fields are, by field and, of each, in their order; of a oneof only what
    /// was set last. The message is these parts, one after the other.
    ///
    /// `known` hears of each field, `unknown` gets each that the message does not have.
    pub(crate) fn gather<E: From<WireError>>(
        &self,
        table: &'a MessageTable,
        parts: &[&'a [u8]],
        mut known: impl FnMut(&'a [u8]) -> Result<(), E>,
        mut unknown: impl FnMut(&'a [u8]),
    ) -> Result<Vec<Found>, E> {
        let mut all = Vec::new();
        // Of each oneof, the field that is set and since when.
        let mut set: Vec<Option<Found>> = vec![None; table.oneofs.len()];
        for part in parts {
            let mut wire = *part;
            while !wire.is_empty() {
                let start = wire;
                let tag = self.check(start, tag(&mut wire))?;
                let value = wire;
                self.check(start, skip(&mut wire, tag))?;
                let whole = start.get(..start.len() - wire.len()).unwrap_or_default();
                let found = self.known(table, tag).filter(|(_, field)| {
                    let raw = match (field.shape, field.kind) {
                        (Shape::Singular, Kind::Enum(_)) => varint(&mut { value }),
                        _ => return true,
                    };
                    raw.is_ok_and(|raw| !self.is_unknown(field.kind, raw))
                });
                let Some((index, field)) = found else {
                    unknown(whole);
                    continue;
                };
                known(start)?;
                let offset = u32::try_from(self.offset(start))
                    .map_err(|_| self.fault(start, "it is longer than 4 GiB"))?;
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
        // Parts of a message come in their order in the root, and so do offsets.
        all.sort_unstable();
        Ok(all)
    }

    /// The tag of a field, and what begins with its value.
    pub(crate) fn enter(&self, found: &Found) -> Result<(u32, &'a [u8]), WireError> {
        let mut wire = self.root.get(found.offset as usize..).unwrap_or_default();
        let tag = self.check(wire, tag(&mut wire))?;
        Ok((tag, wire))
    }

    /// The parts of a singular message.
    pub(crate) fn parts(
        &self,
        field: &FieldTable,
        found: &[Found],
    ) -> Result<Vec<&'a [u8]>, WireError> {
        found
            .iter()
            .map(|found| {
                let (_, mut wire) = self.enter(found)?;
                self.submessage(field, &mut wire)
            })
            .collect()
    }

    #[inline(always)]
    pub(crate) fn check<T>(&self, at: &[u8], result: Result<T, Malformed>) -> Result<T, WireError> {
        result.map_err(|malformed| self.fault(at, malformed.reason()))
    }

    #[cold]
    pub(crate) fn fault(&self, at: &[u8], reason: impl Into<String>) -> WireError {
        WireError::new(self.offset(at), reason)
    }

    /// So many bytes from where this part of the root begins, if there are as many.
    #[inline(always)]
    pub(crate) fn window<const N: usize>(&self, part: &[u8]) -> Option<&'a [u8; N]> {
        self.root.get(self.offset(part)..)?.first_chunk()
    }

    /// Where in the root this part of it begins.
    #[inline(always)]
    pub(crate) fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().saturating_sub(self.root.as_ptr().addr()).min(self.root.len())
    }
}
