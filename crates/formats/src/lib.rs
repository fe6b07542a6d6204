//! Bytes in, bytes out: protobuf's wire format and JSON, without sockets and without async.
//!
//! A [`Schema`] is compiled once, from a descriptor pool or from a serialised descriptor set; its
//! [`Message`]s, [`Field`]s and [`Path`]s are handles into its tables. [`json`] goes between JSON and
//! the wire in one pass over such a table: no message is built between, and a field allocates
//! nothing. What is to become a request may be made of parts, since messages that are appended to one
//! another are one message.
//!
//! ```
//! use formats::{Schema, json};
//! # use prost_reflect::ReflectMessage;
//! # let pool = prost_types::Api::default().descriptor().parent_pool().clone();
//! let schema = Schema::new(&pool);
//! let method = schema.message("google.protobuf.Method").ok_or("no such message")?;
//!
//! let mut wire = Vec::new();
//! json::to_wire(&method, br#"{"name": "SayHello"}"#, &Default::default(), &mut wire)?;
//! let streams = method.path("response_streaming").ok_or("no such field")?;
//! json::text_to_wire(&streams, "true", &Default::default(), &mut wire)?;
//!
//! let mut text = Vec::new();
//! json::from_wire(&method, &wire, &Default::default(), &mut text)?;
//! assert_eq!(text, br#"{"name":"SayHello","responseStreaming":true}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every proto2, proto3 and edition 2023 contract is known, except for `MessageSet`, whose items are
//! unknown fields here. Unknown fields of a message are not in its JSON, and required ones that are
//! missing are nobody's error here.

pub mod json;
mod schema;
mod text;
pub mod wire;

pub use schema::{Field, Message, Path, Schema, SchemaError};
pub use text::nearest;
