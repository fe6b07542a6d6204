//! What has to hold for all input: the targets of `cargo fuzz`, and tests with random input.
//!
//! `cargo +nightly fuzz run --features libfuzzer wire_to_json`, with `cargo install cargo-fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod edge;
pub mod formats;
pub mod rest;
