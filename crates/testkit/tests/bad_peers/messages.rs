//! Messages that lie about their length, are too long, or unfold to be.

use std::io::Write as _;

use flate2::{Compress, Compression, FlushCompress};
use testkit::bad::frame::message;
use testkit::bad::{Answer, Frame, Peer};
use tonic::Code;

use super::{MIB, SLACK, STREAMING_INPUT, UNARY_CALL, call, under_attack, victim};

/// What one message may take: it is no longer than 4 MiB before and 4 MiB after it is
/// decompressed, twice while it grows, and what is in the connection's window of 2 MiB.
const ONE_MESSAGE: u64 = SLACK + (2 * (4 + 4) + 2) * MIB;

/// What a bomb unfolds to; packed, it fits into the window, which a raw peer does not look at.
const BOMB: usize = 1 << 29;

/// Sends this body to a unary and to a streaming handler.
async fn ask(headers: &[(&str, &str)], body: &[u8]) -> [Answer; 2] {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let unary = [&call(UNARY_CALL), headers].concat();
        let unary = peer.ask(1, &unary, body).await.unwrap();
        let streaming = [&call(STREAMING_INPUT), headers].concat();
        let streaming = peer.ask(3, &streaming, body).await.unwrap();
        // The connection is none the worse for it.
        peer.is_served().await.unwrap();
        [unary, streaming]
    };
    under_attack(&victim, ONE_MESSAGE, attack).await
}

async fn refused(headers: &[(&str, &str)], body: &[u8], code: Code) {
    for answer in ask(headers, body).await {
        assert_eq!((answer.http(), answer.grpc()), (Some(200), Some(code)), "{answer:?}");
    }
}

/// A message's header that promises so much, and a little of it.
fn promise(flag: u8, length: u32) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), &[0; 100]].concat()
}

#[tokio::test]
async fn too_long() {
    for length in [u32::MAX, 5 << 20, (4 << 20) + 1] {
        refused(&[], &promise(0, length), Code::ResourceExhausted).await;
    }
}

/// It is refused for what its header says, while the rest is still on its way.
#[tokio::test]
async fn too_long_is_refused_at_once() {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.open(1, &call(STREAMING_INPUT)).await.unwrap();
        peer.send(&Frame::data(1, promise(0, u32::MAX))).await.unwrap();
        peer.answer(1).await
    };
    let answer = under_attack(&victim, SLACK, attack).await;
    assert_eq!(answer.grpc(), Some(Code::ResourceExhausted), "{answer:?}");
}

#[tokio::test]
async fn bombs() {
    for (encoding, bomb) in [("gzip", gzip_bomb()), ("zstd", zstd_bomb())] {
        println!("{encoding}: {} bytes", bomb.len());
        let headers = [("grpc-encoding", encoding)];
        refused(&headers, &message(1, &bomb), Code::ResourceExhausted).await;
    }
}

/// A block of zeros that ends at a byte can be had any number of times.
fn gzip_bomb() -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let (zeros, mut first, mut again) = (vec![0; MIB as usize], Vec::new(), Vec::new());
    for block in [&mut first, &mut again] {
        block.reserve(64 * 1024);
        deflate.compress_vec(&zeros, block, FlushCompress::Full).unwrap();
    }
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    [&header[..], &first, &again.repeat(BOMB / MIB as usize)].concat()
}

/// A frame of blocks that each repeat a byte 128 Ki times (RFC 8878, 3.1.1.2.2).
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd];
    // No size of the content, no checksum; a window of 1 MiB.
    bomb.extend([0, 10 << 3]);
    for n in (0..BOMB / BLOCK).rev() {
        let header = (BLOCK << 3 | 1 << 1 | usize::from(n == 0)) as u32;
        bomb.write_all(&header.to_le_bytes()[..3]).unwrap();
        bomb.push(0);
    }
    bomb
}

/// A window is memory that a frame of a few bytes asks for.
#[tokio::test]
async fn a_zstd_window_of_gigabytes() {
    let huge_window = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1 << 1 | 1, 0x80, 0, 0];
    let headers = [("grpc-encoding", "zstd")];
    for answer in ask(&headers, &message(1, &huge_window)).await {
        let code = answer.grpc();
        let refused = [Some(Code::Internal), Some(Code::ResourceExhausted)].contains(&code);
        assert!(refused, "{answer:?}");
    }
}

#[tokio::test]
async fn broken() {
    refused(&[], &promise(2, 100), Code::Internal).await;
    refused(&[], &promise(0xff, 100), Code::Internal).await;
    // Cut off in the message, and in its header.
    refused(&[], &promise(0, 101), Code::Internal).await;
    refused(&[], &[0; 4], Code::Internal).await;
    // Compressed, by its flag, but not by the headers; and the other way round, nothing of it.
    refused(&[], &message(1, &[0; 100]), Code::Internal).await;
    for encoding in ["gzip", "zstd"] {
        refused(&[("grpc-encoding", encoding)], &message(1, &[7; 100]), Code::Internal).await;
    }
    // No protobuf: a field of wire type 7, and a length beyond the end.
    refused(&[], &message(0, &[0x0f]), Code::Internal).await;
    refused(&[], &message(0, &[0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f]), Code::Internal).await;
}

#[tokio::test]
async fn a_unary_call_with_no_message_or_two() {
    let [none, stream_of_none] = ask(&[], &[]).await;
    assert_eq!(stream_of_none.grpc(), Some(Code::Ok));
    assert!(none.grpc().is_some_and(|code| code != Code::Ok), "{none:?}");
}
