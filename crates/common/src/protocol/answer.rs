//! The body of a streamed answer: gRPC's messages as they are or as JSON, and after the last one
//! what the client's protocol has for trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use super::frame::{FrameError, Splitter};
use super::json::Responses;
use crate::body::Body;
use crate::status;

/// How a protocol writes what comes after the messages.
pub(crate) enum Ending {
    /// As trailers.
    Trailers,
    /// As one more frame, made of the trailers.
    Frame(Box<dyn Fn(HeaderMap) -> Bytes + Send>),
}

/// How the bytes of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Binary,
    /// In base64, each chunk padded.
    Text,
}

/// See the [module](self).
pub(crate) struct StreamedAnswer {
    /// `None` once it has ended.
    body: Option<Body>,
    json: Option<(Responses, Splitter)>,
    form: Form,
    ending: Ending,
}

impl StreamedAnswer {
    /// Messages pass as they are unless there is a `json` to make of them.
    pub(crate) fn new(body: Body, json: Option<Responses>, form: Form, ending: Ending) -> Self {
        // A response is ours, and bounded where it is made.
        let json = json.map(|json| (json, Splitter::with_limit(usize::MAX)));
        Self { body: Some(body), json, form, ending }
    }

    fn data(&self, data: Bytes) -> Frame<Bytes> {
        Frame::data(match self.form {
            Form::Binary => data,
            Form::Text => STANDARD.encode(&data).into(),
        })
    }

    fn end(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.body = None;
        self.json = None;
        match &self.ending {
            Ending::Trailers => Frame::trailers(trailers),
            Ending::Frame(make) => {
                let frame = make(trailers);
                self.data(frame)
            }
        }
    }

    fn fail(&mut self, status: &Status) -> Frame<Bytes> {
        self.end(status::trailers(status))
    }

    /// The next message as JSON; `None` if it takes another chunk.
    fn next_json(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((json, splitter)) = &mut self.json else {
            return Ok(None);
        };
        match splitter.next_message()? {
            Some(message) => json.frame(&message).map(Some),
            None => Ok(None),
        }
    }

    /// Whether the body may not end here.
    fn is_within_message(&self) -> bool {
        self.json.as_ref().is_some_and(|(_, splitter)| !splitter.is_empty())
    }
}

impl HttpBody for StreamedAnswer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = loop {
            match this.next_json() {
                Ok(Some(message)) => break this.data(message),
                Ok(None) => {}
                Err(status) => break this.fail(&status),
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match (frame.into_data(), &mut this.json) {
                    (Ok(data), None) => break this.data(data),
                    (Ok(data), Some((_, splitter))) => splitter.feed(data),
                    (Err(frame), _) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let fine = status::code_of(&trailers) == Some(tonic::Code::Ok);
                        if fine && this.is_within_message() {
                            break this.fail(&FrameError::Truncated.into());
                        }
                        break this.end(trailers);
                    }
                },
                Some(Err(status)) => break this.fail(&status),
                None => break this.fail(&Status::internal("the call ended without a status")),
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }
}
