//! Any bytes as a request of Connect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::edge::connect_request(data);
});
