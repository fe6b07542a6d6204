//! The text form: base64, in pieces that are padded each on their own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use crate::body::Body;

/// Four characters are three bytes, or fewer where padding ends a piece.
const QUANTUM: usize = 4;

/// A body in base64, decoded as it arrives.
pub(super) struct TextBody {
    body: Option<Body>,
    decoder: Decoder,
}

impl TextBody {
    pub(super) fn new(body: Body) -> Self {
        Self { body: Some(body), decoder: Decoder::default() }
    }
}

impl HttpBody for TextBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let error = loop {
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else {
                        continue;
                    };
                    match this.decoder.feed(&chunk) {
                        Ok(bytes) if bytes.is_empty() => {}
                        Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                        Err(NotBase64) => break Some(Status::internal("body is not base64")),
                    }
                }
                Some(Err(status)) => break Some(status),
                None if this.decoder.is_between_quanta() => break None,
                None => break Some(Status::internal("base64 ends in the middle")),
            }
        };
        this.body = None;
        Poll::Ready(error.map(Err))
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.body.as_ref().is_none_or(HttpBody::is_end_stream);
        ended && self.decoder.is_between_quanta()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct NotBase64;

/// Keeps the characters that the chunks so far left over.
#[derive(Debug, Default)]
struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    fn feed(&mut self, chunk: &[u8]) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = Vec::with_capacity((self.rest.len() + chunk.len()) / QUANTUM * 3);
        let mut chunk = chunk;
        if !self.rest.is_empty() {
            let missing = QUANTUM.saturating_sub(self.rest.len()).min(chunk.len());
            let (first, after) = chunk.split_at(missing);
            self.rest.extend_from_slice(first);
            chunk = after;
            if self.rest.len() < QUANTUM {
                return Ok(bytes);
            }
            decode(&self.rest, &mut bytes)?;
            self.rest.clear();
        }
        let (whole, rest) = chunk.split_at(chunk.len() - chunk.len() % QUANTUM);
        decode(whole, &mut bytes)?;
        self.rest.extend_from_slice(rest);
        Ok(bytes)
    }

    fn is_between_quanta(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Decodes whole quanta, piece by piece: padding ends one, and another may follow.
fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
    let mut rest = text;
    while !rest.is_empty() {
        let padding = rest.iter().position(|byte| *byte == b'=');
        let end = padding.map_or(rest.len(), |at| at - at % QUANTUM + QUANTUM);
        let (piece, after) = rest.split_at_checked(end).ok_or(NotBase64)?;
        STANDARD.decode_vec(piece, bytes).map_err(|_| NotBase64)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pieces_and_chunks_may_end_anywhere() {
        let pieces = [&b"a"[..], b"bc", b"def", b"", b"0123456789"];
        let text = pieces.map(|piece| STANDARD.encode(piece)).concat();
        for size in 1..=text.len() {
            let mut decoder = Decoder::default();
            let chunks = text.as_bytes().chunks(size);
            let bytes: Vec<u8> = chunks.flat_map(|chunk| decoder.feed(chunk).unwrap()).collect();
            assert!(decoder.is_between_quanta());
            assert_eq!(bytes, pieces.concat());
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["====", "a===", "ab=c", "ab!d", "a\nbc", "YQ==YQ=a"] {
            assert_eq!(Decoder::default().feed(text.as_bytes()), Err(NotBase64), "{text:?}");
        }
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"YWJ"), Ok(Vec::new()));
        assert!(!decoder.is_between_quanta());
    }
}
