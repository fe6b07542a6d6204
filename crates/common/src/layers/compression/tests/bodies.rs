use http_body_util::BodyExt;
use tonic::Code;

use super::super::MessageCompression;
use super::super::body::{MessageBody, Work};
use super::*;
use crate::protocol::frame::Direction;

const LIMIT: usize = 10_000;

fn unpacking(
    body: Frames,
    encoding: impl Into<Option<Encoding>>,
    direction: Direction,
) -> MessageBody<Frames> {
    let encoding = encoding.into();
    let limit = LIMIT;
    let work = Work::Decompress { encoding, limit };
    MessageBody::transformed(body, direction, work, None)
}

fn packing(body: Frames, encoding: Encoding, handle: MessageCompression) -> MessageBody<Frames> {
    let work = Work::Compress { encoding, by_default: true, min_size: 100 };
    MessageBody::transformed(body, Direction::Request, work, Some(handle))
}

/// The bytes that a body gives, and how it ends: trailers or an error.
async fn read(mut body: MessageBody<Frames>) -> (Vec<u8>, Result<Option<HeaderMap>, Status>) {
    let mut data = Vec::new();
    let mut end = Ok(None);
    while let Some(frame) = body.frame().await {
        assert!(matches!(end, Ok(None)), "a frame after the last");
        match frame.map(Frame::into_data) {
            Ok(Ok(chunk)) => data.extend_from_slice(&chunk),
            Ok(Err(frame)) => end = Ok(Some(frame.into_trailers().unwrap())),
            Err(status) => end = Err(status),
        }
    }
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    (data, end)
}

fn status_in(trailers: &HeaderMap) -> Code {
    Status::from_header_map(trailers).unwrap().code()
}

#[tokio::test]
async fn messages_are_unpacked_wherever_chunks_end() {
    for encoding in BOTH {
        let payloads = [payload(0), payload(300), payload(5), payload(2000)];
        let wire = [
            packed(encoding, &payloads[0]),
            packed(encoding, &payloads[1]),
            plain(&payloads[2]),
            packed(encoding, &payloads[3]),
        ]
        .concat();
        let expected: Vec<u8> = payloads.iter().flat_map(|payload| plain(payload)).collect();
        for at in 0..=wire.len() {
            let frames = Frames::chunks([&wire[..at], &wire[at..]]);
            let body = unpacking(frames, encoding, Direction::Request);
            let (data, end) = read(body).await;
            assert_eq!(data, expected);
            assert!(end.unwrap().is_none());
        }
        let frames = Frames::chunks(wire.chunks(1)).trailers(&Status::ok(""));
        let (data, end) = read(unpacking(frames, encoding, Direction::Response)).await;
        assert_eq!(data, expected);
        assert_eq!(end.unwrap().unwrap()["x-kept"], "yes");
    }
}

#[tokio::test]
async fn messages_are_packed_wherever_chunks_end() {
    for encoding in BOTH {
        let payloads = [vec![1; 99], vec![2; 100], vec![], vec![3; 5000]];
        let wire: Vec<u8> = payloads.iter().flat_map(|payload| plain(payload)).collect();
        for at in (0..=wire.len()).step_by(13) {
            let frames = Frames::chunks([&wire[..at], &wire[at..]]).trailers(&Status::ok(""));
            let (data, end) = read(packing(frames, encoding, MessageCompression::new())).await;
            assert_eq!(end.unwrap().unwrap()["x-kept"], "yes");
            let messages = split(&data).unwrap();
            let flags: Vec<_> = messages.iter().map(|(compressed, _)| *compressed).collect();
            assert_eq!(flags, [false, true, false, true]);
            for ((compressed, sent), payload) in messages.iter().zip(&payloads) {
                if *compressed {
                    let message = codec::decompress(encoding, sent, LIMIT).unwrap();
                    assert_eq!(message, plain(payload));
                } else {
                    assert_eq!(sent, payload);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_handle_decides_before_the_setting() {
    let handle = MessageCompression::new();
    handle.send_next(true);
    handle.send_next(false);
    let wire = [plain(b"short"), plain(&[0; 500]), plain(&[0; 500])].concat();
    let (data, _) =
        read(packing(Frames::chunks([&wire[..]]), Encoding::Gzip, handle.clone())).await;
    let flags: Vec<_> = split(&data).unwrap().into_iter().map(|m| m.0).collect();
    assert_eq!(flags, [true, false, true]);
    assert_eq!(handle.next_received(), None);

    let work = Work::Decompress { encoding: Some(Encoding::Gzip), limit: LIMIT };
    let frames = Frames::chunks([&data[..]]);
    let mut body = MessageBody::transformed(frames, Direction::Request, work, Some(handle.clone()));
    for compressed in flags {
        // One message at a time: what is recorded is what has been read.
        assert_eq!(handle.next_received(), None);
        body.frame().await.unwrap().unwrap();
        assert_eq!(handle.next_received(), Some(compressed));
    }
}

#[test]
fn a_handle_remembers_the_last_messages_only() {
    let handle = MessageCompression::new();
    handle.record(true);
    for _ in 0..256 {
        handle.record(false);
    }
    let received: Vec<_> = std::iter::from_fn(|| handle.next_received()).collect();
    assert_eq!(received, [false; 256]);
}

#[tokio::test]
async fn the_end_is_not_told_before_the_last_message() {
    let wire = [plain(&[0; 500]), plain(&[0; 500]), plain(b"x")].concat();
    let frames = Frames::chunks([&wire[..]]);
    let mut body = packing(frames, Encoding::Zstd, MessageCompression::new());
    for ended in [false, false, true] {
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), None);
        body.frame().await.unwrap().unwrap();
        assert_eq!(body.is_end_stream(), ended);
    }
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_unchanged_body_keeps_its_hints() {
    let mut body = MessageBody::unchanged(Frames::chunks([&b"anything"[..]]));
    assert_eq!(body.size_hint().exact(), Some(8));
    assert!(!body.is_end_stream());
    let chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(chunk, "anything");
    assert!(body.is_end_stream());
    assert!(MessageBody::<Frames>::empty().is_end_stream());
}

#[tokio::test]
async fn a_bomb_ends_the_body() {
    for encoding in BOTH {
        let wire = [plain(b"first"), packed(encoding, &[0; LIMIT + 1])].concat();
        let frames = Frames::chunks([&wire[..]]);
        let (data, end) = read(unpacking(frames, encoding, Direction::Request)).await;
        assert_eq!(data, plain(b"first"));
        assert_eq!(end.unwrap_err().code(), Code::ResourceExhausted);

        let frames = Frames::chunks([&wire[..]]).trailers(&Status::ok(""));
        let (data, end) = read(unpacking(frames, encoding, Direction::Response)).await;
        assert_eq!(data, plain(b"first"));
        assert_eq!(status_in(&end.unwrap().unwrap()), Code::ResourceExhausted);
    }
}

#[tokio::test]
async fn a_long_message_ends_the_body_at_its_header() {
    let frames = Frames::chunks([&header(true, LIMIT as u32 + 1)[..]]);
    let body = unpacking(frames, Encoding::Gzip, Direction::Request);
    let status = read(body).await.1.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "received message of 10001 bytes, over the limit of 10000");
}

#[tokio::test]
async fn a_flag_without_encoding_is_internal() {
    let frames = || Frames::chunks([&flagged(b"x")[..]]);
    let body = unpacking(frames(), None, Direction::Request);
    assert_eq!(read(body).await.1.unwrap_err().code(), Code::Internal);
    let body = packing(frames(), Encoding::Gzip, MessageCompression::new());
    assert_eq!(read(body).await.1.unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn a_body_that_ends_in_a_message_is_internal() {
    let wire = packed(Encoding::Gzip, &[0; 500]);
    for end in 1..wire.len() {
        let frames = || Frames::chunks([&wire[..end]]);
        let body = unpacking(frames(), Encoding::Gzip, Direction::Request);
        assert!(!body.is_end_stream());
        assert_eq!(read(body).await.1.unwrap_err().code(), Code::Internal);

        for (sent, seen) in [
            (Status::ok(""), Code::Internal),
            // The sender gave up, and said why.
            (Status::aborted("stopped"), Code::Aborted),
        ] {
            let frames = frames().trailers(&sent);
            let body = unpacking(frames, Encoding::Gzip, Direction::Response);
            assert_eq!(status_in(&read(body).await.1.unwrap().unwrap()), seen);
        }
    }
}

#[tokio::test]
async fn an_error_of_the_body_is_passed_on() {
    for direction in [Direction::Request, Direction::Response] {
        let frames = Frames::chunks([&b"\0\0"[..]]).then(Err(Status::aborted("reset")));
        let (_, end) = read(unpacking(frames, Encoding::Gzip, direction)).await;
        assert_eq!(end.unwrap_err().code(), Code::Aborted);
    }
}
