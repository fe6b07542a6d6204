//! Any text as a path template of `google.api.http`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::rest::template(text));
