//! Bytes in, bytes out: protobuf's wire format and JSON, without sockets and without async.

pub mod json;
mod schema;
mod text;
pub mod wire;

pub use schema::{Field, Message, Path, Schema, SchemaError};
