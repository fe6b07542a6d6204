//! Values as text: path variables and query parameters.

use super::scalar::{Reason, put_base64};
use super::special::put_text;
use super::{ReadOptions, Reader};
use crate::Path;
use crate::json::JsonError;
use crate::schema::{Kind, Shape, Special};
use crate::wire::{self, WireType};

/// Appends the field, with its tags, whose value is this text: a path variable or a query
/// parameter. A repeated field gets one more element; for a singular one this value takes the place
/// of what is there, but for field masks, which get more paths.
///
/// Text is what JSON has within quotes, or without for numbers and bools. Enums have names or
/// numbers. Messages that JSON has as one string, number or bool can be text; others cannot.
///
/// # Errors
/// The text is no value of the field, or the field's values cannot be text. Nothing is appended
/// then.
pub fn text_to_wire(
    path: &Path,
    text: &str,
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let Some(field) = path.field().table() else { return Ok(()) };
    let start = out.len();
    let mut reader = Reader::new(path.field().parent().tables(), b"", options, out);
    let written = if field.shape == Shape::Map {
        Err("a map cannot be text".into())
    } else {
        let opened = reader.open_path(path);
        let written = reader.text_field(field.kind, field.tag, text);
        reader.close_path(opened);
        written
    };
    written.map_err(|reason| {
        out.truncate(start);
        let mut error = JsonError::new(0, reason).field(&field.json_name);
        for field in path.through().iter().rev() {
            error = error.field(field.json_name());
        }
        error
    })
}

impl Reader<'_, '_> {
    fn text_field(&mut self, kind: Kind, tag: u32, text: &str) -> Result<(), Reason> {
        let put_tag = |out: &mut Vec<u8>| wire::put_varint(out, tag.into());
        match kind {
            Kind::String => {
                put_tag(self.out);
                wire::put_length(self.out, text.len());
                self.out.extend_from_slice(text.as_bytes());
            }
            Kind::Bytes => {
                put_tag(self.out);
                put_base64(text.as_bytes(), self.out)?;
            }
            Kind::Message(id) => {
                let Some(table) = self.tables.message(id) else { return Ok(()) };
                put_tag(self.out);
                let start = wire::open(self.out);
                match table.special {
                    Special::Timestamp | Special::Duration | Special::FieldMask => {
                        // Messages merge: what is left out would stay as it is.
                        put_text(table.special, text, true, self.out)?;
                    }
                    Special::Wrapper(kind) => {
                        self.text_field(kind, 1 << 3 | kind.wire_type() as u32, text)?;
                    }
                    Special::Value => {
                        let string_value = 3 << 3 | WireType::Bytes as u32;
                        self.text_field(Kind::String, string_value, text)?;
                    }
                    _ => return Err(format!("a {} cannot be text", table.name).into()),
                }
                wire::close(self.out, start);
            }
            Kind::Group(_) => return Err("a group cannot be text".into()),
            kind => {
                if let Some(raw) = self.raw_of_text(kind, text.as_bytes(), true)? {
                    put_tag(self.out);
                    self.put(kind, raw);
                }
            }
        }
        Ok(())
    }
}
