//! Calls of one message each way.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use prost_types::method_options::IdempotencyLevel;
use tonic::{Code, Status};

use super::body::UnaryRequest;
use super::query::Query;
use super::{error, method_not_allowed, not_found, take_headers, unsupported_media_type};
use crate::body::Body;
use crate::protocol::contracts::Method;
use crate::protocol::edge::{Answer, Arrival, Parts, media_type};
use crate::protocol::frame::{Message, Splitter};
use crate::protocol::json::{self, Codec};
use crate::protocol::metadata::{self, Compression, GRPC_ENCODING};
use crate::status;

pub(super) const ACCEPTED: &str = "application/proto, application/json";

/// What a response needs to know of its request.
struct Call {
    parts: Arc<Parts>,
    codec: Codec,
    json: Option<json::Responses>,
    /// Whether the contracts do not have the method.
    unknown: bool,
    /// Whether it may be cached, and so must say what it depends on.
    get: bool,
}

/// The message is the body.
pub(super) fn post(parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    let path = request.uri().path();
    let method = parts.contracts.method(path);
    let codec = media_type(request.headers()).strip_prefix(b"application/");
    let Some(codec) = codec.and_then(Codec::from_name) else {
        return unsupported_media_type(accepted(method));
    };
    if method.is_some_and(|method| is_stream(method)) {
        return unsupported_media_type(accepted(method));
    }
    if method.is_none() && codec == Codec::Json {
        return not_found(parts, path);
    }
    let method = method.cloned();

    let (mut head, body) = request.into_parts();
    let encoding = head.headers.remove(CONTENT_ENCODING);
    let encoding = encoding.as_ref().map(HeaderValue::as_bytes);
    call(parts, head, method, codec, encoding, body, false)
}

/// The message is in the query; or it is a verb that no method is called with.
pub(super) fn get(parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    let Some(method) = parts.contracts.method(request.uri().path()).cloned() else {
        return not_found(parts, request.uri().path());
    };
    let safe = method.idempotency == IdempotencyLevel::NoSideEffects && !is_stream(&method);
    if request.method() != Verb::GET || !safe {
        return method_not_allowed(if safe { "GET, POST" } else { "POST" });
    }
    let (head, _) = request.into_parts();
    let query = match Query::read(head.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(status) => return failed(parts, &status),
    };
    let Some(codec) = Codec::from_name(&query.encoding) else {
        return unsupported_media_type(ACCEPTED);
    };
    if query.version.as_deref().is_some_and(|version| version != b"v1") {
        let status = Status::invalid_argument("query parameter connect must be \"v1\"");
        return failed(parts, &status);
    }
    let body = Body::new(Full::from(query.message));
    call(parts, head, Some(method), codec, query.compression.as_deref(), body, true)
}

fn is_stream(method: &Method) -> bool {
    method.client_streaming || method.server_streaming
}

fn accepted(method: Option<&Arc<Method>>) -> &'static str {
    match method {
        Some(method) if is_stream(method) => super::stream::ACCEPTED,
        _ => ACCEPTED,
    }
}

fn failed(parts: &Parts, status: &Status) -> Arrival {
    Arrival::Answered(error::response(&parts.contracts, status, HeaderMap::new()))
}

fn call(
    parts: &Arc<Parts>,
    mut head: Head,
    method: Option<Arc<Method>>,
    codec: Codec,
    encoding: Option<&[u8]>,
    body: Body,
    get: bool,
) -> Arrival {
    let compression = take_headers(&mut head.headers)
        .and_then(|()| Compression::read(encoding, head.headers.get(ACCEPT_ENCODING)));
    let compression = match compression {
        Ok(compression) => compression,
        Err(status) => return failed(parts, &status),
    };
    metadata::into_grpc(&mut head);
    let limit = parts.max_message_bytes;
    let unknown = method.is_none();
    let compressed = compression.request.is_some();
    let (body, json) = match method.filter(|_| codec == Codec::Json) {
        None => {
            compression.write(&mut head.headers);
            (UnaryRequest::new(body, limit, compressed, None), None)
        }
        Some(method) => {
            let encoding = compression.request;
            let requests = json::Requests { method: Arc::clone(&method), encoding, limit };
            let body = UnaryRequest::new(body, limit, compressed, Some(requests));
            let encoding = compression.response;
            (body, Some(json::Responses { method, encoding }))
        }
    };
    let call = Call { parts: Arc::clone(parts), codec, json, unknown, get };
    let answer: Answer = Box::new(move |response| Box::pin(call.answer(response)));
    Arrival::Call { request: Request::from_parts(head, Body::new(body)), answer }
}

impl Call {
    /// Makes Connect's response of gRPC's, once it is known how the call ends.
    async fn answer(self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let encoding = head.headers.remove(GRPC_ENCODING);
        let (message, trailers) = match status::read(&head.headers) {
            // A response that is nothing but trailers: its metadata stays where it is.
            Some(status) => (None, status::trailers(&status)),
            None => match read(body).await {
                Ok(read) => read,
                Err(status) => (None, status::trailers(&status)),
            },
        };
        let status = status::read(&trailers);
        let status = status.unwrap_or_else(|| Status::internal("the call ended without a status"));
        metadata::strip_response(&mut head.headers);
        add_trailers(&mut head.headers, trailers);

        let payload = match (status.code(), message) {
            (Code::Ok, Some(message)) => match &self.json {
                Some(json) => json.frame(&message),
                None => Ok(message.frame),
            },
            (Code::Ok, None) => Err(Status::unimplemented("the call ended without a message")),
            (_, _) => Err(status),
        };
        match payload {
            Ok(frame) => self.succeeded(head.headers, frame, encoding),
            Err(status) => {
                let mut response = error::response(&self.parts.contracts, &status, head.headers);
                if self.unknown && status.code() == Code::Unimplemented {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                response
            }
        }
    }

    /// The response whose body is the message in `frame`.
    fn succeeded(
        &self,
        metadata: HeaderMap,
        frame: Bytes,
        encoding: Option<HeaderValue>,
    ) -> Response<Body> {
        let compressed = frame.first() == Some(&1);
        let message = Message { compressed, frame };
        let mut response = Response::new(Body::new(Full::new(message.into_payload())));
        *response.headers_mut() = metadata;
        let headers = response.headers_mut();
        let content_type = match self.codec {
            Codec::Proto => "application/proto",
            Codec::Json => "application/json",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let encoding = match &self.json {
            Some(json) => json.encoding.map(|encoding| encoding.header_value()),
            None => encoding,
        };
        if let Some(encoding) = encoding.filter(|_| compressed) {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        if self.get {
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

/// Reads the one message of a response, and its trailers.
async fn read(mut body: Body) -> Result<(Option<Message>, HeaderMap), Status> {
    // A response is ours, and bounded where it is made.
    let mut splitter = Splitter::with_limit(usize::MAX);
    let mut message = None;
    while let Some(frame) = body.frame().await {
        let data = match frame?.into_data() {
            Ok(data) => data,
            Err(frame) => return Ok((message, frame.into_trailers().unwrap_or_default())),
        };
        splitter.feed(data);
        while let Some(next) = splitter.next_message()? {
            if message.replace(next).is_some() {
                return Err(Status::unimplemented("the call gave more than one message"));
            }
        }
    }
    Ok((message, HeaderMap::new()))
}

/// Adds trailers to the headers, as Connect's unary responses have them.
fn add_trailers(headers: &mut HeaderMap, mut trailers: HeaderMap) {
    metadata::strip_response(&mut trailers);
    for (name, value) in &trailers {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            headers.append(name, value.clone());
        }
    }
}
