use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::codec;
use super::{Encoding, MessageCompression};
use crate::BoxError;
use crate::protocol::frame::{Direction, FrameError, Message, Splitter};

pin_project! {
    /// A body whose messages are compressed or decompressed one by one as it is read, or one that
    /// passes as it is.
    pub struct MessageBody<B> {
        // None: ended, or never there.
        #[pin]
        inner: Option<B>,
        transform: Option<Box<Transform>>,
    }
}

/// What happens to the messages of a body.
pub(super) enum Work {
    Decompress {
        /// `None` where no message may be compressed.
        encoding: Option<Encoding>,
        /// In bytes, for a message before and after.
        limit: usize,
    },
    Compress {
        encoding: Encoding,
        /// Whether to compress messages for which the handle says nothing.
        by_default: bool,
        /// Shorter messages are sent as they are, unless the handle says otherwise.
        min_size: usize,
    },
}

struct Transform {
    splitter: Splitter,
    direction: Direction,
    work: Work,
    handle: Option<MessageCompression>,
}

impl<B> MessageBody<B> {
    pub(super) fn empty() -> Self {
        Self { inner: None, transform: None }
    }

    pub(super) fn unchanged(inner: B) -> Self {
        Self { inner: Some(inner), transform: None }
    }

    pub(super) fn transformed(
        inner: B,
        direction: Direction,
        work: Work,
        handle: Option<MessageCompression>,
    ) -> Self {
        let limit = match &work {
            Work::Decompress { limit, .. } => *limit,
            // What we send is ours to limit where it is made.
            Work::Compress { .. } => usize::MAX,
        };
        let transform =
            Transform { splitter: Splitter::with_limit(limit), direction, work, handle };
        Self { inner: Some(inner), transform: Some(Box::new(transform)) }
    }
}

/// Why a body ends early.
enum Failure {
    /// A message is at fault.
    Message(Status),
    /// The body inside failed.
    Body(Status),
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Self::Message(error.into())
    }
}

impl Transform {
    fn poll_frame<B>(
        &mut self,
        mut inner: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, Failure>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        loop {
            if let Some(message) = self.next_message().map_err(Failure::Message)? {
                return Poll::Ready(Ok(Some(Frame::data(message))));
            }
            let frame = match ready!(inner.as_mut().poll_frame(cx)) {
                None if self.splitter.is_empty() => return Poll::Ready(Ok(None)),
                None => return Poll::Ready(Err(FrameError::Truncated.into())),
                Some(Err(e)) => {
                    return Poll::Ready(Err(Failure::Body(Status::from_error(e.into()))));
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(chunk) => self.splitter.feed(chunk),
                Err(frame) => {
                    // A sender that fails may stop within a message and say why.
                    let fails = frame.trailers_ref().is_some_and(is_failure);
                    if !fails && !self.splitter.is_empty() {
                        return Poll::Ready(Err(FrameError::Truncated.into()));
                    }
                    self.splitter.clear();
                    return Poll::Ready(Ok(Some(frame)));
                }
            }
        }
    }

    /// The next message as the reader is to get it; `None` if it takes another chunk.
    fn next_message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(message) = self.splitter.next_message()? else {
            return Ok(None);
        };
        match self.work {
            Work::Decompress { encoding, limit } => self.decompress(message, encoding, limit),
            Work::Compress { encoding, by_default, min_size } => {
                self.compress(message, encoding, by_default, min_size)
            }
        }
        .map(Some)
    }

    fn decompress(
        &self,
        message: Message,
        encoding: Option<Encoding>,
        limit: usize,
    ) -> Result<Bytes, Status> {
        if let Some(handle) = &self.handle {
            handle.record(message.compressed);
        }
        match encoding {
            _ if !message.compressed => Ok(message.frame),
            Some(encoding) => Ok(codec::decompress(encoding, message.payload(), limit)?),
            None => Err(not_announced()),
        }
    }

    fn compress(
        &self,
        message: Message,
        encoding: Encoding,
        by_default: bool,
        min_size: usize,
    ) -> Result<Bytes, Status> {
        if message.compressed {
            return Err(not_announced());
        }
        let said = self.handle.as_ref().and_then(MessageCompression::take_send);
        let payload = message.payload();
        if !said.unwrap_or(by_default && payload.len() >= min_size) {
            return Ok(message.frame);
        }
        let compressed = codec::compress(encoding, payload, said.is_some())?;
        Ok(compressed.unwrap_or(message.frame))
    }
}

fn not_announced() -> Status {
    Status::internal("message is flagged as compressed, but no grpc-encoding was announced")
}

/// Whether trailers end a call with an error.
fn is_failure(trailers: &HeaderMap) -> bool {
    trailers.get(Status::GRPC_STATUS).is_some_and(|status| status != "0")
}

impl<B> Body for MessageBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut this = self.project();
        let Some(transform) = this.transform.as_deref_mut() else {
            return match this.inner.as_pin_mut() {
                Some(inner) => inner.poll_frame(cx).map_err(|e| Status::from_error(e.into())),
                None => Poll::Ready(None),
            };
        };
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let end = match ready!(transform.poll_frame(inner, cx)) {
            Ok(frame) => return Poll::Ready(frame.map(Ok)),
            Err(Failure::Message(status)) => transform.direction.end_with(status),
            Err(Failure::Body(status)) => Err(status),
        };
        this.inner.set(None);
        *this.transform = None;
        Poll::Ready(Some(end))
    }

    fn is_end_stream(&self) -> bool {
        let held_back =
            self.transform.as_ref().is_some_and(|transform| !transform.splitter.is_empty());
        !held_back && self.inner.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.inner, &self.transform) {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            (Some(inner), None) => inner.size_hint(),
            _ => SizeHint::new(),
        }
    }
}
