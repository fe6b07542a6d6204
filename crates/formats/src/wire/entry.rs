//! Entries of maps: a key and a value each, and of a key the last one.

use super::walk::{Found, Walk};
use super::{WireError, bytes, skip, tag};
use crate::schema::{FieldTable, Kind, Shape, Tables};

/// What an entry's message holds: the key is field 1, the value field 2.
#[derive(Clone, Copy)]
pub(crate) struct EntryFields<'a> {
    pub(crate) key: &'a FieldTable,
    pub(crate) value: &'a FieldTable,
}

impl<'a> EntryFields<'a> {
    pub(crate) fn of(tables: &'a Tables, field: &FieldTable) -> Option<Self> {
        let id = field.kind.message().filter(|_| field.shape == Shape::Map)?;
        match &*tables.message(id)?.fields {
            [key, value] => Some(Self { key, value }),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Key<'a> {
    Text(&'a [u8]),
    Raw(u64),
}

impl Key<'_> {
    /// What a key is that an entry does not say.
    pub(crate) fn default(kind: Kind) -> Self {
        if kind == Kind::String { Self::Text(b"") } else { Self::Raw(0) }
    }
}

pub(crate) struct Entry<'a> {
    pub(crate) key: Key<'a>,
    /// A message's parts, or what begins with the last value.
    pub(crate) values: Vec<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// The tag has been read.
    pub(crate) fn key(&self, kind: Kind, wire: &mut &'a [u8]) -> Result<Key<'a>, WireError> {
        if kind == Kind::String {
            let start = *wire;
            return self.check(start, bytes(wire)).map(Key::Text);
        }
        let raw = self.raw(kind, wire)?;
        Ok(Key::Raw(match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 => u64::from(raw as u32),
            Kind::Bool => u64::from(raw != 0),
            _ => raw,
        }))
    }

    pub(crate) fn hash(&self, key: Key<'_>) -> u64 {
        match key {
            Key::Text(bytes) => self.tables.hash(bytes),
            Key::Raw(raw) => raw,
        }
    }

    /// The entries that count, in their order: of each key the last, but none whose value is one that
    /// nobody knows.
    pub(crate) fn entries(
        &self,
        fields: EntryFields<'a>,
        found: &[Found],
    ) -> Result<Vec<Found>, WireError> {
        let mut hashed = Vec::with_capacity(found.len());
        for found in found {
            if let Some(entry) = self.entry(fields, found)? {
                hashed.push((self.hash(entry.key), *found));
            }
        }
        hashed.sort_unstable();
        let mut kept = Vec::with_capacity(hashed.len());
        for same in hashed.chunk_by(|a, b| a.0 == b.0) {
            // Nearly always of one key; others with the same hash are told apart by looking.
            let mut keys: Vec<Key<'a>> = Vec::new();
            for (_, found) in same.iter().rev() {
                let Some(entry) = self.entry(fields, found)? else { continue };
                if !keys.contains(&entry.key) {
                    keys.push(entry.key);
                    kept.push(*found);
                }
            }
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// An entry in whatever order; None if its value is one that nobody knows.
    pub(crate) fn entry(
        &self,
        fields: EntryFields<'a>,
        found: &Found,
    ) -> Result<Option<Entry<'a>>, WireError> {
        let (_, mut wire) = self.enter(found)?;
        let mut wire = self.check(wire, bytes(&mut wire))?;
        let mut entry = Entry { key: Key::default(fields.key.kind), values: Vec::new() };
        while !wire.is_empty() {
            let start = wire;
            let tag = self.check(start, tag(&mut wire))?;
            if tag == fields.key.tag {
                entry.key = self.key(fields.key.kind, &mut wire)?;
            } else if tag == fields.value.tag {
                let value = wire;
                match fields.value.kind {
                    Kind::Message(_) | Kind::Group(_) => {
                        entry.values.push(self.submessage(fields.value, &mut wire)?);
                    }
                    Kind::String | Kind::Bytes => {
                        self.check(start, skip(&mut wire, tag))?;
                        entry.values = vec![value];
                    }
                    kind => {
                        let raw = self.raw(kind, &mut wire)?;
                        if self.is_unknown(kind, raw) {
                            return Ok(None);
                        }
                        entry.values = vec![value];
                    }
                }
            } else {
                self.check(start, skip(&mut wire, tag))?;
            }
        }
        Ok(Some(entry))
    }
}
