//! The messages of a gRPC response, and how the call ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use formats::json::{self, WireError, WriteOptions};
use http::{HeaderMap, Response};
use http_body::Body as _;
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message as _};
use tonic::{Code, Status};

use super::headers;
use super::route::{ResponseBody, Route};
use crate::body::Body;
use crate::protocol::frame::{Message, Splitter};
use crate::status;

/// A response that is being read.
pub(super) struct Replies {
    body: Option<Body>,
    splitter: Splitter,
    /// The metadata at the end, as far as it is known.
    pub(super) trailers: HeaderMap,
}

impl Replies {
    /// The headers that are the client's to see, and what follows them.
    ///
    /// # Errors
    /// The status of a call that has failed before it answered anything, and its metadata.
    pub(super) fn new(response: Response<Body>) -> Result<(HeaderMap, Self), (Status, HeaderMap)> {
        let (head, body) = response.into_parts();
        let mut headers = head.headers;
        let status = status::read(&headers);
        headers::outbound(&mut headers);
        let body = match status {
            Some(status) if status.code() != Code::Ok => return Err((status, headers)),
            Some(_) => None,
            None => Some(body),
        };
        // What handlers answer with is in memory already: no limit would keep it out.
        let splitter = Splitter::with_limit(usize::MAX);
        Ok((headers, Self { body, splitter, trailers: HeaderMap::new() }))
    }

    /// A message that is here already.
    pub(super) fn here(&mut self) -> Result<Option<Message>, Status> {
        match self.splitter.next_message()? {
            Some(message) if message.compressed => {
                Err(Status::internal("the service answered with a compressed message"))
            }
            message => Ok(message),
        }
    }

    /// The next message, none when the call has ended with OK.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Status>> {
        loop {
            if let Some(message) = self.here()? {
                return Poll::Ready(Ok(Some(message)));
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(Ok(None));
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.splitter.feed(data),
                    Err(frame) => {
                        self.body = None;
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.end(trailers).map(|()| None));
                    }
                },
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Err(error));
                }
                None => {
                    self.body = None;
                    return Poll::Ready(Err(Status::internal("the call ended without a status")));
                }
            }
        }
    }

    fn end(&mut self, mut trailers: HeaderMap) -> Result<(), Status> {
        let status = match status::code_of(&trailers) {
            Some(Code::Ok) if self.splitter.is_empty() => None,
            Some(Code::Ok) => Some(Status::internal("the call ended within a message")),
            _ => status::read(&trailers)
                .or_else(|| Some(Status::internal("the call ended without a status"))),
        };
        headers::outbound(&mut trailers);
        self.trailers = trailers;
        status.map_or(Ok(()), Err)
    }
}

/// Appends what is answered of a message as JSON.
pub(super) fn to_json(
    route: &Route,
    message: &Message,
    options: &WriteOptions,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    match &route.answer {
        ResponseBody::Field(field) => json::field_from_wire(field, message.payload(), options, out),
        ResponseBody::Message | ResponseBody::Bytes(_) => {
            json::from_wire(&route.method.output, message.payload(), options, out)
        }
    }
    .map_err(|error| bad_wire(&error))
}

fn bad_wire(error: &WireError) -> Status {
    Status::internal(format!("the service answered with what JSON cannot hold: {error}"))
}

/// `google.api.HttpBody`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(super) content_type: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
}

/// The `HttpBody` that a message is, or that its field of this number is.
pub(super) fn http_body(field: Option<u32>, message: &Message) -> Result<HttpBody, Status> {
    let payload = message.frame.slice(message.frame.len() - message.payload().len()..);
    let read = || -> Result<HttpBody, DecodeError> {
        let Some(number) = field else {
            return HttpBody::decode(payload);
        };
        let mut body = HttpBody::default();
        let mut rest = payload;
        while rest.has_remaining() {
            let (tag, wire_type) = encoding::decode_key(&mut rest)?;
            let context = DecodeContext::default();
            match (tag == number, wire_type) {
                (true, WireType::LengthDelimited) => {
                    encoding::message::merge(wire_type, &mut body, &mut rest, context)?;
                }
                _ => encoding::skip_field(wire_type, tag, &mut rest, context)?,
            }
        }
        Ok(body)
    };
    read().map_err(|error| Status::internal(format!("the service answered: {error}")))
}
