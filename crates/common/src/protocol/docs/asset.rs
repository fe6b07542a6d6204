//! Bytes that are served as they are.

use std::hash::{DefaultHasher, Hasher};
use std::io::{Read as _, Write as _};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::body::Body;

/// A file of the docs, plain and compressed, each made when it is first asked for.
#[derive(Debug)]
pub(super) struct Asset {
    content_type: &'static str,
    plain: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
    tag: OnceLock<String>,
}

impl Asset {
    pub(super) fn new(content_type: &'static str, plain: impl Into<Bytes>) -> Self {
        let plain = OnceLock::from(plain.into());
        Self { content_type, plain, gzip: OnceLock::new(), tag: OnceLock::new() }
    }

    pub(super) fn compressed(content_type: &'static str, gzip: impl Into<Bytes>) -> Self {
        let gzip = OnceLock::from(gzip.into());
        Self { content_type, plain: OnceLock::new(), gzip, tag: OnceLock::new() }
    }

    /// Its bytes.
    pub(super) fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| {
            let gzip = self.gzip.get().map(|gzip| gzip.as_ref()).unwrap_or_default();
            let mut plain = Vec::new();
            match GzDecoder::new(gzip).read_to_end(&mut plain) {
                Ok(_) => plain.into(),
                // It was compressed by the build.
                Err(_) => Bytes::new(),
            }
        })
    }

    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            match gzip.write_all(self.plain()).and_then(|()| gzip.finish()) {
                Ok(gzip) => gzip.into(),
                // Nothing fails to be written to memory.
                Err(_) => Bytes::new(),
            }
        })
    }

    /// An entity tag, the same for the same bytes. Each encoding has its own (RFC 9110, 8.8.3.3).
    fn tag(&self, gzip: bool) -> String {
        let tag = self.tag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            let bytes = self.plain.get().or_else(|| self.gzip.get());
            hasher.write(bytes.map(|bytes| bytes.as_ref()).unwrap_or_default());
            format!("{:016x}", hasher.finish())
        });
        if gzip { format!("\"{tag}-gzip\"") } else { format!("\"{tag}\"") }
    }

    /// The answer to a GET or a HEAD.
    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let gzip = takes_gzip(headers);
        let tag = self.tag(gzip);
        let mut response = Response::new(Body::default());
        let set = response.headers_mut();
        set.insert(VARY, HeaderValue::from_static("accept-encoding"));
        set.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            set.insert(ETAG, tag);
        }
        if is_known(headers, &tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        set.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let bytes = if gzip {
            set.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            self.gzip()
        } else {
            self.plain()
        };
        set.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        if *method != Method::HEAD {
            *response.body_mut() = Body::new(Full::new(bytes.clone()));
        }
        response
    }
}

/// Whether the client has the bytes of this tag (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Whether `accept-encoding` takes gzip, by its name or else as anything (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let takes = |wanted: &str| {
        let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|value| value.split(',')).find_map(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = parameters.trim().strip_prefix("q=").map(str::parse::<f32>);
            let refused = matches!(quality, Some(Ok(quality)) if quality <= 0.0);
            name.trim().eq_ignore_ascii_case(wanted).then_some(!refused)
        })
    };
    takes("gzip").or_else(|| takes("*")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http_body_util::BodyExt as _;

    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn a_client_chooses_the_encoding() {
        let asset = Asset::new("text/plain", "hello ".repeat(100));
        let plain = asset.answer(&Method::GET, &HeaderMap::new());
        assert_eq!(plain.headers()[CONTENT_LENGTH], "600");
        let asked = headers(&[(ACCEPT_ENCODING, "br, gzip;q=0.5")]);
        let gzip = asset.answer(&Method::GET, &asked);
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        assert_ne!(gzip.headers()[ETAG], plain.headers()[ETAG]);
        let bytes = gzip.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::new();
        GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
        assert_eq!(text.as_bytes(), plain.into_body().collect().await.unwrap().to_bytes());
        for refused in ["gzip;q=0", "br", "gzip; q=0.0", "", "gzip;q=0, *", "*;q=0"] {
            let answer = asset.answer(&Method::GET, &headers(&[(ACCEPT_ENCODING, refused)]));
            assert!(!answer.headers().contains_key(CONTENT_ENCODING), "{refused}");
        }
    }

    #[test]
    fn what_a_client_has_is_not_sent() {
        let asset = Asset::new("text/plain", "hello");
        let tag = asset.answer(&Method::GET, &HeaderMap::new()).headers()[ETAG].clone();
        let tag = tag.to_str().unwrap();
        for known in [tag, "*", &format!("\"x\", W/{tag}")] {
            let answer = asset.answer(&Method::GET, &headers(&[(IF_NONE_MATCH, known)]));
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
        }
        let answer = asset.answer(&Method::GET, &headers(&[(IF_NONE_MATCH, "\"x\"")]));
        assert_eq!(answer.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_head_has_no_body() {
        let asset = Asset::new("text/plain", "hello");
        let answer = asset.answer(&Method::HEAD, &HeaderMap::new());
        assert_eq!(answer.headers()[CONTENT_LENGTH], "5");
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
