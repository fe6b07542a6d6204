//! gRPC on the wire.

pub mod frame;
