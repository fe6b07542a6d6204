//! Random requests of protocols that become gRPC at the door, most of them nearly right.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use fuzz::edge::{connect_request, grpc_web_request};

#[test]
fn every_request_is_answered_in_its_protocol() {
    const JSON: [&str; 6] =
        [r#"{"id":"a"}"#, "{}", r#"{"items":[{"quantity":1}]}"#, "{", r#"{"no":1}"#, "é"];
    let base = fastrand::u64(..);
    let mut well = [0, 0];
    for seed in (0..20_000).map(|n| base.wrapping_add(n)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        println!("{seed}");
        let mut data = vec![rng.u8(..), rng.u8(..)];
        for _ in 0..rng.usize(0..4) {
            let text = JSON[rng.usize(..JSON.len())].as_bytes();
            if rng.bool() {
                let length = u32::try_from(text.len()).unwrap() + u32::from(rng.u8(..8) == 0);
                data.push(rng.u8(..3));
                data.extend(length.to_be_bytes());
            }
            data.extend(text);
        }
        well[0] += u32::from(connect_request(&data));
        well[1] += u32::from(grpc_web_request(&data));
    }
    assert!(well.iter().all(|count| *count > 100), "{well:?} ended well");
}
