//! Telemetry: metrics, traces and logs.
//!
//! A `main` calls [`init`] once and keeps the [`Guard`]. What is observed of each call is in
//! [`crate::layers::telemetry`].

mod init;
mod logs;
pub mod metrics;
mod otlp;
pub mod prometheus;
mod service;
pub mod w3c;
mod writer;

#[cfg(test)]
pub(crate) use init::build;
pub use init::{Guard, LogFormat, Settings, TelemetryError, init};
pub use metrics::Metrics;
pub use otlp::{MetricSettings, TraceSettings};
pub use service::ServiceName;
