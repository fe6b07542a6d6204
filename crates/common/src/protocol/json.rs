//! The messages of clients that speak JSON: gRPC's are made of them, and they of gRPC's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use formats::json::{ReadOptions, WriteOptions, from_wire, to_wire};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use super::contracts::Method;
use super::frame::{FrameError, HEADER_LEN, Message, Splitter, header};
use crate::body::Body;
use crate::layers::compression::{DEFAULT_MIN_SIZE, Encoding, compress, decompress};

/// The codecs of gRPC, gRPC-Web and Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Proto,
    Json,
}

impl Codec {
    /// The codec of that name in a content type.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"proto" => Some(Self::Proto),
            b"json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Makes gRPC's requests of JSON.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    pub(crate) method: Arc<Method>,
    /// How compressed messages are; `None` where none may be.
    pub(crate) encoding: Option<Encoding>,
    /// In bytes, for a message before and after each step.
    pub(crate) limit: usize,
}

impl Requests {
    /// The message, framed.
    pub(crate) fn frame(&self, json: &[u8], compressed: bool) -> Result<Bytes, Status> {
        let plain;
        let json = match (compressed, self.encoding) {
            (false, _) => json,
            (true, Some(encoding)) => {
                plain = decompress(encoding, json, self.limit)?;
                plain.get(HEADER_LEN..).unwrap_or_default()
            }
            (true, None) => {
                return Err(Status::internal("compressed message without an encoding"));
            }
        };
        let mut frame = Vec::with_capacity(HEADER_LEN + json.len());
        frame.extend_from_slice(&[0; HEADER_LEN]);
        // As the reference implementation of Connect reads JSON.
        let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
        to_wire(&self.method.input, json, &options, &mut frame)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        finish(frame, self.limit)
    }
}

/// Makes JSON of gRPC's responses.
#[derive(Clone, Debug)]
pub(crate) struct Responses {
    pub(crate) method: Arc<Method>,
    /// How long messages are compressed, if the client asks for it.
    pub(crate) encoding: Option<Encoding>,
}

impl Responses {
    /// The message as JSON, framed, its flag saying whether it is compressed.
    pub(crate) fn frame(&self, message: &Message) -> Result<Bytes, Status> {
        if message.compressed {
            return Err(Status::internal("response is compressed, which nobody asked for"));
        }
        let wire = message.payload();
        let mut frame = Vec::with_capacity(HEADER_LEN + 2 * wire.len() + 16);
        frame.extend_from_slice(&[0; HEADER_LEN]);
        from_wire(&self.method.output, wire, &WriteOptions::default(), &mut frame)
            .map_err(|error| Status::internal(format!("response is no message: {error}")))?;
        let json = frame.get(HEADER_LEN..).unwrap_or_default();
        if let Some(encoding) = self.encoding
            && json.len() >= DEFAULT_MIN_SIZE
            && let Some(compressed) = compress(encoding, json, false)?
        {
            return Ok(compressed);
        }
        finish(frame, usize::MAX)
    }
}

/// Writes the header into the room that was left for it.
fn finish(mut frame: Vec<u8>, limit: usize) -> Result<Bytes, Status> {
    let len = frame.len().saturating_sub(HEADER_LEN);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    match (frame.first_chunk_mut(), u32::try_from(len)) {
        (Some(place), Ok(len)) if len <= limit => *place = header(false, len),
        (_, len) => {
            let len = len.unwrap_or(u32::MAX);
            return Err(FrameError::TooLarge { len, limit }.into());
        }
    }
    Ok(Bytes::from(frame))
}

/// A request body whose messages are JSON in frames, as gRPC reads it.
pub(crate) struct RequestStream {
    body: Option<Body>,
    splitter: Splitter,
    requests: Requests,
}

impl RequestStream {
    pub(crate) fn new(body: Body, requests: Requests) -> Self {
        Self { body: Some(body), splitter: Splitter::with_limit(requests.limit), requests }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(message) = self.splitter.next_message()? else {
            return Ok(None);
        };
        self.requests.frame(message.payload(), message.compressed).map(Some)
    }
}

impl HttpBody for RequestStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let error = loop {
            match this.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
                Ok(None) => {}
                Err(status) => break Some(status),
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.splitter.feed(data);
                    }
                }
                Some(Err(status)) => break Some(status),
                None if this.splitter.is_empty() => break None,
                None => break Some(FrameError::Truncated.into()),
            }
        };
        this.body = None;
        Poll::Ready(error.map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| self.splitter.is_empty() && body.is_end_stream())
    }
}
