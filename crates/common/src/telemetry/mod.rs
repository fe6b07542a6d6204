//! Telemetry.

pub mod w3c;
