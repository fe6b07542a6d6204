//! Any bytes as a request of gRPC-Web.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::edge::grpc_web_request(data);
});
