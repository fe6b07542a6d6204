//! Headers both ways: HTTP's become metadata, metadata becomes HTTP's.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use tonic::Status;

use super::error::bad_field;
use crate::layers::deadline::timeout;
use crate::protocol::metadata::{self, GRPC_TIMEOUT};

const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// Makes the headers of a gRPC request of those of another.
///
/// # Errors
/// A timeout that is none.
pub(super) fn inbound(headers: &mut HeaderMap) -> Result<(), Status> {
    let timeout = asked_timeout(headers)?;
    // What they say of gRPC's messages cannot be true.
    remove_grpc(headers);
    metadata::into_grpc_headers(headers);
    if let Some(timeout) = timeout {
        headers.insert(GRPC_TIMEOUT, timeout::format(timeout));
    }
    Ok(())
}

/// The shorter of `Grpc-Timeout`, as gRPC has it, and `X-Request-Timeout`, in seconds or with a
/// unit.
fn asked_timeout(headers: &mut HeaderMap) -> Result<Option<Duration>, Status> {
    let grpc = match headers.remove(GRPC_TIMEOUT) {
        None => None,
        Some(value) => Some(timeout::parse(&value).ok_or_else(|| {
            bad_field(
                "header",
                "grpc-timeout",
                "expected digits and one of H M S m u n, as in 250m",
            )
        })?),
    };
    let request = match headers.remove(REQUEST_TIMEOUT) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(duration).ok_or_else(|| {
            bad_field("header", "x-request-timeout", "expected seconds, or a unit as in 250ms")
        })?),
    };
    Ok(match (grpc, request) {
        (Some(grpc), Some(request)) => Some(grpc.min(request)),
        (grpc, request) => grpc.or(request),
    })
}

/// `3`, `1.5`, `250ms`, `30s`, `5m` or `1h`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, unit) = text.split_at_checked(end)?;
    let scale = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let amount: f64 = amount.parse().ok()?;
    Duration::try_from_secs_f64(amount * scale).ok()
}

/// What of gRPC's headers or trailers is metadata: all but what says how messages are carried.
pub(super) fn outbound(headers: &mut HeaderMap) {
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
    remove_grpc(headers);
}

/// Adds the metadata of the end to that of the beginning, which may have the same names.
pub(super) fn append(headers: &mut HeaderMap, trailers: &HeaderMap) {
    for (name, value) in trailers {
        headers.append(name.clone(), value.clone());
    }
}

fn remove_grpc(headers: &mut HeaderMap) {
    let own = |name: &&HeaderName| name.as_str().starts_with("grpc-");
    let own: Vec<_> = headers.keys().filter(own).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn metadata_passes_and_carriage_does_not() {
        let mut headers = map(&[
            ("authorization", "Bearer x"),
            ("x-data-bin", "AAE="),
            ("if-none-match", "\"1\""),
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("host", "a"),
            ("grpc-encoding", "gzip"),
            ("grpc-status", "0"),
        ]);
        inbound(&mut headers).unwrap();
        let expected = map(&[
            ("authorization", "Bearer x"),
            ("x-data-bin", "AAE="),
            ("if-none-match", "\"1\""),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn the_shorter_timeout_counts() {
        for (headers, timeout) in [
            (map(&[("grpc-timeout", "2S")]), Some("2000000u")),
            (map(&[("x-request-timeout", "1.5")]), Some("1500000u")),
            (map(&[("x-request-timeout", "250ms"), ("grpc-timeout", "1S")]), Some("250000u")),
            (map(&[("x-request-timeout", "1m"), ("grpc-timeout", "1S")]), Some("1000000u")),
            (map(&[]), None),
        ] {
            let mut headers = headers;
            inbound(&mut headers).unwrap();
            let got = headers.get(GRPC_TIMEOUT).map(|value| value.to_str().unwrap());
            let parse = |text: &str| timeout::parse(&HeaderValue::from_str(text).unwrap()).unwrap();
            assert_eq!(got.map(parse), timeout.map(parse));
        }
        for bad in [
            map(&[("grpc-timeout", "soon")]),
            map(&[("x-request-timeout", "soon")]),
            map(&[("x-request-timeout", "-1")]),
            map(&[("x-request-timeout", "1d")]),
            map(&[("x-request-timeout", "")]),
        ] {
            assert!(inbound(&mut bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn of_a_response_the_metadata_is_left() {
        let mut headers = map(&[
            ("content-type", "application/grpc"),
            ("grpc-status", "0"),
            ("grpc-encoding", "identity"),
            ("etag", "\"2\""),
        ]);
        outbound(&mut headers);
        assert_eq!(headers, map(&[("etag", "\"2\"")]));
    }
}
