//! Maps: an object, each key once.

use super::Writer;
use crate::schema::{FieldTable, Kind};
use crate::wire::{self, EntryFields, Found, Key, Stop, WireType};

impl<'a> Writer<'a, '_> {
    /// All entries that stand together; the first one's tag has been read.
    pub(super) fn map(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        let Some(fields) = EntryFields::of(self.walk.tables, field) else { return Ok(()) };
        let mark = self.out.len();
        self.key(field);
        self.out.push(b'{');
        let first = self.keys.len();
        loop {
            let start = *wire;
            let entry = self.walk.check(start, wire::bytes(wire))?;
            self.entry(fields, entry)?;
            if !wire::same_tag(wire, field.tag) {
                break;
            }
        }
        self.close_map(first)?;
        self.drop_empty(field, mark);
        Ok(())
    }

    /// Takes back a map that had no entries but such as nobody knows.
    pub(super) fn drop_empty(&mut self, field: &FieldTable, mark: usize) {
        if self.out.ends_with(b"{}") && !self.options.emit_defaults {
            let key = if self.options.proto_names { &field.proto_key } else { &field.json_key };
            if self.out.len() == mark + key.len() + 2 {
                self.out.truncate(mark);
            }
        }
    }

    /// Ends a map whose entries have a comma after each, if each key was there once.
    pub(super) fn close_map(&mut self, first: usize) -> Result<(), Stop> {
        /// Up to so many, comparing each with each is faster than sorting.
        const FEW: usize = 8;
        let keys = self.keys.get_mut(first..).unwrap_or_default();
        let twice = if keys.len() <= FEW {
            let mut rest = &*keys;
            std::iter::from_fn(|| rest.split_first().inspect(|(_, after)| rest = after))
                .any(|(key, after)| after.contains(key))
        } else {
            keys.sort_unstable();
            !keys.is_sorted_by(|a, b| a < b)
        };
        self.keys.truncate(first);
        if twice {
            return Err(Stop::Scattered);
        }
        self.close_object();
        Ok(())
    }

    fn close_object(&mut self) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = b'}',
            _ => self.out.push(b'}'),
        }
    }

    /// An entry as writers leave it: the key, then the value.
    pub(super) fn entry(
        &mut self,
        fields: EntryFields<'a>,
        mut entry: &'a [u8],
    ) -> Result<(), Stop> {
        self.room(entry)?;
        let mark = self.out.len();
        let key = if wire::same_tag(&mut entry, fields.key.tag) {
            self.walk.key(fields.key.kind, &mut entry)?
        } else {
            Key::default(fields.key.kind)
        };
        self.write_key(fields.key.kind, key)?;
        let value = fields.value;
        let before = self.out.len();
        let written = if wire::same_tag(&mut entry, value.tag) {
            self.value(value, &mut entry)
        } else if entry.is_empty() {
            self.absent_value(value)
        } else {
            return Err(Stop::Scattered);
        };
        written.map_err(|stop| in_entry(stop, key, fields.key.kind))?;
        if !entry.is_empty() {
            return Err(Stop::Scattered);
        }
        if self.out.len() == before {
            // A closed enum's unknown value makes the entry an unknown field.
            self.out.truncate(mark);
            return Ok(());
        }
        self.out.push(b',');
        self.keys.push(self.walk.hash(key));
        Ok(())
    }

    fn absent_value(&mut self, field: &FieldTable) -> Result<(), Stop> {
        match field.kind {
            Kind::Message(id) | Kind::Group(id) => self.message(id, &[&[]]),
            Kind::Enum(id) => {
                // The default of a closed enum is its first value, which may be no zero.
                let closed = self.walk.tables.enumeration(id).filter(|table| table.closed);
                let first = closed.map_or(0, |table| table.first);
                self.number(field.kind, i64::from(first).cast_unsigned());
                Ok(())
            }
            _ => {
                self.default(field);
                Ok(())
            }
        }
    }

    fn write_key(&mut self, kind: Kind, key: Key<'a>) -> Result<(), Stop> {
        match key {
            Key::Text(bytes) => self.text(kind, bytes)?,
            Key::Raw(raw) if matches!(kind.wire_type(), WireType::Fixed64) => {
                self.number(kind, raw)
            }
            Key::Raw(raw) => match kind {
                // These are quoted already.
                Kind::Int64 | Kind::Uint64 | Kind::Sint64 => self.number(kind, raw),
                _ => {
                    self.out.push(b'"');
                    self.number(kind, raw);
                    self.out.push(b'"');
                }
            },
        }
        self.out.push(b':');
        Ok(())
    }

    /// A map whose entries stand apart, or that has a key twice: the last one counts.
    pub(super) fn entries_together(
        &mut self,
        field: &FieldTable,
        found: &[Found],
    ) -> Result<(), Stop> {
        let Some(fields) = EntryFields::of(self.walk.tables, field) else { return Ok(()) };
        self.out.push(b'{');
        for found in self.walk.entries(fields, found)? {
            let Some(entry) = self.walk.entry(fields, &found)? else { continue };
            self.room(self.walk.root)?;
            self.write_key(fields.key.kind, entry.key)?;
            self.value_together(fields.value, &entry.values)
                .map_err(|stop| in_entry(stop, entry.key, fields.key.kind))?;
            self.out.push(b',');
        }
        self.close_object();
        Ok(())
    }

    fn value_together(&mut self, field: &FieldTable, values: &[&'a [u8]]) -> Result<(), Stop> {
        match (field.kind, values) {
            (_, []) => self.absent_value(field),
            (Kind::Message(id) | Kind::Group(id), parts) => self.message(id, parts),
            (_, [.., last]) => self.value(field, &mut { *last }),
        }
    }
}

#[cold]
fn in_entry(stop: Stop, key: Key<'_>, kind: Kind) -> Stop {
    match stop {
        Stop::Failed(mut error) => {
            match (key, kind) {
                (Key::Text(bytes), _) => error.trail().key(&String::from_utf8_lossy(bytes)),
                (Key::Raw(raw), Kind::Bool) => error.trail().key(&(raw != 0).to_string()),
                (Key::Raw(raw), Kind::Sint32 | Kind::Sint64) => {
                    error.trail().key(&wire::unzigzag64(raw).to_string());
                }
                (Key::Raw(raw), Kind::Int32 | Kind::Sfixed32) => {
                    error.trail().key(&(raw as i32).to_string());
                }
                (Key::Raw(raw), Kind::Int64 | Kind::Sfixed64) => {
                    error.trail().key(&raw.cast_signed().to_string());
                }
                (Key::Raw(raw), _) => error.trail().key(&raw.to_string()),
            }
            Stop::Failed(error)
        }
        Stop::Scattered => Stop::Scattered,
    }
}
