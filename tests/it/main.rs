//! What Ahoy promises, over real sockets: one binary, a module per behaviour.
//!
//! To add a test, find the module whose first line is about that behaviour, or add one here. A
//! test starts what it needs on port 0 with [`support`], speaks to it through a channel, or
//! through [`support::raw`] where it must see or send what a channel would not, and reads the
//! outcome from the trailers. Wrap each test in [`support::within`], wait for events and never for
//! time, and assert nothing about how long anything took: a slow machine is no failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod agent;
mod calls;
mod channel;
mod compression;
mod connect;
mod deadline;
mod examples;
mod grpc_web;
mod interop;
mod lifecycle;
mod limits;
mod mesh;
mod panics;
mod rest;
mod support;
mod telemetry;
mod tls;
mod validation;
