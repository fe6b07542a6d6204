//! A request's one message, as gRPC reads it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;

use crate::body::Body;
use crate::protocol::frame::{FrameError, HEADER_LEN, header};
use crate::protocol::json::Requests;

/// The body of a unary request, of which it makes a frame.
pub(super) struct UnaryRequest {
    state: State,
    limit: usize,
    compressed: bool,
    json: Option<Requests>,
}

enum State {
    /// Its length is known: the header goes first, and what follows passes as it is.
    Announced {
        body: Body,
        len: u32,
    },
    Passing {
        body: Body,
    },
    /// It is gathered, since its length is not known or it is to be translated.
    Gathering {
        body: Body,
        chunks: Gathered,
    },
    Ended,
}

/// The chunks so far. Most messages are one.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.all.reserve(first.len() + chunk.len());
            self.all.extend_from_slice(&first);
        }
        self.all.extend_from_slice(&chunk);
    }

    fn finish(self) -> Bytes {
        match self.all.is_empty() {
            true => self.first,
            false => self.all.freeze(),
        }
    }
}

impl UnaryRequest {
    /// Makes gRPC's body of `body`, a message of at most `limit` bytes. Without `json` it passes
    /// as it is, and `compressed` is what its frame says.
    pub(super) fn new(body: Body, limit: usize, compressed: bool, json: Option<Requests>) -> Self {
        let len = body.size_hint().exact().and_then(|len| u32::try_from(len).ok());
        let state = match (len, &json) {
            (Some(len), None) => State::Announced { body, len },
            _ => State::Gathering { body, chunks: Gathered::default() },
        };
        Self { state, limit, compressed, json }
    }

    /// The message, which is here as a whole.
    fn frame(&self, message: &[u8]) -> Result<Bytes, Status> {
        // What is empty was not compressed, whatever the headers say.
        let compressed = self.compressed && !message.is_empty();
        if let Some(json) = &self.json {
            return json.frame(message, compressed);
        }
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut frame = BytesMut::with_capacity(HEADER_LEN + message.len());
        frame.extend_from_slice(&header(compressed, len));
        frame.extend_from_slice(message);
        Ok(frame.freeze())
    }
}

impl HttpBody for UnaryRequest {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Announced { .. } => {
                    let State::Announced { body, len } =
                        std::mem::replace(&mut this.state, State::Ended)
                    else {
                        continue;
                    };
                    this.state = State::Passing { body };
                    let header = header(this.compressed && len > 0, len);
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&header)))));
                }
                State::Passing { body } => match ready!(Pin::new(body).poll_frame(cx)) {
                    // Trailers of a request mean nothing here.
                    Some(Ok(frame)) if !frame.is_data() => {}
                    frame => return Poll::Ready(frame),
                },
                State::Gathering { body, chunks } => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        let Ok(chunk) = frame.into_data() else {
                            continue;
                        };
                        let len = chunks.len() + chunk.len();
                        if len <= this.limit {
                            chunks.push(chunk);
                            continue;
                        }
                        this.state = State::Ended;
                        let limit = u32::try_from(this.limit).unwrap_or(u32::MAX);
                        let len = u32::try_from(len).unwrap_or(u32::MAX);
                        let error = FrameError::TooLarge { len, limit };
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    Some(Err(status)) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(status)));
                    }
                    None => {
                        let message = std::mem::take(chunks).finish();
                        this.state = State::Ended;
                        return Poll::Ready(Some(this.frame(&message).map(Frame::data)));
                    }
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Passing { body } => body.is_end_stream(),
            State::Ended => true,
            State::Announced { .. } | State::Gathering { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Passing { body } => body.size_hint(),
            State::Ended => SizeHint::with_exact(0),
            State::Announced { .. } | State::Gathering { .. } => SizeHint::new(),
        }
    }
}
