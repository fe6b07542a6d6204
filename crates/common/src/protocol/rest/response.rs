//! gRPC's response as HTTP's: one message, or a stream of lines, events or bytes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use formats::json::WriteOptions;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::Full;
use tonic::Status;

use super::error::JSON;
use super::headers;
use super::replies::{self, Replies};
use super::route::{ResponseBody, Route};
use crate::body::Body;
use crate::protocol::edge::Parts;
use crate::protocol::frame::Message;

/// How much of a stream is made at once, in bytes.
const BATCH: usize = 32 * 1024;

/// Lines of JSON (<https://github.com/ndjson/ndjson-spec>).
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// How a call is to be answered.
pub(super) struct Answering {
    pub(super) parts: Arc<Parts>,
    pub(super) route: Arc<Route>,
    pub(super) options: WriteOptions,
    pub(super) form: Form,
    /// To HEAD: all but the body.
    pub(super) head: bool,
}

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{"result":…}` for each message, and `{"error":…}` at the end of a call that failed.
    Lines,
    /// An event for each message, and an `error` or an `end`.
    Events,
}

impl Answering {
    /// Answers when the call has ended: nothing that failed looks like a success.
    pub(super) async fn one(self, response: Response<Body>) -> Response<Body> {
        let (mut headers, mut replies) = match Replies::new(response) {
            Ok(replies) => replies,
            Err((status, headers)) => return self.failed(&status, headers),
        };
        let read = async {
            let first = poll_fn(|cx| replies.poll_next(cx)).await?;
            let second = poll_fn(|cx| replies.poll_next(cx)).await?;
            match (first, second) {
                (Some(message), None) => Ok(message),
                _ => Err(Status::internal("expected one message from the service")),
            }
        };
        let made = read.await.and_then(|message| self.body(&message));
        headers::append(&mut headers, &replies.trailers);
        match made {
            Ok((content_type, body)) => {
                headers.insert(CONTENT_TYPE, content_type);
                headers.insert(CONTENT_LENGTH, body.len().into());
                respond(headers, Body::new(Full::new(body)), self.head)
            }
            Err(status) => self.failed(&status, headers),
        }
    }

    fn body(&self, message: &Message) -> Result<(HeaderValue, Bytes), Status> {
        if let ResponseBody::Bytes(field) = &self.route.answer {
            let body = replies::http_body(*field, message)?;
            return Ok((content_type(&body), body.data));
        }
        let mut json = Vec::with_capacity(2 * message.frame.len() + 64);
        replies::to_json(&self.route, message, &self.options, &mut json)?;
        Ok((JSON, json.into()))
    }

    /// Answers with the first message, or when the call ends before any.
    pub(super) async fn many(self, response: Response<Body>) -> Response<Body> {
        let (mut headers, mut replies) = match Replies::new(response) {
            Ok(replies) => replies,
            Err((status, headers)) => return self.failed(&status, headers),
        };
        let first = match poll_fn(|cx| replies.poll_next(cx)).await {
            Ok(first) => first,
            Err(status) => {
                headers::append(&mut headers, &replies.trailers);
                return self.failed(&status, headers);
            }
        };
        let content_type = match (&self.route.answer, &first, self.form) {
            (ResponseBody::Bytes(field), Some(first), _) => {
                match replies::http_body(*field, first) {
                    Ok(body) => content_type(&body),
                    Err(status) => return self.failed(&status, headers),
                }
            }
            (ResponseBody::Bytes(_), None, _) => BYTES,
            (_, _, Form::Lines) => LINES,
            (_, _, Form::Events) => EVENTS,
        };
        headers.insert(CONTENT_TYPE, content_type);
        if self.form == Form::Events {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        let head = self.head;
        let stream = Stream { answering: self, replies, first, state: State::Open };
        respond(headers, Body::new(stream), head)
    }

    fn failed(&self, status: &Status, headers: HeaderMap) -> Response<Body> {
        let response = self.parts.rest.statuses.response(status, headers);
        let (head, body) = response.into_parts();
        Response::from_parts(head, if self.head { Body::empty() } else { body })
    }
}

fn respond(headers: HeaderMap, body: Body, head: bool) -> Response<Body> {
    let mut response = Response::new(if head { Body::empty() } else { body });
    *response.headers_mut() = headers;
    response
}

fn content_type(body: &replies::HttpBody) -> HeaderValue {
    match HeaderValue::try_from(body.content_type.as_str()) {
        Ok(value) if !value.is_empty() => value,
        _ => BYTES,
    }
}

/// The body of a stream: each chunk is made when it is asked for, of what the service has sent.
struct Stream {
    answering: Answering,
    replies: Replies,
    first: Option<Message>,
    state: State,
}

enum State {
    Open,
    /// Only the trailers are left.
    Ending,
    Ended,
}

impl Stream {
    fn append(&self, message: &Message, out: &mut Vec<u8>) -> Result<(), Status> {
        let Answering { route, options, form, .. } = &self.answering;
        let (before, after): (&[u8], &[u8]) = match form {
            Form::Lines => (b"{\"result\":", b"}\n"),
            Form::Events => (b"data: ", b"\n\n"),
        };
        let start = out.len();
        out.extend_from_slice(before);
        let appended = replies::to_json(route, message, options, out);
        match appended {
            Ok(()) => out.extend_from_slice(after),
            Err(_) => out.truncate(start),
        }
        appended
    }

    /// How a stream says that the call has ended.
    fn last(&self, ended: Result<(), &Status>, out: &mut Vec<u8>) {
        let statuses = &self.answering.parts.rest.statuses;
        match (self.answering.form, ended) {
            (Form::Lines, Ok(())) => {}
            (Form::Lines, Err(status)) => {
                out.extend_from_slice(b"{\"error\":");
                statuses.write(status, out);
                out.extend_from_slice(b"}\n");
            }
            // Without it, browsers would call again.
            (Form::Events, Ok(())) => out.extend_from_slice(b"event: end\ndata: {}\n\n"),
            (Form::Events, Err(status)) => {
                out.extend_from_slice(b"event: error\ndata: ");
                statuses.write(status, out);
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut out = Vec::new();
        let mut next = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => ready!(self.replies.poll_next(cx)),
        };
        loop {
            let appended = match next {
                Ok(Some(message)) => self.append(&message, &mut out),
                Ok(None) => {
                    self.state = State::Ending;
                    self.last(Ok(()), &mut out);
                    break;
                }
                Err(status) => Err(status),
            };
            if let Err(status) = appended {
                self.state = State::Ending;
                self.last(Err(&status), &mut out);
                break;
            }
            if out.len() >= BATCH {
                break;
            }
            next = match self.replies.here() {
                Ok(None) => break,
                here => here,
            };
        }
        Poll::Ready(out.into())
    }

    /// Bytes have no form for an error: the connection or stream is cut instead.
    fn poll_bytes(
        &mut self,
        field: Option<u32>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Status>> {
        let next = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => ready!(self.replies.poll_next(cx)),
        };
        Poll::Ready(match next {
            Ok(Some(message)) => replies::http_body(field, &message).map(|body| body.data),
            Ok(None) => {
                self.state = State::Ending;
                Ok(Bytes::new())
            }
            Err(status) => Err(status),
        })
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            match this.state {
                State::Open => {}
                State::Ended => return Poll::Ready(None),
                State::Ending => {
                    this.state = State::Ended;
                    let trailers = std::mem::take(&mut this.replies.trailers);
                    let trailers = Some(trailers).filter(|trailers| !trailers.is_empty());
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
            }
            let data = match this.answering.route.answer {
                ResponseBody::Bytes(field) => match ready!(this.poll_bytes(field, cx)) {
                    Ok(data) => data,
                    Err(status) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(status)));
                    }
                },
                _ => ready!(this.poll_text(cx)),
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }
}
