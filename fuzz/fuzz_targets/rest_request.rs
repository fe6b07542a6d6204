//! Any text as a request over REST.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rest::request(data));
