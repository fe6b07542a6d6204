//! Protobuf's wire format: tags, varints, and what to do with fields that nobody knows.
//!
//! <https://protobuf.dev/programming-guides/encoding>

mod check;
mod entry;
mod error;
mod normal;
mod read;
mod walk;
mod write;

pub use check::check;
pub(crate) use entry::{EntryFields, Key};
pub use error::WireError;
pub(crate) use error::{Malformed, Stop};
pub use normal::normalize;
pub(crate) use read::{
    bytes, fixed32, fixed64, group, same_tag, skip, tag, unzigzag32, unzigzag64, varint,
};
pub(crate) use walk::{Found, Walk};
pub(crate) use write::{close, open, put_length, put_varint, zigzag32, zigzag64};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

impl WireType {
    #[inline]
    pub(crate) fn of(tag: u32) -> Option<Self> {
        Some(match tag & 7 {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Bytes,
            3 => Self::StartGroup,
            4 => Self::EndGroup,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// Messages and groups nested deeper than this are refused, as protobuf's other readers do.
pub(crate) const MAX_DEPTH: u32 = 100;
