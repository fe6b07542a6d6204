//! JSON to wire, in one pass: each field is appended when its name has been read.

mod any;
mod list;
mod map;
mod number;
mod scalar;
mod scan;
mod special;
mod text;

use super::seen::Seen;
use super::{JsonError, make_room};
use crate::schema::{FieldTable, Kind, MessageId, MessageTable, Shape, Special, Tables};
use crate::wire::{self, WireType};
use crate::{Message, Path};

pub use text::text_to_wire;

/// How JSON is read, and how much.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Fields that the message does not have, and values that an enum does not have, are passed over
    /// instead of being an error.
    pub ignore_unknown: bool,
    /// How deep messages, lists and objects may be nested. 100, as protobuf's own readers have
    /// it; each level takes some of the stack.
    pub max_depth: u32,
    /// How many fields, elements and map entries there may be in all. 10 million.
    pub max_values: u32,
    /// How many bytes the message may have on the wire. 64 MiB.
    pub max_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            ignore_unknown: false,
            max_depth: wire::MAX_DEPTH,
            max_values: 10_000_000,
            max_bytes: 64 << 20,
        }
    }
}

/// Appends the message that `json` holds.
///
/// # Errors
/// Not JSON, or not this message's, or over a limit. Nothing is appended then.
pub fn to_wire(
    message: &Message,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    run(message.tables(), json, options, out, |reader| reader.message(message.id()))
}

/// Appends the field, with its tags, that `json` is the value of. What is null is not appended;
/// what is the default is.
///
/// # Errors
/// As [`to_wire`].
pub fn field_to_wire(
    path: &Path,
    json: &[u8],
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let Some(field) = path.field().table() else { return Ok(()) };
    run(path.field().parent().tables(), json, options, out, |reader| {
        if reader.begin() == b'n' && !reader.takes_null(field) {
            return reader.literal("null");
        }
        let opened = reader.open_path(path);
        reader.field(field, true).map_err(|error| error.field(&field.json_name))?;
        reader.close_path(opened);
        Ok(())
    })
}

fn run<'a>(
    tables: &'a Tables,
    json: &'a [u8],
    options: &'a ReadOptions,
    out: &mut Vec<u8>,
    read: impl FnOnce(&mut Reader<'a, '_>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let start = out.len();
    // A message is rarely longer on the wire.
    make_room(out, json.len().min(options.max_bytes));
    let mut reader = Reader::new(tables, json, options, out);
    let done = read(&mut reader).and_then(|()| reader.end());
    done.map_err(|error| {
        out.truncate(start);
        error.locate(json)
    })
}

struct Reader<'a, 'o> {
    tables: &'a Tables,
    options: &'a ReadOptions,
    json: &'a [u8],
    /// How much of it has been read.
    at: usize,
    out: &'o mut Vec<u8>,
    /// How long `out` may become.
    most: usize,
    /// A string without its escapes.
    scratch: Vec<u8>,
    /// What the keys of the maps that are being read hash to, and where they are.
    keys: Vec<(u64, usize)>,
    depth: u32,
    values: u32,
}

impl<'a, 'o> Reader<'a, 'o> {
    fn new(
        tables: &'a Tables,
        json: &'a [u8],
        options: &'a ReadOptions,
        out: &'o mut Vec<u8>,
    ) -> Self {
        let most = out.len().saturating_add(options.max_bytes);
        let (depth, values) = (options.max_depth, options.max_values);
        let (scratch, keys) = (Vec::new(), Vec::new());
        Self { tables, options, json, at: 0, out, most, scratch, keys, depth, values }
    }

    fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        match self.peek() {
            None if self.out.len() <= self.most => Ok(()),
            None => Err(self.too_long()),
            Some(_) => Err(self.fail(self.at, "something follows the value")),
        }
    }

    /// The content of a message.
    fn message(&mut self, id: MessageId) -> Result<(), JsonError> {
        let Some(table) = self.tables.message(id) else { return Ok(()) };
        self.enter()?;
        match table.special {
            Special::None | Special::Empty => self.object(table, false)?,
            _ => self.special(table)?,
        }
        self.leave();
        Ok(())
    }

    /// A message's fields; of an `Any`'s, `@type` is not one of them.
    fn object(&mut self, table: &'a MessageTable, typed: bool) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        let mut seen = Seen::default();
        let mut typed = typed;
        // The field that comes next if they come in the contract's order.
        let mut next = 0;
        let mut first = true;
        while self.another(&mut first, b'}')? {
            let start = self.at;
            let index = match self.guess(table, next) {
                Some(index) => index,
                None => {
                    let name = self.name()?;
                    if typed && self.content(name) == b"@type" {
                        typed = false;
                        self.expect(b':', "a colon")?;
                        self.skip()?;
                        continue;
                    }
                    let Some(index) = table.names.get(self.content(name)) else {
                        self.unknown(table, name, start)?;
                        continue;
                    };
                    self.expect(b':', "a colon")?;
                    index as usize
                }
            };
            let Some(field) = table.fields.get(index) else { continue };
            next = index + 1;
            self.room()?;
            if seen.set(index as u32) {
                return Err(self.fail(start, "it is there twice").field(&field.json_name));
            }
            if self.begin() == b'n' && !self.takes_null(field) {
                self.literal("null").map_err(|error| error.field(&field.json_name))?;
                continue;
            }
            if let Some(oneof) = field.oneof
                && seen.set(table.fields.len() as u32 + u32::from(oneof))
            {
                let name = table.oneofs.get(usize::from(oneof)).map_or("", |name| name);
                let reason = format!("another field of the oneof {name:?} is set already");
                return Err(self.fail(start, reason).field(&field.json_name));
            }
            self.field(field, field.presence).map_err(|error| error.field(&field.json_name))?;
        }
        Ok(())
    }

    /// Whether the field after the last one comes next, written without spaces.
    #[inline(always)]
    fn guess(&mut self, table: &MessageTable, next: usize) -> Option<usize> {
        let key = table.fields.get(next)?.json_key.without_comma();
        self.json.get(self.at..)?.starts_with(key).then(|| {
            self.at += key.len();
            next
        })
    }

    #[cold]
    fn unknown(
        &mut self,
        table: &MessageTable,
        name: scan::Text<'a>,
        start: usize,
    ) -> Result<(), JsonError> {
        if self.options.ignore_unknown {
            self.expect(b':', "a colon")?;
            return self.skip();
        }
        let name = String::from_utf8_lossy(self.content(name)).into_owned();
        let known = crate::text::nearest(&name, table.names.iter());
        let advice = known.map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
        Err(self.fail(start, format!("no such field{advice}")).field(&name))
    }

    /// Whether null is a value of the field, and not the lack of one.
    fn takes_null(&self, field: &FieldTable) -> bool {
        field.shape == Shape::Singular && self.kind_takes_null(field.kind)
    }

    fn kind_takes_null(&self, kind: Kind) -> bool {
        match kind {
            Kind::Message(id) | Kind::Group(id) => {
                self.tables.message(id).is_some_and(|table| table.special == Special::Value)
            }
            Kind::Enum(id) => self.tables.enumeration(id).is_some_and(|table| table.null),
            _ => false,
        }
    }

    /// A field's value, with its tags; without `presence` a default is not written.
    fn field(&mut self, field: &FieldTable, presence: bool) -> Result<(), JsonError> {
        match field.shape {
            Shape::Singular => self.singular(field.kind, field.tag, presence),
            Shape::Repeated => self.list(field),
            Shape::Map => self.map(field),
        }
    }

    fn singular(&mut self, kind: Kind, tag: u32, presence: bool) -> Result<(), JsonError> {
        match kind {
            Kind::Message(id) => {
                wire::put_varint(self.out, tag.into());
                let start = wire::open(self.out);
                self.message(id)?;
                wire::close(self.out, start);
            }
            Kind::Group(id) => {
                wire::put_varint(self.out, tag.into());
                self.message(id)?;
                wire::put_varint(self.out, end_tag(tag).into());
            }
            Kind::String | Kind::Bytes => {
                let before = self.out.len();
                wire::put_varint(self.out, tag.into());
                let start = self.out.len() + 1;
                self.textual(kind)?;
                if self.out.len() == start && !presence {
                    self.out.truncate(before);
                }
            }
            kind => {
                if let Some(raw) = self.raw(kind)?
                    && (raw != 0 || presence)
                {
                    wire::put_varint(self.out, tag.into());
                    self.put(kind, raw);
                }
            }
        }
        Ok(())
    }

    /// Counts a value, and looks whether there is room for it.
    #[inline]
    fn room(&mut self) -> Result<(), JsonError> {
        match self.values.checked_sub(1) {
            Some(left) if self.out.len() <= self.most => {
                self.values = left;
                Ok(())
            }
            Some(_) => Err(self.too_long()),
            None => {
                let most = self.options.max_values;
                let reason = format!("the JSON has more than {most} values");
                Err(JsonError::over_limit(self.at, reason))
            }
        }
    }

    #[cold]
    fn too_long(&self) -> JsonError {
        let most = self.options.max_bytes;
        JsonError::over_limit(self.at, format!("the message is longer than {most} bytes"))
    }

    #[inline]
    fn enter(&mut self) -> Result<(), JsonError> {
        match self.depth.checked_sub(1) {
            Some(left) => {
                self.depth = left;
                Ok(())
            }
            None => {
                let most = self.options.max_depth;
                Err(self.fail(self.at, format!("nested deeper than {most}")))
            }
        }
    }

    #[inline]
    fn leave(&mut self) {
        self.depth += 1;
    }

    #[cold]
    fn fail(&self, at: usize, reason: impl Into<String>) -> JsonError {
        JsonError::new(at, reason)
    }

    /// Begins the messages on the way to a field.
    fn open_path(&mut self, path: &Path) -> Vec<(u32, usize)> {
        let mut opened = Vec::with_capacity(path.through().len());
        for field in path.through().iter().filter_map(|field| field.table()) {
            wire::put_varint(self.out, field.tag.into());
            let start = match field.kind {
                Kind::Group(_) => 0,
                _ => wire::open(self.out),
            };
            opened.push((field.tag, start));
        }
        opened
    }

    fn close_path(&mut self, opened: Vec<(u32, usize)>) {
        for (tag, start) in opened.into_iter().rev() {
            if tag & 7 == WireType::StartGroup as u32 {
                wire::put_varint(self.out, end_tag(tag).into());
            } else {
                wire::close(self.out, start);
            }
        }
    }
}

fn end_tag(tag: u32) -> u32 {
    tag & !7 | WireType::EndGroup as u32
}
