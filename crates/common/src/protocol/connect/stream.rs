//! Calls whose messages are in frames.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::Status;

use super::error::end_of_stream;
use super::{method_not_allowed, not_found, take_headers, unsupported_media_type};
use crate::body::Body;
use crate::protocol::answer::{Ending, Form, StreamedAnswer};
use crate::protocol::edge::{Answer, Arrival, Parts, media_type};
use crate::protocol::json::{self, Codec};
use crate::protocol::metadata::{self, Compression, GRPC_ENCODING};
use crate::status;

const CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

pub(super) const ACCEPTED: &str = "application/connect+proto, application/connect+json";

pub(super) fn accept(parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    let codec = media_type(request.headers()).strip_prefix(b"application/connect+");
    let Some(codec) = codec.and_then(Codec::from_name) else {
        return unsupported_media_type(ACCEPTED);
    };
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    let path = request.uri().path();
    let method = parts.contracts.method(path);
    let json = match (codec, method) {
        (Codec::Proto, _) => None,
        (Codec::Json, Some(method)) => Some(Arc::clone(method)),
        (Codec::Json, None) => return not_found(parts, path),
    };
    if let Some(method) = method {
        if !method.client_streaming && !method.server_streaming {
            return unsupported_media_type(super::unary::ACCEPTED);
        }
        let both_ways = method.client_streaming && method.server_streaming;
        if both_ways && request.version() < Version::HTTP_2 {
            // Neither side could read the other's first message before its own last.
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Arrival::Answered(response);
        }
    }

    let (mut head, body) = request.into_parts();
    let compression = take_headers(&mut head.headers).and_then(|()| {
        let name = head.headers.remove(CONTENT_ENCODING);
        let accepted = head.headers.remove(ACCEPT_ENCODING);
        Compression::read(name.as_ref().map(HeaderValue::as_bytes), accepted.as_ref())
    });
    let compression = match compression {
        Ok(compression) => compression,
        Err(status) => {
            let response = status.into_http::<Body>();
            return Arrival::Answered(respond(parts, codec, None, response));
        }
    };
    metadata::into_grpc(&mut head);
    let (body, json) = match json {
        None => {
            compression.write(&mut head.headers);
            (body, None)
        }
        Some(method) => {
            let limit = parts.max_message_bytes;
            let encoding = compression.request;
            let requests = json::Requests { method: Arc::clone(&method), encoding, limit };
            let encoding = compression.response;
            let body = Body::new(json::RequestStream::new(body, requests));
            (body, Some(json::Responses { method, encoding }))
        }
    };
    let request = Request::from_parts(head, body);
    Arrival::Call { request, answer: answer(Arc::clone(parts), codec, method.is_none(), json) }
}

fn answer(parts: Arc<Parts>, codec: Codec, unknown: bool, json: Option<json::Responses>) -> Answer {
    Box::new(move |response| {
        let code = status::code_of(response.headers());
        let response = match code {
            Some(tonic::Code::Unimplemented) if unknown => {
                let status = status::read(response.headers());
                let status = status.unwrap_or_else(|| Status::unimplemented(""));
                let mut response =
                    super::error::response(&parts.contracts, &status, HeaderMap::new());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
            _ => respond(&parts, codec, json, response),
        };
        Box::pin(std::future::ready(response))
    })
}

/// Makes Connect's response of gRPC's.
fn respond(
    parts: &Arc<Parts>,
    codec: Codec,
    json: Option<json::Responses>,
    response: Response<Body>,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let mut encoding = head.headers.remove(GRPC_ENCODING);
    if let Some(json) = &json {
        encoding = json.encoding.map(|encoding| encoding.header_value());
    }
    let body = match status::read(&head.headers) {
        // A response that is nothing but trailers: its metadata stays where it is.
        Some(status) => {
            let end = end_of_stream(&parts.contracts, status::trailers(&status));
            Body::new(http_body_util::Full::from(end))
        }
        None => {
            let parts = Arc::clone(parts);
            let end = move |trailers| end_of_stream(&parts.contracts, trailers);
            let ending = Ending::Frame(Box::new(end));
            Body::new(StreamedAnswer::new(body, json, Form::Binary, ending))
        }
    };
    metadata::strip_response(&mut head.headers);
    let content_type = match codec {
        Codec::Proto => "application/connect+proto",
        Codec::Json => "application/connect+json",
    };
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(encoding) = encoding {
        head.headers.insert(CONTENT_ENCODING, encoding);
    }
    head.status = StatusCode::OK;
    Response::from_parts(head, body)
}
