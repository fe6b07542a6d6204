//! The [Connect protocol][spec] in, gRPC out.
//!
//! A call of one message each way is an ordinary request and response: the body is the message,
//! errors are JSON with an HTTP status, and a method without side effects can be a GET. All other
//! calls have their messages in gRPC's frames, and a last frame with a JSON object in the place
//! of trailers.
//!
//! [spec]: https://connectrpc.com/docs/protocol

mod body;
mod error;
mod query;
mod stream;
mod unary;

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tonic::Status;

use super::edge::{Arrival, Parts};
use super::metadata::{self, GRPC_TIMEOUT};
use crate::body::Body;

pub(crate) use query::is_get;

/// Tells Connect's unary requests from others of the same content type.
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

const TIMEOUT_MS: HeaderName = HeaderName::from_static("connect-timeout-ms");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// The three ways in which Connect makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One message, which is the body.
    Post,
    /// One message, which is in the query.
    Get,
    /// Messages in frames.
    Stream,
}

/// Takes a request that says it is Connect's.
pub(crate) fn accept(shape: Shape, parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    match shape {
        Shape::Post => unary::post(parts, request),
        Shape::Get => unary::get(parts, request),
        Shape::Stream => stream::accept(parts, request),
    }
}

/// Makes gRPC's deadline of Connect's, and takes Connect's own headers away.
///
/// # Errors
/// INVALID_ARGUMENT for a version or a timeout that the protocol does not have.
fn take_headers(headers: &mut HeaderMap) -> Result<(), Status> {
    if let Some(version) = headers.remove(PROTOCOL_VERSION)
        && version != "1"
    {
        let message = format!("connect-protocol-version must be \"1\", not {version:?}");
        return Err(Status::invalid_argument(message));
    }
    headers.remove(GRPC_TIMEOUT);
    if let Some(millis) = headers.remove(TIMEOUT_MS) {
        let timeout = metadata::timeout_of_millis(millis.as_bytes()).ok_or_else(|| {
            Status::invalid_argument(format!(
                "connect-timeout-ms must be at most ten digits, not {millis:?}"
            ))
        })?;
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Ok(())
}

/// The answer to a content type that the method is not called with.
fn unsupported_media_type(accepted: &'static str) -> Arrival {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(accepted));
    Arrival::Answered(response)
}

/// The answer to a verb that the method is not called with.
fn method_not_allowed(allowed: &'static str) -> Arrival {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    Arrival::Answered(response)
}

/// The answer to a path that is no method: an error in JSON, and the HTTP status that clients
/// which do not read it take for UNIMPLEMENTED too.
fn not_found(parts: &Parts, path: &str) -> Arrival {
    let status = Status::unimplemented(format!("{path} is not served here"));
    let mut response = error::response(&parts.contracts, &status, HeaderMap::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Arrival::Answered(response)
}

fn json_type() -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static("application/json"))
}
