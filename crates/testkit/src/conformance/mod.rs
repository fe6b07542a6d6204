//! The Connect conformance suite's service, and what its runner says to the programs under test.
//!
//! The suite's [interface]: a program is told on its standard input what to serve, or which calls
//! to make, and tells on its standard output where it serves, or how the calls went. Messages are
//! protobuf, each behind its length.
//!
//! [interface]: https://github.com/connectrpc/conformance

pub mod client;
pub mod server;
mod stdio;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;

pub use stdio::{read, write};

/// The generated messages of `connectrpc.conformance.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod proto {
    tonic::include_proto!("connectrpc.conformance.v1");
}

/// The suite's contract, as an encoded `FileDescriptorSet`.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/conformance.bin"));

/// The service's name.
pub const SERVICE: &str = "connectrpc.conformance.v1.ConformanceService";

const PACKAGE: &str = "connectrpc.conformance.v1";

/// Headers as the suite has them: a name's values together.
fn to_list(headers: &HeaderMap) -> Vec<proto::Header> {
    let values = |name| {
        let values = headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let names = headers.keys();
    names.map(|name| proto::Header { name: name.to_string(), value: values(name) }).collect()
}

/// Adds what the suite wants among the headers. What cannot be a header is left out.
fn add_list(headers: &mut HeaderMap, list: &[proto::Header]) {
    for header in list {
        for value in &header.value {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(header.name.as_bytes()),
                HeaderValue::from_bytes(value.as_bytes()),
            ) {
                headers.append(name, value);
            }
        }
    }
}

/// A message of the suite's contract, wrapped.
fn any(name: &str, message: &impl Message) -> prost_types::Any {
    any_of(name, &message.encode_to_vec())
}

fn any_of(name: &str, wire: &[u8]) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/{PACKAGE}.{name}"),
        value: wire.to_vec(),
    }
}

/// A message in gRPC's frame.
fn frame(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = ahoy::protocol::frame::header(false, len).to_vec();
    frame.extend_from_slice(message);
    frame.into()
}
