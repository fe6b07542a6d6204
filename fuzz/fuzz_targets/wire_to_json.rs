//! Any bytes as a message, written as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::formats::wire_to_json(data));
