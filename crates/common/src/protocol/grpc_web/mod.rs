//! gRPC-Web in, gRPC out; and gRPC whose messages are JSON, of which only they are translated.
//!
//! gRPC-Web is gRPC whose trailers are one more frame of the body, since browsers show a page no
//! trailers ([PROTOCOL-WEB][spec]). Its text form is the same in base64, for those that can only
//! read text as it arrives.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md

mod text;
mod trailers;

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::Status;

use super::answer::{Ending, Form, StreamedAnswer};
use super::edge::{Answer, Arrival, Parts, media_type};
use super::json::{self, Codec};
use super::metadata::{self, Compression, GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use crate::body::Body;
use crate::status;
use text::TextBody;

/// A form of gRPC, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flavor {
    web: bool,
    form: Form,
    codec: Codec,
    /// What the answer is called: as the request, with its codec.
    name: &'static str,
}

const FLAVORS: [Flavor; 5] = [
    flavor(true, Form::Binary, Codec::Proto, "application/grpc-web+proto"),
    flavor(true, Form::Binary, Codec::Json, "application/grpc-web+json"),
    flavor(true, Form::Text, Codec::Proto, "application/grpc-web-text+proto"),
    flavor(true, Form::Text, Codec::Json, "application/grpc-web-text+json"),
    flavor(false, Form::Binary, Codec::Json, "application/grpc+json"),
];

const fn flavor(web: bool, form: Form, codec: Codec, name: &'static str) -> Flavor {
    Flavor { web, form, codec, name }
}

impl Flavor {
    fn of(media_type: &[u8]) -> Option<Self> {
        match media_type {
            b"application/grpc-web" => FLAVORS.first().copied(),
            b"application/grpc-web-text" => FLAVORS.get(2).copied(),
            _ => FLAVORS.into_iter().find(|flavor| flavor.name.as_bytes() == media_type),
        }
    }
}

/// Takes a request whose content type is one of gRPC-Web, or `application/grpc+json`.
pub(crate) fn accept(parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    let Some(flavor) = Flavor::of(media_type(request.headers())) else {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    };
    if request.method() != Method::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED);
    }
    let method = parts.contracts.method(request.uri().path());
    if request.version() < Version::HTTP_2 {
        let both_ways = method.is_some_and(|m| m.client_streaming && m.server_streaming);
        if both_ways || !flavor.web {
            return refused(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        }
    }
    let json = match (flavor.codec, method) {
        (Codec::Proto, _) => None,
        (Codec::Json, Some(method)) => Some(Arc::clone(method)),
        (Codec::Json, None) => {
            let path = request.uri().path();
            let status = Status::unimplemented(format!("{path} is not served here"));
            return failed(flavor, &status);
        }
    };

    let (mut head, body) = request.into_parts();
    let names = (head.headers.get(GRPC_ENCODING), head.headers.get(GRPC_ACCEPT_ENCODING));
    let compression = Compression::read(names.0.map(HeaderValue::as_bytes), names.1);
    let compression = match compression {
        Ok(compression) => compression,
        Err(status) => return failed(flavor, &status),
    };
    metadata::into_grpc(&mut head);
    let body = match flavor.form {
        Form::Binary => body,
        Form::Text => Body::new(TextBody::new(body)),
    };
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
    Arrival::Call { request: Request::from_parts(head, body), answer: answer(flavor, json) }
}

/// Makes gRPC-Web's response of gRPC's.
fn answer(flavor: Flavor, json: Option<json::Responses>) -> Answer {
    Box::new(move |response| {
        let (mut head, body) = response.into_parts();
        let is_call = head.status == StatusCode::OK;
        if is_call {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(flavor.name));
        }
        if let Some(encoding) = json.as_ref().and_then(|json| json.encoding) {
            head.headers.insert(GRPC_ENCODING, encoding.header_value());
        }
        // A response that is nothing but trailers has them in its headers, here too.
        let body = if status::code_of(&head.headers).is_some() || !is_call {
            body
        } else {
            let ending = match flavor.web {
                true => Ending::Frame(Box::new(|trailers| trailers::frame(&trailers))),
                false => Ending::Trailers,
            };
            Body::new(StreamedAnswer::new(body, json, flavor.form, ending))
        };
        Box::pin(std::future::ready(Response::from_parts(head, body)))
    })
}

/// A call that ends before it begins.
fn failed(flavor: Flavor, status: &Status) -> Arrival {
    let mut response = Response::new(Body::default());
    *response.headers_mut() = status::trailers(status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(flavor.name));
    Arrival::Answered(response)
}

/// The answer to what is no call.
fn refused(code: StatusCode) -> Arrival {
    let mut response = Response::new(Body::default());
    *response.status_mut() = code;
    if code == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    Arrival::Answered(response)
}
