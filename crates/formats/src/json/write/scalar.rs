//! Numbers, bools, enums, strings and bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Writer;
use crate::schema::Kind;
use crate::text;
use crate::wire::{self, Stop};

impl<'a> Writer<'a, '_> {
    pub(super) fn number(&mut self, kind: Kind, raw: u64) {
        match kind {
            Kind::Int32 | Kind::Sfixed32 => self.integer(raw as i32),
            Kind::Uint32 | Kind::Fixed32 => self.integer(raw as u32),
            Kind::Sint32 => self.integer(wire::unzigzag32(raw as u32)),
            Kind::Int64 | Kind::Sfixed64 => self.quoted(raw.cast_signed()),
            Kind::Uint64 | Kind::Fixed64 => self.quoted(raw),
            Kind::Sint64 => self.quoted(wire::unzigzag64(raw)),
            Kind::Double => self.float(f64::from_bits(raw)),
            Kind::Float => self.float32(f32::from_bits(raw as u32)),
            Kind::Bool => self.out.extend_from_slice(if raw == 0 { b"false" } else { b"true" }),
            Kind::Enum(id) => {
                let Some(table) = self.walk.tables.enumeration(id) else { return };
                if table.null {
                    self.out.extend_from_slice(b"null");
                    return;
                }
                match table.name_of(raw as i32) {
                    Some(name) if !self.options.enum_numbers => text::quote(name, self.out),
                    _ => self.integer(raw as i32),
                }
            }
            Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group(_) => {}
        }
    }

    #[inline]
    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub(super) fn quoted(&mut self, value: impl itoa::Integer) {
        self.out.push(b'"');
        self.integer(value);
        self.out.push(b'"');
    }

    pub(super) fn float(&mut self, value: f64) {
        if value.is_finite() {
            self.decimal(zmij::Buffer::new().format_finite(value));
        } else {
            self.not_finite(value.is_nan(), value.is_sign_negative());
        }
    }

    /// The shortest digits that are read as the same 32 bits, which are fewer than the double's.
    fn float32(&mut self, value: f32) {
        if value.is_finite() {
            self.decimal(zmij::Buffer::new().format_finite(value));
        } else {
            self.not_finite(value.is_nan(), value.is_sign_negative());
        }
    }

    fn decimal(&mut self, digits: &str) {
        self.out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    }

    fn not_finite(&mut self, nan: bool, negative: bool) {
        self.out.extend_from_slice(match (nan, negative) {
            (true, _) => b"\"NaN\"",
            (_, false) => b"\"Infinity\"",
            (_, true) => b"\"-Infinity\"",
        });
    }

    #[inline]
    pub(super) fn text(&mut self, kind: Kind, bytes: &'a [u8]) -> Result<(), Stop> {
        if kind == Kind::String {
            return match text::quote_utf8(bytes, self.out) {
                Ok(()) => Ok(()),
                Err(_) => Err(self.fault(bytes, "a string is not UTF-8")),
            };
        }
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        if let Some(room) = self.out.get_mut(start..) {
            // The room is what it takes.
            let _ = STANDARD.encode_slice(bytes, room);
        }
        self.out.push(b'"');
        Ok(())
    }
}
