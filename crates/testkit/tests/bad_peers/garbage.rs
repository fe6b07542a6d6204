//! Bytes that are no HTTP/2, or nearly.

use std::time::Duration;

use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use h2::Reason;
use testkit::bad::frame::{self, PREFACE, flag, kind, message, write_header};
use testkit::bad::{End, Frame, Peer, hpack};

use super::{EMPTY_CALL, MIB, SLACK, STREAMING_INPUT, UNARY_CALL, call, under_attack, victim};

/// Connections with random content, and how many of them at a time.
const FUZZED: u64 = 3000;
const AT_ONCE: usize = 32;

/// What the connections at a time may hold: each its window, of which a random stream fills
/// little, and each a message that is not complete.
const FUZZING: u64 = SLACK + AT_ONCE as u64 * MIB;

/// What speaks another protocol is told so in HTTP/1, or not at all.
#[tokio::test]
async fn other_protocols() {
    let victim = victim(&[("AHOY_HANDSHAKE_TIMEOUT", "2s")]);
    let tls = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 506]].concat();
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    for (said, expected) in [
        (&b"GET / HTTP/1.1\r\nhost: victim\r\nconnection: close\r\n\r\n"[..], "HTTP/1.1 404"),
        (b"GET /livez HTTP/1.0\r\n\r\n", "HTTP/1.0 404"),
        (b"NOPE\r\n\r\n", "HTTP/1.1 400"),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "HTTP/1.1 400"),
        (b"\0\0\0\0\0\0\0\0", "HTTP/1.1 400"),
        (&tls, "HTTP/1.1 400"),
        (long.as_bytes(), "HTTP/1.1 431"),
    ] {
        let mut peer = Peer::connect(victim.addr()).await.unwrap();
        let _ = peer.write(said).await;
        let answer = String::from_utf8_lossy(&peer.rest().await).into_owned();
        let said = String::from_utf8_lossy(&said[..said.len().min(40)]);
        assert!(answer.starts_with(expected), "{said:?} was answered {answer:?}");
    }
}

/// What RFC 9113 calls a connection error ends the connection, with its code.
#[tokio::test]
async fn violations() {
    let victim = victim(&[]);
    let block = || hpack::encode(call(STREAMING_INPUT));
    let open = |stream| Frame::headers(stream, block());
    let too_large = {
        let mut bytes = Vec::new();
        write_header(&mut bytes, 16_385, kind::DATA, 0, 1);
        bytes
    };
    let frames = |frames: &[Frame]| frame::bytes(frames);
    let mut wrong = Vec::new();
    for (what, said, expected) in [
        ("even stream", frames(&[open(2)]), Reason::PROTOCOL_ERROR),
        ("stream 0", frames(&[open(0)]), Reason::PROTOCOL_ERROR),
        ("older stream", frames(&[open(5), open(3)]), Reason::PROTOCOL_ERROR),
        ("DATA on stream 0", frames(&[Frame::data(0, [1])]), Reason::PROTOCOL_ERROR),
        ("DATA on an idle stream", frames(&[Frame::data(1, [1])]), Reason::PROTOCOL_ERROR),
        (
            "RST_STREAM on an idle stream",
            frames(&[Frame::reset(1, Reason::CANCEL)]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "PUSH_PROMISE of a client",
            frames(&[Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 1, [0, 0, 0, 2])]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "CONTINUATION of nothing",
            frames(&[Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, block())]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a frame within a block of headers",
            frames(&[Frame::new(kind::HEADERS, 0, 1, block()), Frame::ping([0; 8])]),
            Reason::PROTOCOL_ERROR,
        ),
        ("too large a frame", too_large, Reason::FRAME_SIZE_ERROR),
        (
            "too large a window",
            frames(&[Frame::settings(&[(frame::setting::INITIAL_WINDOW_SIZE, 1 << 31)])]),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "padding longer than its frame",
            frames(&[open(1), Frame::new(kind::DATA, 8, 1, [200, 0])]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "SETTINGS of no whole setting",
            frames(&[Frame::new(kind::SETTINGS, 0, 0, [0; 5])]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "SETTINGS on a stream",
            frames(&[Frame::new(kind::SETTINGS, 0, 1, [])]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "PING of 7 bytes",
            frames(&[Frame::new(kind::PING, 0, 0, [0; 7])]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (
            "GOAWAY on a stream",
            frames(&[Frame::new(kind::GOAWAY, 0, 1, [0; 8])]),
            Reason::PROTOCOL_ERROR,
        ),
    ] {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let _ = peer.write(&said).await;
        let end = peer.end().await;
        if end != End::GoAway(expected) {
            wrong.push((what, end, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Random bytes, from a preface that says HTTP/2 to a good call with a bit changed.
fn random(rng: &mut Rng) -> Vec<u8> {
    let mut said = Vec::new();
    let kind_of_noise = rng.u8(..5);
    if kind_of_noise > 0 {
        said.extend_from_slice(PREFACE);
        Frame::settings(&[]).write(&mut said);
    }
    match kind_of_noise {
        // Noise alone, and noise in the place of frames.
        0 | 1 => said.extend(bytes(rng, 4096)),
        // Frames of random content.
        2 => {
            for _ in 0..rng.usize(1..50) {
                random_frame(rng).write(&mut said);
            }
        }
        // Good calls, among which random frames come.
        3 => {
            for n in 0..rng.u32(1..10) {
                for frame in good_call(rng, 1 + 2 * n) {
                    if rng.u8(..4) == 0 {
                        random_frame(rng).write(&mut said);
                    }
                    frame.write(&mut said);
                }
            }
        }
        // Good calls with some bits changed.
        _ => {
            for n in 0..rng.u32(1..4) {
                good_call(rng, 1 + 2 * n).iter().for_each(|frame| frame.write(&mut said));
            }
            for _ in 0..rng.u8(1..8) {
                let at = rng.usize(PREFACE.len()..said.len());
                said[at] ^= 1 << rng.u8(..8);
            }
        }
    }
    said
}

fn good_call(rng: &mut Rng, stream: u32) -> [Frame; 2] {
    let path = *rng.choice(&[EMPTY_CALL, UNARY_CALL, STREAMING_INPUT]).unwrap();
    let payload = bytes(rng, 64);
    [
        Frame::headers(stream, hpack::encode(call(path))),
        Frame::data(stream, message(0, &payload)).end(),
    ]
}

fn random_frame(rng: &mut Rng) -> Frame {
    let most = *rng.choice(&[1, 16, 64, 2000]).unwrap();
    let payload = bytes(rng, most);
    Frame::new(rng.u8(..11), rng.u8(..), rng.u32(..8), payload)
}

/// Fewer than `most` random bytes.
fn bytes(rng: &mut Rng, most: usize) -> Vec<u8> {
    let length = rng.usize(..most);
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

#[tokio::test]
async fn noise() {
    let victim = victim(&[("AHOY_HANDSHAKE_TIMEOUT", "2s"), ("AHOY_DEFAULT_DEADLINE", "5s")]);
    let addr = victim.addr();
    let attack = stream::iter(0..FUZZED)
        .map(|seed| async move {
            let said = random(&mut Rng::with_seed(seed));
            let mut peer = Peer::connect(addr).await.unwrap();
            let _ = peer.write(&said).await;
            let _ = peer.finish().await;
            let rest = tokio::time::timeout(Duration::from_secs(20), peer.rest()).await;
            assert!(rest.is_ok(), "seed {seed}: the connection was left open");
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>();
    under_attack(&victim, FUZZING, attack).await;
}
