//! Compresses and decompresses messages.
//!
//! It works on HTTP bodies, so that generated code and the layers inside of it see plain messages
//! only, and so that the agent does it for services that cannot. [`InboundCompressionLayer`] is
//! for a server, [`OutboundCompressionLayer`] for a channel; both follow [gRPC's rules for
//! compression][spec]. A body in which there is nothing to do passes as it is.
//!
//! Messages are bounded while they grow: what a small message expands to beyond the limit ends
//! the call, with RESOURCE_EXHAUSTED, before it is in memory.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/compression.md

mod body;
mod codec;
mod encoding;
mod gzip;
mod handle;
mod inbound;
mod outbound;

pub use self::body::MessageBody;
pub(crate) use self::codec::{CodecError, compress, decompress};
pub use self::encoding::Encoding;
pub use self::handle::MessageCompression;
pub use self::inbound::{InboundCompression, InboundCompressionLayer, Reply};
pub use self::outbound::{OutboundCompression, OutboundCompressionLayer};

/// Messages shorter than this many bytes are sent as they are, unless told otherwise: they fit
/// into one packet, with or without compression.
pub const DEFAULT_MIN_SIZE: usize = 1024;

#[cfg(test)]
mod tests;
