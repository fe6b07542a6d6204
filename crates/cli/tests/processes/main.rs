//! `ahoy`'s services as processes: signals, logs, and restarts under load.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod flags;
mod logs;
mod service;
mod signals;
mod zero_loss;
