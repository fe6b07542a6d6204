//! The one place that turns errors into a gRPC status.

use std::error::Error;
use std::io;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use tonic::{Code, Status};

/// Binary values in metadata: written without padding, read with it or without.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
use crate::http2::{self, By, Reason};

/// The header or trailer that ends a call.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The status code that headers or trailers carry, if they carry one; UNKNOWN when it is not a
/// number of gRPC's.
pub fn code_of(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(GRPC_STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

/// The status that headers or trailers carry, if they carry one, with its details but without
/// metadata. What the peer did not encode well is left out.
pub fn read(headers: &HeaderMap) -> Option<Status> {
    let code = code_of(headers)?;
    let message = headers.get(Status::GRPC_MESSAGE).map(HeaderValue::as_bytes);
    let message = percent_decode(message.unwrap_or_default()).decode_utf8_lossy();
    let details = headers.get(Status::GRPC_STATUS_DETAILS).map(HeaderValue::as_bytes);
    let details = details.and_then(|text| BASE64.decode(text).ok());
    Some(Status::with_details(code, message, details.unwrap_or_default().into()))
}

/// The trailers that end a call with `status`.
pub fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    if status.add_header(&mut trailers).is_err() {
        // The message or the metadata cannot be a header; the code still can.
        trailers.clear();
        trailers.insert(GRPC_STATUS, (status.code() as i32).into());
    }
    trailers
}

/// What a failed read of the peer's half of a call means.
///
/// The codes follow "Errors" in gRPC's HTTP/2 protocol mapping: a reset stream by its HTTP/2
/// error code, a lost connection as UNAVAILABLE.
pub fn of_transport(error: &(dyn Error + 'static)) -> Status {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(status) = current.downcast_ref::<Status>() {
            return Status::with_details(
                status.code(),
                status.message(),
                status.details().to_vec().into(),
            );
        }
        if let Some(error) = current.downcast_ref::<http2::Error>() {
            return of_http2(error);
        }
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Status::unavailable(format!("connection lost: {io}"));
        }
        if let Some(hyper) = current.downcast_ref::<hyper::Error>()
            && (hyper.is_canceled() || hyper.is_incomplete_message() || hyper.is_closed())
        {
            return Status::unavailable("connection closed before the call ended");
        }
        cause = current.source();
    }
    Status::unknown(error.to_string())
}

/// Whether the peer says that it has not seen a call that was sent: it refused the stream, or
/// left it out of those that its GOAWAY promises to serve (RFC 9113, sections 6.8 and 8.7).
pub(crate) fn is_unseen(error: &http2::Error) -> bool {
    use http2::Error::{GoAway, Reset};
    matches!(*error, GoAway(Reason::NO_ERROR, By::Peer) | Reset(Reason::REFUSED_STREAM, By::Peer))
}

/// What a failed read of a request means to the handler.
///
/// A client that cancels is ABORTED rather than CANCELLED: generated code takes CANCELLED from a
/// request stream for its regular end, and a handler would answer half of a request.
pub fn of_request(error: &(dyn Error + 'static)) -> Status {
    if let Some(http2::Error::Reset(Reason::NO_ERROR, _)) = error.downcast_ref() {
        return abandoned();
    }
    if let Some(io) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>())
        && matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    {
        // hyper's word for chunks of HTTP/1.1 that are none.
        return Status::invalid_argument(format!("malformed body: {io}"));
    }
    let status = of_transport(error);
    match status.code() {
        Code::Cancelled => abandoned(),
        _ => status,
    }
}

/// The client ended the call in the middle of its request.
pub(crate) fn abandoned() -> Status {
    Status::aborted("the client cancelled the call")
}

fn of_http2(error: &http2::Error) -> Status {
    let message = error.to_string();
    let (http2::Error::Reset(reason, _) | http2::Error::GoAway(reason, _)) = error else {
        return Status::unavailable(message);
    };
    match *reason {
        // A connection on its way out takes the streams above its last one with it.
        Reason::NO_ERROR if matches!(error, http2::Error::GoAway(..)) => {
            Status::unavailable(message)
        }
        Reason::REFUSED_STREAM => Status::unavailable(message),
        Reason::CANCEL => Status::cancelled(message),
        Reason::ENHANCE_YOUR_CALM => Status::resource_exhausted(message),
        Reason::INADEQUATE_SECURITY => Status::permission_denied(message),
        _ => Status::internal(message),
    }
}

/// The code of an HTTP response that carries no `grpc-status`, by gRPC's table "HTTP to gRPC status
/// code mapping".
pub fn code_of_http(code: http::StatusCode) -> Code {
    match code.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The status of an HTTP response that is not gRPC's.
pub fn of_http(code: http::StatusCode) -> Status {
    let message = format!("the peer answered HTTP {code}, which is not gRPC");
    Status::new(code_of_http(code), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_cannot_be_a_header_keeps_its_code() {
        let status = Status::not_found("two\r\nlines");
        assert_eq!(code_of(&trailers(&status)), Some(Code::NotFound));
    }

    #[test]
    fn no_status_is_no_code_and_a_strange_one_is_unknown() {
        let mut headers = HeaderMap::new();
        assert_eq!(code_of(&headers), None);
        headers.insert(GRPC_STATUS, http::HeaderValue::from_static("seven"));
        assert_eq!(code_of(&headers), Some(Code::Unknown));
    }
}
