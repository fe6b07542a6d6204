//! Numbers, bools, enums, strings and bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Writer;
use crate::schema::Kind;
use crate::text;
use crate::wire::{self, Stop};

impl<'a> Writer<'a, '_> {
    #[inline(always)]
    pub(super) fn number(&mut self, kind: Kind, raw: u64) {
        match kind {
            // Most numbers that people count with.
            Kind::Int32 | Kind::Uint32 if raw < 10 => self.out.push(b'0' + raw as u8),
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
        if let Some(thousandths) = thousandths(value.abs()) {
            self.fixed_point(value.is_sign_negative(), thousandths);
        } else if value.is_finite() {
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

    /// A number of thousandths, without zeros at the end.
    fn fixed_point(&mut self, negative: bool, thousandths: u64) {
        if negative {
            self.out.push(b'-');
        }
        self.integer(thousandths / 1000);
        let rest = thousandths % 1000;
        if rest == 0 {
            return;
        }
        let digit = |value: u64| b'0' + (value % 10) as u8;
        self.out.extend_from_slice(&[b'.', digit(rest / 100)]);
        if !rest.is_multiple_of(100) {
            self.out.push(digit(rest / 10));
        }
        if !rest.is_multiple_of(10) {
            self.out.push(digit(rest));
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

    #[inline(always)]
    pub(super) fn text(&mut self, kind: Kind, bytes: &'a [u8]) -> Result<(), Stop> {
        // Most strings are short, and plain ASCII.
        if kind == Kind::String
            && bytes.len() <= text::SHORT
            && let Some(window) = self.walk.window(bytes)
            && text::quote_short(window, bytes.len() as u8, self.out)
        {
            return Ok(());
        }
        self.any_text(kind, bytes)
    }

    #[inline(never)]
    fn any_text(&mut self, kind: Kind, bytes: &'a [u8]) -> Result<(), Stop> {
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

/// How many thousandths a positive number is, if it is what they are read as. What has at most 15
/// digits is the only such decimal, and so the shortest.
fn thousandths(value: f64) -> Option<u64> {
    const DIGITS_15: f64 = 1e15;
    let scaled = value * 1000.0 + 0.5;
    if scaled < DIGITS_15 {
        let count = scaled as u64;
        if count as f64 / 1000.0 == value {
            return Some(count);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn few_places_are_the_shortest_decimal() {
        let mut of_few_places = 0;
        for step in 0..20_000_u64 {
            let count = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (step % 60);
            for places in [1.0, 10.0, 100.0, 1000.0, 10_000.0] {
                let exact = count as f64 / places;
                for value in [exact, exact.next_up(), exact.next_down()] {
                    let Some(found) = thousandths(value) else { continue };
                    let text = format!("{}.{:03}", found / 1000, found % 1000);
                    let text = text.trim_end_matches('0').trim_end_matches('.');
                    assert_eq!(text, value.to_string());
                    of_few_places += 1;
                }
            }
        }
        assert!(of_few_places > 10_000);
        for value in [f64::NAN, f64::INFINITY, f64::MAX, 1e12, 0.0001, 0.1 + 0.2] {
            assert_eq!(thousandths(value), None, "{value}");
        }
        assert_eq!(thousandths(0.0), Some(0));
    }
}
