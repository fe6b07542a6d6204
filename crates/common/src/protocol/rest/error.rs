//! Errors as HTTP: a code, and a `google.rpc.Status` as JSON.

use std::io::Write as _;

use base64::Engine as _;
use bytes::Bytes;
use formats::json::WriteOptions;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::body::Body;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The HTTP code of a status, as `google/rpc/code.proto` has it.
pub(crate) fn http_code(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // nginx's "client closed request", which HTTP itself does not name.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// A request that does not become a call.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) http: StatusCode,
    pub(super) status: Status,
    /// Such as `Allow`.
    pub(super) header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { http, status: Status::new(code, message), header: None }
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn into_response(self, statuses: &StatusWriter) -> Response<Body> {
        let mut response = statuses.response(&self.status, HeaderMap::new());
        *response.status_mut() = self.http;
        response.headers_mut().extend(self.header);
        if self.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // It may go to a client of Connect, which takes what is exactly `application/json` for
            // an error of its own protocol.
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        response
    }
}

/// HTTP 400, when the request says so itself.
impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { http: http_code(status.code()), status, header: None }
    }
}

/// INVALID_ARGUMENT that names the field, in the message and in a `google.rpc.BadRequest`; in the
/// message alone if it is none.
pub(super) fn bad_field(place: &str, field: &str, what: &str) -> Status {
    if field.is_empty() {
        return Status::invalid_argument(format!("{place}: {what}"));
    }
    let message = format!("{place}: {field}: {what}");
    let details = ErrorDetails::with_bad_request_violation(field, what);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Writes statuses as JSON, with the details whose types the contracts know.
#[derive(Debug)]
pub(super) struct StatusWriter {
    any: Option<formats::Message>,
    options: WriteOptions,
}

impl StatusWriter {
    pub(super) fn new(schema: &formats::Schema, options: WriteOptions) -> Self {
        Self { any: schema.message("google.protobuf.Any"), options }
    }

    /// Appends `{"code":…,"message":…,"details":[…]}`.
    pub(super) fn write(&self, status: &Status, out: &mut Vec<u8>) {
        // Writing to a vector does not fail.
        let _ = write!(out, "{{\"code\":{},\"message\":", status.code() as i32);
        let _ = serde_json::to_writer(&mut *out, status.message());
        out.extend_from_slice(b",\"details\":[");
        let encoded = tonic_types::pb::Status::decode(status.details()).unwrap_or_default();
        for (index, detail) in encoded.details.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.detail(detail, out);
        }
        out.extend_from_slice(b"]}");
    }

    fn detail(&self, detail: &prost_types::Any, out: &mut Vec<u8>) {
        let written = self.any.as_ref().is_some_and(|any| {
            formats::json::from_wire(any, &detail.encode_to_vec(), &self.options, out).is_ok()
        });
        if !written {
            // Of a type that the contracts do not have: as it is.
            let value = base64::engine::general_purpose::STANDARD.encode(&detail.value);
            let unknown = serde_json::json!({ "@type": detail.type_url, "value": value });
            let _ = serde_json::to_writer(out, &unknown);
        }
    }

    /// A response that says nothing but this status, with these headers besides its own.
    pub(super) fn response(&self, status: &Status, mut headers: HeaderMap) -> Response<Body> {
        let mut json = Vec::with_capacity(256);
        self.write(status, &mut json);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CONTENT_LENGTH, json.len().into());
        if let Some(delay) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
            // Whole seconds are all that the header has (RFC 9110, 10.2.3).
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let mut response = Response::new(Body::new(Full::new(Bytes::from(json))));
        *response.status_mut() = http_code(status.code());
        *response.headers_mut() = headers;
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prost_reflect::DescriptorPool;

    use super::*;

    fn written(status: &Status) -> serde_json::Value {
        let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
        let writer = StatusWriter::new(&formats::Schema::new(&pool), WriteOptions::default());
        let mut json = Vec::new();
        writer.write(status, &mut json);
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_table() {
        let codes =
            [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        for (code, http) in codes.into_iter().enumerate() {
            assert_eq!(http_code(Code::from_i32(code as i32)).as_u16(), http, "{code}");
        }
    }

    #[test]
    fn a_status_has_its_details() {
        let status = bad_field("query", "book.pages", "\"x\" is no number");
        let expected = serde_json::json!({
            "code": 3,
            "message": "query: book.pages: \"x\" is no number",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": "book.pages", "description": "\"x\" is no number" }],
            }],
        });
        assert_eq!(written(&status), expected);
        let plain = serde_json::json!({ "code": 5, "message": "", "details": [] });
        assert_eq!(written(&Status::not_found("")), plain);
    }

    #[test]
    fn a_detail_of_an_unknown_type_stays_as_it_is() {
        let detail =
            prost_types::Any { type_url: "example.org/lost.v1.T".into(), value: vec![8, 1] };
        let status =
            tonic_types::pb::Status { code: 3, message: String::new(), details: vec![detail] };
        let status = Status::with_details(Code::InvalidArgument, "", status.encode_to_vec().into());
        let expected = serde_json::json!([{ "@type": "example.org/lost.v1.T", "value": "CAE=" }]);
        assert_eq!(written(&status)["details"], expected);
    }
}
