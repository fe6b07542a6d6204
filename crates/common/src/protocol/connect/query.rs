//! The query of Connect's GET.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::Uri;
use percent_encoding::percent_decode_str;
use tonic::Status;

/// The alphabet of RFC 4648, section 5, with padding or without.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a GET says in its query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) message: Vec<u8>,
    pub(super) encoding: Vec<u8>,
    pub(super) compression: Option<Vec<u8>>,
    pub(super) version: Option<Vec<u8>>,
}

/// Whether the query is one of Connect's, as far as its parameters' names and version tell.
pub(crate) fn is_get(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let has = |name: &str| pairs(query).any(|(key, _)| key == name);
    has("connect") || (has("encoding") && has("message"))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

impl Query {
    /// Reads a query. Of a parameter that comes twice the first counts, and those that are not
    /// Connect's are passed over.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when there is no message, or none in the base64 that is said to be there.
    pub(super) fn read(query: &str) -> Result<Self, Status> {
        let mut read = Self::default();
        let (mut message, mut encoding, mut base64) = (None, None, None);
        for (name, value) in pairs(query) {
            let place = match name {
                "message" => &mut message,
                "encoding" => &mut encoding,
                "base64" => &mut base64,
                "compression" => &mut read.compression,
                "connect" => &mut read.version,
                _ => continue,
            };
            place.get_or_insert_with(|| decode(value));
        }
        let message = message.ok_or_else(|| missing("message"))?;
        read.encoding = encoding.ok_or_else(|| missing("encoding"))?;
        read.message = match base64.as_deref() {
            Some(b"1") => URL_SAFE.decode(message).map_err(|_| {
                Status::invalid_argument("query parameter message is not URL-safe base64")
            })?,
            _ => message,
        };
        Ok(read)
    }
}

fn missing(name: &str) -> Status {
    Status::invalid_argument(format!("query parameter {name} is missing"))
}

/// As forms are encoded: a space may be a plus sign.
fn decode(value: &str) -> Vec<u8> {
    match value.contains('+') {
        true => percent_decode_str(&value.replace('+', " ")).collect(),
        false => percent_decode_str(value).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_any_order_and_passes_over_what_it_does_not_know() {
        let read =
            Query::read("x=1&message=%7B%22a%22%3A+1%7D&y&encoding=json&connect=v1").unwrap();
        assert_eq!(read.message, br#"{"a": 1}"#);
        assert_eq!(read.encoding, b"json");
        assert_eq!(read.version.unwrap(), b"v1");
        assert_eq!(read.compression, None);
    }

    #[test]
    fn base64_is_url_safe_with_padding_or_without() {
        for message in ["-_8", "-_8%3D", "-_8="] {
            let query = format!("encoding=proto&base64=1&message={message}");
            assert_eq!(Query::read(&query).unwrap().message, [0xfb, 0xff]);
        }
        let plain = Query::read("encoding=json&base64=0&message=-_8").unwrap();
        assert_eq!(plain.message, b"-_8");
        assert!(Query::read("encoding=proto&base64=1&message=%ff").is_err());
    }

    #[test]
    fn a_message_may_be_empty_but_not_missing() {
        assert_eq!(Query::read("encoding=proto&message=").unwrap().message, b"");
        assert!(Query::read("encoding=proto").is_err());
        assert!(Query::read("message=").is_err());
    }
}
