//! gRPC and gRPC-Web.

use ahoy::status;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, TE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

use super::Seen;
use super::call::{self, Call};
use super::codec::{Codec, Encoding};
use super::frames::Frames;
use crate::conformance::proto;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The flag of gRPC-Web's trailers.
const TRAILERS: u8 = 0x80;

fn is_web(call: &Call) -> bool {
    call.request.protocol() == proto::Protocol::GrpcWeb
}

fn family(call: &Call) -> &'static str {
    if is_web(call) { "application/grpc-web" } else { "application/grpc" }
}

pub(super) fn head(call: &Call) -> Result<Request<()>, Status> {
    let mut head = call.head();
    let headers = head.headers_mut();
    let content_type = format!("{}+{}", family(call), call.codec.name());
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| Status::internal(error.to_string()))
    };
    headers.insert(CONTENT_TYPE, value(&content_type)?);
    if let Some(millis) = call.timeout() {
        let timeout = match millis {
            0..=99_999_999 => format!("{millis}m"),
            _ => format!("{}S", millis / 1_000),
        };
        headers.insert(GRPC_TIMEOUT, value(&timeout)?);
    }
    // The channel writes the rest of gRPC's by itself.
    if is_web(call) {
        if let Some(encoding) = call.codec.encoding {
            headers.insert(GRPC_ENCODING, value(encoding.name())?);
        }
        headers.insert(GRPC_ACCEPT_ENCODING, value("gzip, zstd")?);
    } else {
        headers.insert(TE, value("trailers")?);
    }
    Ok(head)
}

/// A response of either.
pub(super) struct Replies<'a> {
    codec: &'a Codec,
    web: bool,
    encoding: Option<Encoding>,
    frames: Frames,
    headers: HeaderMap,
    any: bool,
    trailers: HeaderMap,
}

impl<'a> Replies<'a> {
    pub(super) fn new(
        call: &'a Call,
        response: Response<Body>,
        seen: &mut Seen,
    ) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        seen.headers = head.headers.clone();
        seen.http_status = Some(head.status.as_u16());
        let headers = head.headers;
        if head.status != StatusCode::OK && !headers.contains_key(status::GRPC_STATUS) {
            return Err(status::of_http(head.status));
        }
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let content_type = content_type.unwrap_or_default();
        let family = family(call).as_bytes();
        let fits = match content_type.strip_prefix(family) {
            Some(b"") => !call.codec.json,
            Some([b'+', codec @ ..]) => codec == call.codec.name().as_bytes(),
            _ => false,
        };
        if !fits {
            let content_type = String::from_utf8_lossy(content_type).into_owned();
            // The channel's own failures are gRPC's, whatever was asked for.
            if let Some(status) = status::read(&headers).filter(|s| s.code() != Code::Ok) {
                return Err(status);
            }
            let message = format!("response of type {content_type:?}");
            let code = match content_type.starts_with("application/grpc") {
                true => Code::Internal,
                false => Code::Unknown,
            };
            return Err(Status::new(code, message));
        }
        let web = is_web(call);
        let encoding = Encoding::of_response(headers.get(GRPC_ENCODING))?;
        Ok(Self {
            codec: &call.codec,
            web,
            encoding,
            frames: Frames::new(body, call.codec.limit),
            headers,
            any: false,
            trailers: HeaderMap::new(),
        })
    }

    /// How the call ended, when the body has.
    fn end(&mut self) -> Result<Option<Bytes>, Status> {
        let status = match self.frames.trailers.take() {
            Some(trailers) if !self.web || trailers.contains_key(status::GRPC_STATUS) => {
                self.trailers = trailers;
                status::read(&self.trailers)
            }
            // A response that is nothing but trailers has them in its headers.
            _ if !self.any => status::read(&self.headers),
            _ => None,
        };
        ok_or(status)
    }
}

fn ok_or(status: Option<Status>) -> Result<Option<Bytes>, Status> {
    match status {
        None => Err(Status::internal("the call ended without a status")),
        Some(status) if status.code() == Code::Ok => Ok(None),
        Some(status) => Err(status),
    }
}

impl call::Replies for Replies<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((flags, bytes)) = self.frames.next().await? else {
            return self.end();
        };
        self.any = true;
        match flags {
            0 | 1 => self.codec.decompress(bytes, flags == 1, self.encoding).map(Some),
            _ if self.web && flags & TRAILERS != 0 => {
                let block = self.codec.decompress(bytes, flags & 1 == 1, self.encoding)?;
                self.trailers = parse(&block);
                ok_or(status::read(&self.trailers))
            }
            _ => Err(Status::internal(format!("frame with flags {flags}"))),
        }
    }

    fn trailers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.trailers)
    }
}

/// Reads trailers from a block of HTTP/1.1 header lines.
fn parse(block: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for line in block.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(at);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.trim_ascii()), HeaderValue::from_bytes(value))
        {
            trailers.append(name, value);
        }
    }
    trailers
}
