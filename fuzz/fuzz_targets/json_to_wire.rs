//! Any bytes as JSON, written as a message.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::formats::json_to_wire(data));
