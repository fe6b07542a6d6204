//! Errors and ends of streams, as JSON.

use base64::Engine as _;
use bytes::Bytes;
use formats::json::{WriteOptions, from_wire};
use http::{HeaderMap, Response, StatusCode};
use prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use super::json_type;
use crate::body::Body;
use crate::protocol::contracts::Contracts;
use crate::protocol::frame::{HEADER_LEN, header};
use crate::protocol::metadata;
use crate::status::{self, BASE64};

/// The flag of the frame that ends a stream.
const END_STREAM: u8 = 0b10;

/// An error's name and its HTTP status.
pub(super) fn code(code: Code) -> (&'static str, StatusCode) {
    // Of those that `http` has no name for: nginx's.
    let client_closed_request = || StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
    match code {
        Code::Cancelled => ("canceled", client_closed_request()),
        // A failed call with OK is as unclear as one without any code.
        Code::Ok | Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

fn error(contracts: &Contracts, status: &Status) -> Value {
    let mut error = Map::new();
    error.insert("code".into(), code(status.code()).0.into());
    if !status.message().is_empty() {
        error.insert("message".into(), status.message().into());
    }
    let details = tonic_types::Status::decode(status.details()).unwrap_or_default().details;
    if !details.is_empty() {
        let details = details.iter().map(|any| detail(contracts, any));
        error.insert("details".into(), details.collect());
    }
    Value::Object(error)
}

fn detail(contracts: &Contracts, any: &prost_types::Any) -> Value {
    let name = any.type_url.rsplit_once('/').map_or(any.type_url.as_str(), |(_, name)| name);
    let value = BASE64.encode(&any.value);
    match debug(contracts, name, &any.value) {
        Some(debug) => json!({ "type": name, "value": value, "debug": debug }),
        None => json!({ "type": name, "value": value }),
    }
}

/// A detail for people to read, if the contracts know it.
fn debug(contracts: &Contracts, name: &str, wire: &[u8]) -> Option<Value> {
    let mut text = Vec::new();
    from_wire(&contracts.schema().message(name)?, wire, &WriteOptions::default(), &mut text)
        .ok()?;
    serde_json::from_slice(&text).ok()
}

/// The response of a unary call that failed.
pub(super) fn response(
    contracts: &Contracts,
    status: &Status,
    metadata: HeaderMap,
) -> Response<Body> {
    let text = error(contracts, status).to_string();
    let mut response = Response::new(Body::new(http_body_util::Full::from(text)));
    *response.status_mut() = code(status.code()).1;
    *response.headers_mut() = metadata;
    let (name, value) = json_type();
    response.headers_mut().insert(name, value);
    response
}

/// The last frame of a stream, made of gRPC's trailers.
pub(super) fn end_of_stream(contracts: &Contracts, mut trailers: HeaderMap) -> Bytes {
    let missing = || Status::internal("the call ended without a status");
    let status = status::read(&trailers).unwrap_or_else(missing);
    metadata::strip_response(&mut trailers);
    let mut end = Map::new();
    if status.code() != Code::Ok {
        end.insert("error".into(), error(contracts, &status));
    }
    if !trailers.is_empty() {
        let metadata = trailers.keys().map(|name| {
            let values = trailers.get_all(name).into_iter();
            let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into());
            (name.as_str().to_owned(), Value::Array(values.collect()))
        });
        end.insert("metadata".into(), Value::Object(metadata.collect()));
    }
    let text = Value::Object(end).to_string();
    let mut frame = Vec::with_capacity(HEADER_LEN + text.len());
    frame.extend_from_slice(&header(false, u32::try_from(text.len()).unwrap_or(u32::MAX)));
    if let Some(flags) = frame.first_mut() {
        *flags = END_STREAM;
    }
    frame.extend_from_slice(text.as_bytes());
    Bytes::from(frame)
}
