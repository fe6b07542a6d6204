//! Headers between gRPC and the protocols that become gRPC.

use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use tonic::Status;

use crate::layers::compression::Encoding;

pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(crate) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Headers that are about a connection.
pub(crate) const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers that are about the body as it was, or about gRPC itself. Neither is metadata.
const NOT_METADATA: [HeaderName; 10] = [
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    GRPC_ACCEPT_ENCODING,
    GRPC_ENCODING,
    HOST,
    TE,
    TRAILER,
];

/// Makes gRPC's headers of a request's. Its metadata stays; what had another meaning has been read
/// by now.
pub(crate) fn into_grpc_headers(headers: &mut HeaderMap) {
    let options = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    // What they name is for this connection alone, too (RFC 9110, section 7.6.1).
    let options = options.flat_map(|options| options.split(','));
    let named: Vec<_> = options.filter_map(|name| name.trim().parse().ok()).collect();
    for name in named.iter().chain(&OF_CONNECTIONS).chain(&NOT_METADATA) {
        headers.remove::<&HeaderName>(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Makes a request's head one of gRPC.
pub(crate) fn into_grpc(parts: &mut Parts) {
    into_grpc_headers(&mut parts.headers);
    parts.method = Method::POST;
    parts.version = Version::HTTP_2;
    if parts.uri.query().is_some() {
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        let path = uri.path_and_query.as_ref().map(PathAndQuery::path).unwrap_or_default();
        uri.path_and_query = PathAndQuery::try_from(path).ok();
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
    }
}

/// Takes away what a gRPC response says about itself, so that metadata is left.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    for name in [
        CONTENT_TYPE,
        CONTENT_LENGTH,
        TRAILER,
        GRPC_ENCODING,
        GRPC_ACCEPT_ENCODING,
        Status::GRPC_STATUS,
        Status::GRPC_MESSAGE,
        Status::GRPC_STATUS_DETAILS,
    ] {
        headers.remove(name);
    }
}

/// What an encoding's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    /// How the request's messages are compressed.
    pub(crate) request: Option<Encoding>,
    /// How the response's may be: as the request, if the client takes that.
    pub(crate) response: Option<Encoding>,
}

impl Compression {
    /// Reads the name of the request's encoding, and the list of those that the client takes,
    /// which without a list is the request's.
    ///
    /// # Errors
    /// UNIMPLEMENTED, with the names of those we know.
    pub(crate) fn read(
        name: Option<&[u8]>,
        accepted: Option<&HeaderValue>,
    ) -> Result<Self, Status> {
        let request = match name {
            None | Some(b"" | b"identity") => None,
            Some(name) => Some(Encoding::from_name(name).ok_or_else(|| {
                let name = String::from_utf8_lossy(name);
                Status::unimplemented(format!(
                    "encoding {name:?} is not supported; identity, gzip and zstd are"
                ))
            })?),
        };
        let response = request.filter(|encoding| {
            accepted.is_none_or(|list| {
                list.as_bytes().split(|byte| *byte == b',').any(|item| {
                    let mut item = item.split(|byte| *byte == b';');
                    let name = item.next().unwrap_or_default().trim_ascii();
                    name == encoding.name().as_bytes()
                        && !item.any(|parameter| is_zero_weight(parameter.trim_ascii()))
                })
            })
        });
        Ok(Self { request, response })
    }

    /// Has the layers further in do it, on messages that pass as they are.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        if let Some(encoding) = self.request {
            headers.insert(GRPC_ENCODING, encoding.header_value());
        }
        if let Some(encoding) = self.response {
            headers.insert(GRPC_ACCEPT_ENCODING, encoding.header_value());
        }
    }
}

/// RFC 9110, section 12.4.2: what has weight 0 is not acceptable.
fn is_zero_weight(parameter: &[u8]) -> bool {
    parameter
        .strip_prefix(b"q=")
        .is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

/// `grpc-timeout` for a number of milliseconds of at most ten digits.
pub(crate) fn timeout_of_millis(digits: &[u8]) -> Option<HeaderValue> {
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = digits.iter().fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0'));
    let timeout = match millis {
        // gRPC has eight digits.
        0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", Duration::from_millis(millis).as_secs()),
    };
    HeaderValue::try_from(timeout).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_of_the_connection_is_no_metadata() {
        let request = http::Request::get("/a/b?c")
            .header("host", "test")
            .header("connection", "keep-alive, x-hop")
            .header("connection", "X-Other")
            .header("x-hop", "1")
            .header("x-other", "1")
            .header("x-data-bin", "AAE=");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        into_grpc(&mut head);
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "te", "x-data-bin"]);
        assert_eq!((head.method, head.uri.to_string()), (Method::POST, "/a/b".to_owned()));
    }

    #[test]
    fn timeouts_keep_their_length() {
        assert_eq!(timeout_of_millis(b"0").unwrap(), "0m");
        assert_eq!(timeout_of_millis(b"99999999").unwrap(), "99999999m");
        assert_eq!(timeout_of_millis(b"100000000").unwrap(), "100000S");
        assert_eq!(timeout_of_millis(b"9999999999").unwrap(), "9999999S");
        for bad in ["", "-1", "1s", "12345678901", "+5", " 5"] {
            assert_eq!(timeout_of_millis(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn the_response_is_compressed_as_the_request_if_the_client_takes_it() {
        let read = |name: &'static str, accepted: Option<&'static str>| {
            let accepted = accepted.map(HeaderValue::from_static);
            let read = Compression::read(Some(name.as_bytes()), accepted.as_ref());
            read.map(|read| (read.request, read.response)).map_err(|status| status.code())
        };
        let gzip = Some(Encoding::Gzip);
        assert_eq!(read("gzip", None), Ok((gzip, gzip)));
        assert_eq!(read("gzip", Some("br, gzip;q=0.5")), Ok((gzip, gzip)));
        assert_eq!(read("gzip", Some("zstd")), Ok((gzip, None)));
        assert_eq!(read("gzip", Some("gzip;q=0, zstd")), Ok((gzip, None)));
        assert_eq!(read("identity", Some("gzip")), Ok((None, None)));
        assert_eq!(read("", Some("gzip")), Ok((None, None)));
        assert_eq!(read("br", Some("gzip")), Err(tonic::Code::Unimplemented));
    }
}
