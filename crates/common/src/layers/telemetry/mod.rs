//! Observes each call: metrics, a span, a line in the access log.
//!
//! Both directions wrap the request's and the response's body once and drive the same three
//! observers from there, so that what they report about a call agrees. A call ends with the
//! status in its trailers, or in its headers when there is nothing else; when its body fails,
//! with the body's status; when it is dropped before, as CANCELLED. What is measured:
//!
//! - metrics: gRFC A66, in [`crate::telemetry::Metrics`]; always.
//! - a span of the target `ahoy::call`, with OpenTelemetry's conventions for RPC; when traces are
//!   exported.
//! - an event of the target `ahoy::access`, of the level INFO for calls served and DEBUG for calls
//!   made; when the filter of the log lets it through. It never holds bodies or metadata, except
//!   for the user agent.
//!
//! The server's layer also begins the [`crate::CallContext`] of a call: its trace and its peer.

mod body;
mod call;
mod client;
mod server;
mod span;
#[cfg(test)]
mod tests;

pub use body::{ObservedRequest, ObservedResponse, ResponseFuture};
pub use client::{ClientTelemetry, ClientTelemetryLayer};
pub use server::{ServerTelemetry, ServerTelemetryLayer};
