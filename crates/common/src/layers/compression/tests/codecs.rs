use std::io::{Read, Write};

use flate2::{Compression, GzBuilder};
use tonic::{Code, Status};

use super::*;

fn refused(encoding: Encoding, payload: &[u8], limit: usize) -> Status {
    codec::decompress(encoding, payload, limit).unwrap_err().into()
}

/// By other code than ours.
fn reference_unpack(encoding: Encoding, payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        Encoding::Gzip => {
            let mut decoder = flate2::read::GzDecoder::new(payload);
            decoder.read_to_end(&mut plain).unwrap();
        }
        Encoding::Zstd => plain = zstd::decode_all(payload).unwrap(),
    }
    plain
}

/// By other code than ours, which does not say the size of its frames.
fn reference_pack(encoding: Encoding, payload: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(payload).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.write_all(payload).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[test]
fn payloads_survive() {
    for encoding in BOTH {
        let lengths = [0, 1, 100, 16_383, 16_384, 16_385, 70_000, 1_200_000];
        let random = (0..50).map(|_| fastrand::usize(..40_000));
        for len in lengths.into_iter().chain(random) {
            let payload = payload(len);
            let packed = packed(encoding, &payload);
            assert_eq!(split(&packed).unwrap().len(), 1);
            assert_eq!(packed[0], 1);
            assert_eq!(reference_unpack(encoding, &packed[5..]), payload);

            for packed in [&packed[5..], &reference_pack(encoding, &payload)] {
                let unpacked = codec::decompress(encoding, packed, len).unwrap();
                assert_eq!(unpacked, plain(&payload));
                if len > 0 {
                    let status = refused(encoding, packed, len - 1);
                    assert_eq!(status.code(), Code::ResourceExhausted);
                }
            }
        }
    }
}

#[test]
fn what_does_not_become_shorter_is_left() {
    for encoding in BOTH {
        let noise: Vec<u8> = (0..2000).map(|_| fastrand::u8(..)).collect();
        assert_eq!(codec::compress(encoding, &noise, false).unwrap(), None);
        let forced = codec::compress(encoding, &noise, true).unwrap().unwrap();
        assert_eq!(reference_unpack(encoding, &forced[5..]), noise);
        let text = [b'a'; 2000];
        assert!(codec::compress(encoding, &text, false).unwrap().is_some());
    }
}

#[test]
fn a_bomb_ends_within_the_limit() {
    let zeros = vec![0; 64 * 1024 * 1024];
    for encoding in BOTH {
        for bomb in [packed(encoding, &zeros)[5..].to_vec(), reference_pack(encoding, &zeros)] {
            assert!(bomb.len() < 100_000);
            for limit in [0, 1, 1000, 4 * 1024 * 1024] {
                let status = refused(encoding, &bomb, limit);
                assert_eq!(status.code(), Code::ResourceExhausted);
                assert!(status.message().contains(&limit.to_string()), "{status}");
            }
        }
    }
}

#[test]
fn output_grows_to_the_limit_and_no_further() {
    let limit = 1_000_000;
    for expected in [0, 100, limit, usize::MAX] {
        let mut output = codec::Output::new(expected, limit);
        let chunk = [0; 16_384];
        while output.extend(&chunk).is_ok() {
            assert!(output.bytes.capacity() <= limit + 1 + 5);
        }
    }
}

#[test]
fn no_limit_is_a_limit_too() {
    for encoding in BOTH {
        let packed = packed(encoding, b"hello");
        let unpacked = codec::decompress(encoding, &packed[5..], usize::MAX).unwrap();
        assert_eq!(unpacked, plain(b"hello"));
    }
    // A zstd frame that claims eight bytes' worth of length, and has none.
    let mut liar = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1110_0000];
    liar.extend(u64::MAX.to_le_bytes());
    let status = refused(Encoding::Zstd, &liar, usize::MAX);
    assert_ne!(status.code(), Code::Ok);
}

#[test]
fn several_members_are_one_message() {
    for encoding in BOTH {
        let mut both = reference_pack(encoding, b"hello ");
        both.extend(reference_pack(encoding, b"world"));
        let unpacked = codec::decompress(encoding, &both, 100).unwrap();
        assert_eq!(unpacked, plain(b"hello world"));
        let status = refused(encoding, &both, 10);
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
}

#[test]
fn optional_gzip_fields_are_skipped() {
    let mut encoder = GzBuilder::new()
        .extra("extra")
        .filename("name")
        .comment("comment")
        .mtime(1)
        .write(Vec::new(), Compression::fast());
    encoder.write_all(b"hello").unwrap();
    let packed = encoder.finish().unwrap();
    let unpacked = codec::decompress(Encoding::Gzip, &packed, 100).unwrap();
    assert_eq!(unpacked, plain(b"hello"));
    for end in 0..packed.len() {
        let status = refused(Encoding::Gzip, &packed[..end], 100);
        assert_eq!(status.code(), Code::Internal);
    }
}

#[test]
fn a_broken_message_is_internal_and_harms_no_other() {
    for encoding in BOTH {
        let whole = packed(encoding, &payload(20_000));
        for _ in 0..100 {
            let end = fastrand::usize(5..whole.len());
            let status = refused(encoding, &whole[5..end], 100_000);
            assert_eq!(status.code(), Code::Internal);
            codec::decompress(encoding, &whole[5..], 100_000).unwrap();
        }
        for rest in [&b"x"[..], b"garbage that is long enough for a header"] {
            let status = refused(encoding, &[&whole[5..], rest].concat(), 100_000);
            assert_eq!(status.code(), Code::Internal);
        }
        assert_eq!(refused(encoding, b"", 100).code(), Code::Internal);
        // Whatever arrives: no panic, and never more than the limit.
        for _ in 0..500 {
            let mut bent = whole[5..].to_vec();
            let at = fastrand::usize(..bent.len());
            bent[at] ^= 1 << fastrand::u32(..8);
            if let Ok(message) = codec::decompress(encoding, &bent, 30_000) {
                assert!(message.len() <= 30_005);
            }
        }
    }
}

#[test]
fn a_window_beyond_eight_mib_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(26).unwrap();
    encoder.write_all(&[0; 100_000]).unwrap();
    let packed = encoder.finish().unwrap();
    let status = refused(Encoding::Zstd, &packed, 1_000_000);
    assert_eq!(status.code(), Code::Internal);
}
