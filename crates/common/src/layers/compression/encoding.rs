use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What we tell the other side that we decompress.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,zstd");

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// gzip, RFC 1952, at level 6. Every gRPC implementation knows it.
    Gzip,
    /// Zstandard, RFC 8878, at level 3: faster and smaller than gzip, known to fewer.
    Zstd,
}

impl Encoding {
    /// Its name in `grpc-encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) const fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The encoding of that name, if it is one that we know.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Takes `grpc-encoding` from the headers: `None` where messages are not compressed.
///
/// # Errors
/// The name of an encoding that we do not know.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Encoding>, HeaderValue> {
    let Some(name) = headers.remove(GRPC_ENCODING) else {
        return Ok(None);
    };
    match Encoding::from_name(name.as_bytes()) {
        None if name != "identity" => Err(name),
        encoding => Ok(encoding),
    }
}

/// Those encodings of `grpc-accept-encoding` that we know, in the order of the header.
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Encoding> {
    headers
        .get_all(GRPC_ACCEPT_ENCODING)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| Encoding::from_name(name.trim_ascii()))
}
