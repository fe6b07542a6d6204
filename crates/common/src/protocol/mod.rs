//! Protocols: gRPC on the wire, and the others that become gRPC at the door.

pub(crate) mod answer;
pub(crate) mod connect;
pub mod contracts;
pub mod docs;
pub mod edge;
pub mod frame;
pub(crate) mod grpc_web;
pub(crate) mod json;
pub(crate) mod metadata;
pub mod openapi;
pub(crate) mod paths;
pub mod rest;
