//! gRPC's interop service and the cases that every implementation runs against every other.
//!
//! [`server`] answers, [`client`] asks; both follow the [descriptions] to the letter, so that each
//! can be paired with another language's half.
//!
//! [descriptions]: https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md

pub mod client;
pub mod server;
pub mod transport;

/// The generated messages and stubs of `grpc.testing`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod proto {
    tonic::include_proto!("grpc.testing");
}

/// `grpc/testing/test.proto` and what it imports, as an encoded `FileDescriptorSet` with comments.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/grpc_testing.bin"));

/// The request header that a server sends back among its response headers.
pub const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";

/// The request header that a server sends back among its trailers.
pub const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// A payload of `size` zeros.
fn zeros(size: usize) -> proto::Payload {
    proto::Payload { r#type: proto::PayloadType::Compressable.into(), body: vec![0; size].into() }
}
