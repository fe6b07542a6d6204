//! HPACK: headers that both ends know are sent as an index (RFC 7541).

mod decode;
mod encode;
mod field;
mod huffman;
mod table;
#[cfg(test)]
mod tests;

pub(super) use decode::{Decoder, Go, Undecodable};
pub(super) use encode::Encoder;
pub(super) use field::Field;

/// The largest table that anyone keeps before saying anything else.
pub(super) const TABLE_SIZE: usize = 4096;
