//! Answers: headers, messages, trailers.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::conformance::proto::conformance_payload::RequestInfo;
use crate::conformance::{add_list, any, frame, proto};

/// What comes before and after the messages.
pub(super) struct Head {
    headers: HeaderMap,
    trailers: HeaderMap,
}

impl Head {
    pub(super) fn new(headers: &[proto::Header], trailers: &[proto::Header]) -> Self {
        let mut head = Self { headers: HeaderMap::new(), trailers: HeaderMap::new() };
        add_list(&mut head.headers, headers);
        add_list(&mut head.trailers, trailers);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        head
    }

    /// An answer without messages.
    pub(super) fn failed(self, error: proto::Error, info: Option<&RequestInfo>) -> Response<Body> {
        stream_with(self, stream::empty(), status(error, info))
    }
}

/// A response message: those of all methods look alike on the wire.
pub(super) fn message(data: Bytes, request_info: Option<RequestInfo>) -> Bytes {
    let payload = proto::ConformancePayload { data, request_info };
    frame(&proto::UnaryResponse { payload: Some(payload) }.encode_to_vec())
}

pub(super) fn single(head: Head, message: Bytes) -> Response<Body> {
    stream_with(head, stream::iter([message]), Status::new(Code::Ok, ""))
}

/// Messages, and an error after them if there is one.
pub(super) fn stream_of(
    head: Head,
    messages: impl Stream<Item = Bytes> + Send + 'static,
    error: Option<proto::Error>,
) -> Response<Body> {
    let end = error.map_or(Status::new(Code::Ok, ""), |error| status(error, None));
    stream_with(head, messages, end)
}

fn stream_with(
    head: Head,
    messages: impl Stream<Item = Bytes> + Send + 'static,
    end: Status,
) -> Response<Body> {
    let trailers = end_with(head.trailers, &end);
    let frames = messages.map(Frame::data).chain(stream::iter([Frame::trailers(trailers)]));
    respond(head.headers, frames.map(Ok))
}

pub(super) fn respond(
    headers: HeaderMap,
    frames: impl Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    *response.headers_mut() = headers;
    response
}

/// Trailers that end a call.
pub(super) fn end_with(mut trailers: HeaderMap, status: &Status) -> HeaderMap {
    trailers.extend(ahoy::status::trailers(status));
    trailers
}

/// The status of an error, with what was seen of the request among its details.
pub(super) fn status(mut error: proto::Error, info: Option<&RequestInfo>) -> Status {
    error.details.extend(info.map(|info| any("ConformancePayload.RequestInfo", info)));
    let message = error.message.unwrap_or_default();
    let rich = tonic_types::pb::Status {
        code: error.code,
        message: message.clone(),
        details: error.details,
    };
    let details = if rich.details.is_empty() { Vec::new() } else { rich.encode_to_vec() };
    Status::with_details(Code::from(error.code), message, details.into())
}

impl Head {
    /// Its halves, for who writes the answer bit by bit.
    pub(super) fn into_parts(self) -> (HeaderMap, HeaderMap) {
        (self.headers, self.trailers)
    }
}
