//! Connect.

use ahoy::status;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use serde_json::Value;
use tonic::body::Body;
use tonic::{Code, Status};

use super::Seen;
use super::call::{self, Call};
use super::codec::{Codec, Encoding};
use super::frames::Frames;
use crate::conformance::proto;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const STREAM_ACCEPT: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// The flag of the frame that ends a stream.
const END: u8 = 0b10;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const CODES: [(&str, Code); 16] = [
    ("canceled", Code::Cancelled),
    ("unknown", Code::Unknown),
    ("invalid_argument", Code::InvalidArgument),
    ("deadline_exceeded", Code::DeadlineExceeded),
    ("not_found", Code::NotFound),
    ("already_exists", Code::AlreadyExists),
    ("permission_denied", Code::PermissionDenied),
    ("resource_exhausted", Code::ResourceExhausted),
    ("failed_precondition", Code::FailedPrecondition),
    ("aborted", Code::Aborted),
    ("out_of_range", Code::OutOfRange),
    ("unimplemented", Code::Unimplemented),
    ("internal", Code::Internal),
    ("unavailable", Code::Unavailable),
    ("data_loss", Code::DataLoss),
    ("unauthenticated", Code::Unauthenticated),
];

fn value(text: &str) -> Result<HeaderValue, Status> {
    HeaderValue::from_str(text).map_err(|error| Status::internal(error.to_string()))
}

fn add_timeout(call: &Call, headers: &mut HeaderMap) {
    if let Some(millis) = call.timeout() {
        headers.insert(TIMEOUT, millis.into());
    }
}

/// A unary call's request, with its body.
pub(super) fn unary_request(
    call: &Call,
    message: &prost_types::Any,
) -> Result<(Request<()>, Bytes), Status> {
    let codec = &call.codec;
    let bytes = codec.encode(message)?;
    let mut head = call.head();
    add_timeout(call, head.headers_mut());
    head.headers_mut().insert(ACCEPT_ENCODING, value("gzip, zstd")?);
    if !call.request.use_get_http_method {
        let headers = head.headers_mut();
        headers.insert(VERSION, value("1")?);
        headers.insert(CONTENT_TYPE, value(&format!("application/{}", codec.name()))?);
        if let Some(encoding) = codec.encoding {
            headers.insert(CONTENT_ENCODING, value(encoding.name())?);
        }
        return Ok((head, bytes.into()));
    }
    let compression = codec.encoding.map(|encoding| format!("&compression={}", encoding.name()));
    let query = format!(
        "?connect=v1&base64=1{}&encoding={}&message={}",
        compression.unwrap_or_default(),
        codec.name(),
        URL_SAFE_NO_PAD.encode(bytes),
    );
    let uri = format!("{}{query}", head.uri());
    *head.uri_mut() = uri.parse().map_err(|_| Status::internal("no URI"))?;
    *head.method_mut() = Method::GET;
    Ok((head, Bytes::new()))
}

/// The payload of a unary call's response.
pub(super) async fn unary_response(
    call: &Call,
    response: Response<Body>,
    seen: &mut Seen,
) -> Result<proto::ConformancePayload, Status> {
    let (head, mut body) = response.into_parts();
    seen.http_status = Some(head.status.as_u16());
    for (name, value) in &head.headers {
        match name.as_str().strip_prefix("trailer-").map(HeaderName::try_from) {
            Some(Ok(name)) => seen.trailers.append(name, value.clone()),
            _ => seen.headers.append(name, value.clone()),
        };
    }
    let limit = call.codec.limit;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await.transpose()? {
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
        if bytes.len() > limit {
            return Err(super::codec::too_large(bytes.len(), limit));
        }
    }
    let encoding = Encoding::of_response(head.headers.get(CONTENT_ENCODING));
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let content_type = content_type.unwrap_or_default();
    let compressed = |encoding: &Option<Encoding>| encoding.is_some() && !bytes.is_empty();
    if head.status != StatusCode::OK {
        let inferred = status::code_of_http(head.status);
        let error = encoding.and_then(|encoding| {
            let compressed = compressed(&encoding);
            call.codec.decompress(bytes.clone().into(), compressed, encoding)
        });
        let error = error.ok().filter(|_| content_type.starts_with(b"application/json"));
        let error = error.and_then(|error| serde_json::from_slice(&error).ok());
        return Err(error_of(&error.unwrap_or(Value::Null), inferred));
    }
    check_type(content_type, b"application/", call.codec.name())?;
    let encoding = encoding?;
    let compressed = compressed(&encoding);
    let plain = call.codec.decompress(bytes.into(), compressed, encoding)?;
    call.codec.decode(&plain)
}

fn check_type(content_type: &[u8], family: &[u8], codec: &str) -> Result<(), Status> {
    match content_type.strip_prefix(family) {
        Some(found) if found == codec.as_bytes() => Ok(()),
        found => {
            let code = if found.is_some() { Code::Internal } else { Code::Unknown };
            let content_type = String::from_utf8_lossy(content_type);
            Err(Status::new(code, format!("response of type {content_type:?}")))
        }
    }
}

/// The status that an error in JSON says, as far as it says one.
fn error_of(error: &Value, inferred: Code) -> Status {
    let name = error.get("code").and_then(Value::as_str);
    let code = name.and_then(|name| CODES.iter().find(|(known, _)| *known == name));
    let code = code.map_or(inferred, |(_, code)| *code);
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let details = details.filter_map(|detail| {
        let name = detail.get("type")?.as_str()?;
        let value = BASE64.decode(detail.get("value")?.as_str()?).ok()?;
        Some(prost_types::Any { type_url: format!("type.googleapis.com/{name}"), value })
    });
    let details: Vec<_> = details.collect();
    let rich = tonic_types::pb::Status { code: code as i32, message: message.into(), details };
    Status::with_details(code, message, rich.encode_to_vec().into())
}

pub(super) fn stream_head(call: &Call) -> Result<Request<()>, Status> {
    let mut head = call.head();
    let headers = head.headers_mut();
    headers.insert(VERSION, value("1")?);
    headers.insert(CONTENT_TYPE, value(&format!("application/connect+{}", call.codec.name()))?);
    headers.insert(STREAM_ACCEPT, value("gzip, zstd")?);
    if let Some(encoding) = call.codec.encoding {
        headers.insert(STREAM_ENCODING, value(encoding.name())?);
    }
    add_timeout(call, headers);
    Ok(head)
}

/// The response of a call that has a stream.
pub(super) struct StreamReplies<'a> {
    codec: &'a Codec,
    encoding: Option<Encoding>,
    frames: Frames,
    trailers: HeaderMap,
}

impl<'a> StreamReplies<'a> {
    pub(super) fn new(
        call: &'a Call,
        response: Response<Body>,
        seen: &mut Seen,
    ) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        seen.http_status = Some(head.status.as_u16());
        seen.headers = head.headers.clone();
        if head.status != StatusCode::OK {
            return Err(status::of_http(head.status));
        }
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let content_type = content_type.unwrap_or_default();
        check_type(content_type, b"application/connect+", call.codec.name())?;
        let encoding = Encoding::of_response(head.headers.get(STREAM_ENCODING))?;
        let frames = Frames::new(body, call.codec.limit);
        Ok(Self { codec: &call.codec, encoding, frames, trailers: HeaderMap::new() })
    }

    fn end(&mut self, text: &[u8]) -> Result<Option<Bytes>, Status> {
        let end: Value = serde_json::from_slice(text)
            .map_err(|error| Status::internal(format!("end of stream is no JSON: {error}")))?;
        let metadata = end.get("metadata").and_then(Value::as_object).into_iter().flatten();
        for (name, values) in metadata {
            for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value))
                {
                    self.trailers.append(name, value);
                }
            }
        }
        match end.get("error") {
            None | Some(Value::Null) => Ok(None),
            Some(error) => Err(error_of(error, Code::Unknown)),
        }
    }
}

impl call::Replies for StreamReplies<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((flags, bytes)) = self.frames.next().await? else {
            return Err(Status::internal("the stream ended without an end"));
        };
        let plain = self.codec.decompress(bytes, flags & 1 == 1, self.encoding)?;
        match flags & END {
            0 => Ok(Some(plain)),
            _ => self.end(&plain),
        }
    }

    fn trailers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.trailers)
    }
}
