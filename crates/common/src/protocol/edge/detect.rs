//! Which protocol a request speaks.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request};

use crate::protocol::connect;
use crate::protocol::contracts::Contracts;

/// The protocols of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `application/grpc`, also with `+proto`.
    Grpc,
    /// `application/grpc+json`.
    GrpcJson,
    /// `application/grpc-web` and `application/grpc-web-text`, also with a codec.
    GrpcWeb,
    /// Connect's POST of one message, its GET, and its streams.
    Connect(connect::Shape),
    /// What is left.
    Other,
}

impl Protocol {
    /// As the access log calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Grpc | Self::GrpcJson => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Connect(_) => "connect",
            Self::Other => "rest",
        }
    }
}

pub(super) fn detect<B>(request: &Request<B>, contracts: &Contracts) -> Protocol {
    let content_type = media_type(request.headers());
    if let Some(rest) = content_type.strip_prefix(b"application/grpc") {
        return match rest {
            b"+json" => Protocol::GrpcJson,
            b"-web" | b"-web-text" => Protocol::GrpcWeb,
            [b'+', ..] | [] => Protocol::Grpc,
            _ if rest.starts_with(b"-web+") || rest.starts_with(b"-web-text+") => Protocol::GrpcWeb,
            _ => Protocol::Other,
        };
    }
    if content_type.starts_with(b"application/connect+") {
        return Protocol::Connect(connect::Shape::Stream);
    }
    let says_connect = request.headers().contains_key(connect::PROTOCOL_VERSION);
    if says_connect || content_type == b"application/proto" {
        match *request.method() {
            Method::POST => return Protocol::Connect(connect::Shape::Post),
            // A GET says so in its query; only a browser's preflight has the header without it.
            Method::OPTIONS => {}
            _ => return Protocol::Connect(connect::Shape::Get),
        }
    }
    if request.method() == Method::GET
        && connect::is_get(request.uri())
        && contracts.method(request.uri().path()).is_some()
    {
        return Protocol::Connect(connect::Shape::Get);
    }
    Protocol::Other
}

/// What `content-type` says, without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if value == b"application/grpc" {
        // As nearly all of them say it.
        return value;
    }
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii()
}
