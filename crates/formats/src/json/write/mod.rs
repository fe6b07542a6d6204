//! Wire to JSON, in one pass: each field is written where it stands.
//!
//! That works while every field's parts stand together, as writers leave them. A message may also be
//! two that were appended, though, which protobuf merges; then the pass is begun again, with every
//! message's fields brought together first (`scattered.rs`).

mod list;
mod map;
mod scalar;
mod scattered;
mod special;

use super::seen::Seen;
use crate::json::make_room;
use crate::schema::{FieldTable, Kind, MessageId, MessageTable, Shape, Special, Tables};
use crate::wire::{self, Malformed, Stop, Walk, WireError};
use crate::{Field, Message};

/// How JSON is written, and how much.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Fields without presence are written when they hold their default, too.
    pub emit_defaults: bool,
    /// Fields get the contract's names instead of lowerCamelCase.
    pub proto_names: bool,
    /// Enums are written as numbers.
    pub enum_numbers: bool,
    /// How deep messages may be nested. 100, as protobuf's own readers have
    /// it; each level takes some of the stack.
    pub max_depth: u32,
    /// How many fields, elements and map entries a message may have in all. 10 million.
    pub max_values: u32,
    /// How many bytes of JSON a message may become: a name can be much longer than its tag. 64 MiB.
    pub max_bytes: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            emit_defaults: false,
            proto_names: false,
            enum_numbers: false,
            max_depth: wire::MAX_DEPTH,
            max_values: 10_000_000,
            max_bytes: 64 << 20,
        }
    }
}

/// Appends the message as JSON.
///
/// # Errors
/// Not a message on the wire, or one that JSON has no way to write, such as a timestamp out of
/// range or an `Any` of an unknown type; or it is over a limit. Nothing is appended then.
pub fn from_wire(
    message: &Message,
    wire: &[u8],
    options: &WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    run(message, wire, options, out, |writer| writer.message(message.id(), &[wire]))
}

/// Appends one field's value as JSON, its default if there is none; `wire` is the whole message.
///
/// # Errors
/// As [`from_wire`].
pub fn field_from_wire(
    field: &Field,
    wire: &[u8],
    options: &WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    run(field.parent(), wire, options, out, |writer| writer.only(field, wire))
}

fn run<'a>(
    message: &'a Message,
    wire: &'a [u8],
    options: &'a WriteOptions,
    out: &mut Vec<u8>,
    write: impl Fn(&mut Writer<'a, '_>) -> Result<(), Stop>,
) -> Result<(), WireError> {
    let start = out.len();
    // Names and quotes take about as much as the values; whatever it is, it grows from there.
    make_room(out, (wire.len() * 2 + 16).min(options.max_bytes));
    let run = |out: &mut Vec<u8>, scattered| {
        let mut writer = Writer::new(message.tables(), wire, options, out, scattered);
        write(&mut writer)?;
        if writer.out.len() <= writer.end { Ok(()) } else { Err(writer.too_long(wire)) }
    };
    let mut done = run(out, false);
    if let Err(Stop::Scattered) = done {
        out.truncate(start);
        // Parts that others replace are not written, but they have to be right, too.
        done = match wire::check(message, wire) {
            Ok(()) => run(out, true),
            Err(error) => Err(error.into()),
        };
    }
    done.map_err(|stop| {
        out.truncate(start);
        match stop {
            Stop::Failed(error) => error,
            Stop::Scattered => WireError::new(0, "its fields cannot be brought together"),
        }
    })
}

struct Writer<'a, 'o> {
    walk: Walk<'a>,
    options: &'a WriteOptions,
    out: &'o mut Vec<u8>,
    /// How long `out` may become.
    end: usize,
    /// Whether a message's fields are brought together first.
    scattered: bool,
    depth: u32,
    values: u32,
    /// What the keys of the maps that are being written hash to.
    keys: Vec<u64>,
}

impl<'a, 'o> Writer<'a, 'o> {
    fn new(
        tables: &'a Tables,
        root: &'a [u8],
        options: &'a WriteOptions,
        out: &'o mut Vec<u8>,
        scattered: bool,
    ) -> Self {
        let end = out.len().saturating_add(options.max_bytes);
        let (depth, values) = (options.max_depth, options.max_values);
        let walk = Walk { tables, root };
        Self { walk, options, out, end, scattered, depth, values, keys: Vec::new() }
    }

    /// The message that these, one after the other, are. It is one slice, unless fields are brought
    /// together.
    #[inline]
    fn message(&mut self, id: MessageId, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let Some(table) = self.walk.tables.message(id) else { return Ok(()) };
        let depth = self.depth.checked_sub(1);
        self.depth = depth.ok_or_else(|| self.malformed(parts, Malformed::Depth))?;
        if table.special == Special::None {
            self.object(table, parts)?;
        } else {
            self.special(table, parts)?;
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn object(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        let start = self.out.len();
        self.fields(table, parts)?;
        // Each field has a comma before it. The first one's is where the brace belongs.
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A message's fields, each with a comma before it.
    #[inline]
    fn fields(&mut self, table: &'a MessageTable, parts: &[&'a [u8]]) -> Result<(), Stop> {
        match parts {
            [wire] if !self.scattered => self.fields_in_order(table, wire),
            _ => self.fields_together(table, parts),
        }
    }

    fn fields_in_order(&mut self, table: &'a MessageTable, wire: &'a [u8]) -> Result<(), Stop> {
        let mut seen = Seen::default();
        // The field that comes next if they come in the order of their numbers.
        let mut next = 0;
        let mut rest = wire;
        while !rest.is_empty() {
            let start = rest;
            let (tag, field) = match table.fields.get(next) {
                Some(field) if wire::same_tag(&mut rest, field.tag) => (field.tag, field),
                _ => {
                    let tag = self.walk.check(start, wire::tag(&mut rest))?;
                    let Some((index, field)) = self.walk.known(table, tag) else {
                        self.walk.check(start, wire::skip(&mut rest, tag))?;
                        continue;
                    };
                    if self.options.emit_defaults && index > next {
                        self.defaults(table, next..index, &mut seen);
                    }
                    next = index;
                    (tag, field)
                }
            };
            next += 1;
            self.room(start)?;
            if seen.set(field.slot) {
                return Err(Stop::Scattered);
            }
            let written = match field.shape {
                Shape::Singular => self.singular(field, &mut rest),
                Shape::Repeated => self.list(field, tag, &mut rest),
                Shape::Map => self.map(field, &mut rest),
            };
            written.map_err(|stop| in_field(stop, field))?;
        }
        if self.options.emit_defaults {
            self.defaults(table, next..table.fields.len(), &mut seen);
            self.defaults(table, 0..next.min(table.fields.len()), &mut seen);
        }
        Ok(())
    }

    /// One value of the field; the tag has been read.
    #[inline]
    fn singular(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        // Each in a function of its own, since a number does not need what a message takes to save.
        match field.kind {
            Kind::String | Kind::Bytes => self.singular_text(field, wire),
            Kind::Message(id) | Kind::Group(id) => self.singular_message(id, field, wire),
            kind => self.singular_number(kind, field, wire),
        }
    }

    fn singular_text(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        let start = *wire;
        let bytes = self.walk.check(start, wire::bytes(wire))?;
        if !bytes.is_empty() || field.presence || self.options.emit_defaults {
            self.key(field);
            self.text(field.kind, bytes)?;
        }
        Ok(())
    }

    fn singular_message(
        &mut self,
        id: MessageId,
        field: &FieldTable,
        wire: &mut &'a [u8],
    ) -> Result<(), Stop> {
        let part = self.walk.submessage(field, wire)?;
        self.key(field);
        self.message(id, &[part])
    }

    fn singular_number(
        &mut self,
        kind: Kind,
        field: &FieldTable,
        wire: &mut &'a [u8],
    ) -> Result<(), Stop> {
        let raw = self.walk.raw(kind, wire)?;
        // Of every default the lower half is zero, and of few other values.
        let default = raw as u32 == 0 && kind.is_default(raw);
        if (default && !field.presence && !self.options.emit_defaults)
            || self.walk.is_unknown(kind, raw)
        {
            return Ok(());
        }
        self.key(field);
        self.number(kind, raw);
        Ok(())
    }

    /// A value without a name; the tag has been read. One that nobody knows is not written.
    fn value(&mut self, field: &FieldTable, wire: &mut &'a [u8]) -> Result<(), Stop> {
        match field.kind {
            Kind::String | Kind::Bytes => {
                let start = *wire;
                let bytes = self.walk.check(start, wire::bytes(wire))?;
                self.text(field.kind, bytes)
            }
            Kind::Message(id) | Kind::Group(id) => {
                let part = self.walk.submessage(field, wire)?;
                self.message(id, &[part])
            }
            kind => {
                let raw = self.walk.raw(kind, wire)?;
                if !self.walk.is_unknown(kind, raw) {
                    self.number(kind, raw);
                }
                Ok(())
            }
        }
    }

    /// What fields without presence hold when they are not there.
    fn defaults(
        &mut self,
        table: &'a MessageTable,
        fields: std::ops::Range<usize>,
        seen: &mut Seen,
    ) {
        for field in table.fields.get(fields).unwrap_or_default() {
            if field.presence || field.extension || seen.set(field.slot) {
                continue;
            }
            self.key(field);
            self.default(field);
        }
    }

    fn default(&mut self, field: &FieldTable) {
        match (field.shape, field.kind) {
            (Shape::Repeated, _) => self.out.extend_from_slice(b"[]"),
            (Shape::Map, _) => self.out.extend_from_slice(b"{}"),
            (_, Kind::String | Kind::Bytes) => self.out.extend_from_slice(b"\"\""),
            (_, kind) => self.number(kind, 0),
        }
    }

    #[inline]
    fn key(&mut self, field: &FieldTable) {
        let key = if self.options.proto_names { &field.proto_key } else { &field.json_key };
        key.put(self.out);
    }

    /// Counts a value, and looks whether there is room for it.
    #[inline]
    fn room(&mut self, at: &[u8]) -> Result<(), Stop> {
        match self.values.checked_sub(1) {
            Some(left) if self.out.len() <= self.end => {
                self.values = left;
                Ok(())
            }
            Some(_) => Err(self.too_long(at)),
            None => {
                let reason = format!("it has more than {} values", self.options.max_values);
                Err(self.over_limit(at, reason))
            }
        }
    }

    #[cold]
    fn too_long(&self, at: &[u8]) -> Stop {
        let most = self.options.max_bytes;
        self.over_limit(at, format!("as JSON it is longer than {most} bytes"))
    }

    #[cold]
    fn over_limit(&self, at: &[u8], reason: String) -> Stop {
        Stop::Failed(WireError::over_limit(self.walk.offset(at), reason))
    }

    #[cold]
    fn fault(&self, at: &[u8], reason: impl Into<String>) -> Stop {
        self.walk.fault(at, reason).into()
    }

    #[cold]
    fn malformed(&self, parts: &[&'a [u8]], malformed: Malformed) -> Stop {
        let at = parts.first().copied().unwrap_or_default();
        self.fault(at, malformed.reason())
    }
}

#[cold]
fn in_field(stop: Stop, field: &FieldTable) -> Stop {
    match stop {
        Stop::Failed(mut error) => {
            error.trail().field(&field.json_name);
            Stop::Failed(error)
        }
        Stop::Scattered => Stop::Scattered,
    }
}

#[cold]
fn in_element(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::Failed(mut error) => {
            error.trail().index(index);
            Stop::Failed(error)
        }
        Stop::Scattered => Stop::Scattered,
    }
}
