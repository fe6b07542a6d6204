//! Protobuf's JSON mapping, straight between JSON and the wire.
//!
//! <https://protobuf.dev/programming-guides/json>

mod error;
mod read;
mod seen;
mod splitter;
mod time;
mod write;

pub use crate::wire::WireError;
pub use error::JsonError;
pub(crate) use error::Trail;
pub use read::{ReadOptions, field_to_wire, text_to_wire, to_wire};
pub use splitter::Splitter;
pub use write::{WriteOptions, field_from_wire, from_wire};

/// Makes room for what is probably appended.
fn make_room(out: &mut Vec<u8>, additional: usize) {
    if out.capacity() == 0 {
        // Growing from nothing takes more than a small message does otherwise.
        *out = Vec::with_capacity(additional);
    } else {
        out.reserve(additional);
    }
}
