//! Header fields as they are used, so that one that comes again is not parsed again.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode};

/// What an entry costs beyond its bytes, in tables and lists (RFC 7541, section 4.1).
pub(crate) const OVERHEAD: usize = 32;

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Method(Method),
    Scheme(Scheme),
    Authority(Authority),
    Path(PathAndQuery),
    Status(StatusCode),
    /// `content-length`.
    Length(u64, HeaderValue),
    Header(HeaderName, HeaderValue),
    /// It can be decoded, but makes its message malformed (RFC 9113, section 8.1.1).
    Malformed,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    Header(HeaderName),
    Malformed,
}

impl Name {
    pub(super) fn new(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":status" => Self::Status,
            // Upper case is malformed, and so are all pseudo-headers that are not known.
            _ => HeaderName::from_lowercase(name).map_or(Self::Malformed, Self::Header),
        }
    }

    /// The field of this name with a value.
    pub(super) fn with(&self, value: &[u8]) -> Field {
        let field = match self {
            Self::Method => Method::from_bytes(value).ok().map(Field::Method),
            Self::Scheme => Scheme::try_from(value).ok().map(Field::Scheme),
            Self::Authority => Authority::try_from(value).ok().map(Field::Authority),
            Self::Path if matches!(value.first(), Some(b'/' | b'*')) => {
                PathAndQuery::try_from(value).ok().map(Field::Path)
            }
            Self::Status => StatusCode::from_bytes(value).ok().map(Field::Status),
            Self::Header(name) => HeaderValue::from_bytes(value)
                .ok()
                .filter(|_| !is_of_connections(name) && (*name != TE || value == b"trailers"))
                .and_then(|value| header(name, value)),
            Self::Path | Self::Malformed => None,
        };
        field.unwrap_or(Field::Malformed)
    }
}

fn header(name: &HeaderName, value: HeaderValue) -> Option<Field> {
    if *name != CONTENT_LENGTH {
        return Some(Field::Header(name.clone(), value));
    }
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    Some(Field::Length(digits.parse().ok()?, value))
}

/// Whether a field says something about a connection, which in HTTP/2 frames do (RFC 9113,
/// section 8.2.2).
pub(super) fn is_of_connections(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || name == "keep-alive"
        || name == "proxy-connection"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_malformed(name: &str, value: &str) -> bool {
        Name::new(name.as_bytes()).with(value.as_bytes()) == Field::Malformed
    }

    #[test]
    fn what_http_2_forbids_is_malformed() {
        for (name, value) in [
            ("Upper", "x"),
            ("", "x"),
            (":strange", "x"),
            (":method", ""),
            (":path", ""),
            (":path", "no/slash"),
            (":path", "/a b"),
            (":status", "20"),
            ("x", "a\r\nb"),
            ("x", "\0"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("content-length", "-5"),
            ("content-length", "+5"),
            ("content-length", ""),
            ("content-length", "99999999999999999999"),
        ] {
            assert!(is_malformed(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn what_it_allows_is_not() {
        for (name, value) in [
            ("te", "trailers"),
            ("x", ""),
            ("x", "\u{e9}"),
            (":path", "*"),
            (":path", "/a?b"),
            (":method", "PATCH"),
            (":authority", "host:80"),
            ("content-length", "5"),
        ] {
            assert!(!is_malformed(name, value), "{name}: {value}");
        }
    }
}
