//! The layers, a folder each. Their order, and why, is in [`crate::stack`].

pub mod compression;
pub mod deadline;
pub mod limits;
pub mod panic;
pub mod telemetry;
pub mod validation;
