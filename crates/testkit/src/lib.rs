//! What tests run against: gRPC's interop service, the Connect conformance suite's, bad peers, and certificates to throw away.
//!
//! A dev-dependency only: nothing here is for production, and nothing here is a mock. Servers and
//! clients are real, on sockets.

pub mod bad;
pub mod conformance;
pub mod interop;
pub mod protobuf;
pub mod ruled;
pub mod tls;
