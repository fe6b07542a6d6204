//! Protocols: gRPC on the wire, and the others that become gRPC at the door.

pub mod contracts;
pub mod edge;
pub mod frame;
pub mod rest;
