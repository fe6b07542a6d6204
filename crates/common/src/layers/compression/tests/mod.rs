#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod codecs;
mod generated;
mod layers;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::{Encoding, codec};
use crate::protocol::frame::{FrameError, Splitter, header};

const BOTH: [Encoding; 2] = [Encoding::Gzip, Encoding::Zstd];

/// A body that gives these frames, and knows, as hyper's do, when it has given the last.
#[derive(Default)]
struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, Status>>,
}

impl Frames {
    fn chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let frame = |chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)));
        let frames = chunks.into_iter().map(frame).collect();
        Self { frames }
    }

    fn then(mut self, frame: Result<Frame<Bytes>, Status>) -> Self {
        self.frames.push_back(frame);
        self
    }

    fn trailers(self, status: &Status) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-kept", "yes".parse().unwrap());
        status.add_header(&mut trailers).unwrap();
        self.then(Ok(Frame::trailers(trailers)))
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = |frame: &Result<Frame<Bytes>, _>| match frame {
            Ok(frame) => frame.data_ref().map_or(0, Bytes::len) as u64,
            Err(_) => 0,
        };
        SizeHint::with_exact(self.frames.iter().map(data).sum())
    }
}

/// A message as it is.
fn plain(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(false, payload.len() as u32).to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// A message that is flagged as compressed.
fn flagged(payload: &[u8]) -> Vec<u8> {
    let mut frame = plain(payload);
    frame[0] = 1;
    frame
}

/// A message, compressed.
fn packed(encoding: Encoding, payload: &[u8]) -> Vec<u8> {
    codec::compress(encoding, payload, true).unwrap().unwrap().to_vec()
}

/// Cuts wire bytes into messages: whether compressed, and the payload.
fn split(wire: &[u8]) -> Result<Vec<(bool, Vec<u8>)>, FrameError> {
    let mut splitter = Splitter::with_limit(usize::MAX);
    splitter.feed(Bytes::copy_from_slice(wire));
    let mut messages = Vec::new();
    while let Some(message) = splitter.next_message()? {
        messages.push((message.compressed, message.payload().to_vec()));
    }
    assert!(splitter.is_empty());
    Ok(messages)
}

/// Bytes of some length, of which a part repeats.
fn payload(len: usize) -> Vec<u8> {
    let alphabet = fastrand::u8(1..);
    (0..len).map(|_| fastrand::u8(..alphabet)).collect()
}
