//! The transcoder, against the mapping's rules and against `prost-reflect`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod editions;
mod mapping;
mod normal;
mod scattered;
