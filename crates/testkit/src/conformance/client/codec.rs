//! Messages as a call writes them: protobuf or JSON, compressed or not.

use std::io::Read;
use std::sync::LazyLock;

use bytes::Bytes;
use formats::json::{ReadOptions, WriteOptions, from_wire, to_wire};
use prost_reflect::DescriptorPool;
use tonic::Status;

use crate::conformance::{DESCRIPTOR_SET, PACKAGE, proto};

static SCHEMA: LazyLock<formats::Schema> = LazyLock::new(|| {
    formats::Schema::new(&DescriptorPool::decode(DESCRIPTOR_SET).unwrap_or_default())
});

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The encoding that a header of a response names.
    pub(super) fn of_response(name: Option<&http::HeaderValue>) -> Result<Option<Self>, Status> {
        match name.map(http::HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(None),
            Some(b"gzip") => Ok(Some(Self::Gzip)),
            Some(b"zstd") => Ok(Some(Self::Zstd)),
            Some(name) => {
                let name = String::from_utf8_lossy(name);
                Err(Status::internal(format!("response in an unknown encoding, {name:?}")))
            }
        }
    }

    pub(super) fn compress(self, plain: &[u8]) -> Result<Vec<u8>, Status> {
        let written = match self {
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::bufread::GzEncoder::new(plain, level);
                let mut written = Vec::new();
                encoder.read_to_end(&mut written).map(|_| written)
            }
            Self::Zstd => zstd::encode_all(plain, 0),
        };
        written.map_err(|error| Status::internal(error.to_string()))
    }

    pub(super) fn decompress(self, compressed: &[u8], limit: usize) -> Result<Bytes, Status> {
        let bound = (limit as u64).saturating_add(1);
        let mut plain = Vec::new();
        let read = match self {
            Self::Gzip => {
                flate2::bufread::GzDecoder::new(compressed).take(bound).read_to_end(&mut plain)
            }
            Self::Zstd => zstd::Decoder::new(compressed)
                .and_then(|decoder| decoder.take(bound).read_to_end(&mut plain)),
        };
        read.map_err(|error| Status::internal(format!("response is no {}: {error}", self.name())))?;
        match plain.len() <= limit {
            true => Ok(plain.into()),
            false => Err(too_large(plain.len(), limit)),
        }
    }
}

pub(super) fn too_large(len: usize, limit: usize) -> Status {
    Status::resource_exhausted(format!("response of {len} bytes, over the limit of {limit}"))
}

/// How a call's messages are written.
pub(super) struct Codec {
    pub(super) json: bool,
    pub(super) encoding: Option<Encoding>,
    pub(super) limit: usize,
    response: formats::Message,
}

impl Codec {
    pub(super) fn new(request: &proto::ClientCompatRequest) -> Result<Self, String> {
        let json = match request.codec() {
            proto::Codec::Proto => false,
            proto::Codec::Json => true,
            other => return Err(format!("{} is not supported", other.as_str_name())),
        };
        let encoding = match request.compression() {
            proto::Compression::Unspecified | proto::Compression::Identity => None,
            proto::Compression::Gzip => Some(Encoding::Gzip),
            proto::Compression::Zstd => Some(Encoding::Zstd),
            other => return Err(format!("{} is not supported", other.as_str_name())),
        };
        let limit = match request.message_receive_limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let name = format!("{PACKAGE}.{}Response", request.method());
        let response = SCHEMA.message(&name).ok_or(format!("there is no {name}"))?;
        Ok(Self { json, encoding, limit, response })
    }

    pub(super) fn name(&self) -> &'static str {
        if self.json { "json" } else { "proto" }
    }

    /// A request as it goes out, compressed if the call is.
    pub(super) fn encode(&self, message: &prost_types::Any) -> Result<Vec<u8>, Status> {
        let plain = self.plain(message)?;
        match self.encoding {
            Some(encoding) => encoding.compress(&plain),
            None => Ok(plain),
        }
    }

    /// A request before it is compressed.
    pub(super) fn plain(&self, message: &prost_types::Any) -> Result<Vec<u8>, Status> {
        if !self.json {
            return Ok(message.value.clone());
        }
        let name = message.type_url.rsplit('/').next().unwrap_or_default();
        let schema = SCHEMA.message(name);
        let schema = schema.ok_or_else(|| Status::internal(format!("there is no {name}")))?;
        let mut json = Vec::new();
        from_wire(&schema, &message.value, &WriteOptions::default(), &mut json)
            .map_err(|error| Status::internal(error.to_string()))?;
        Ok(json)
    }

    /// Bytes of a response, not compressed any more.
    pub(super) fn decompress(
        &self,
        bytes: Bytes,
        compressed: bool,
        encoding: Option<Encoding>,
    ) -> Result<Bytes, Status> {
        if bytes.len() > self.limit {
            return Err(too_large(bytes.len(), self.limit));
        }
        match (compressed, encoding) {
            (false, _) => Ok(bytes),
            (true, Some(encoding)) => encoding.decompress(&bytes, self.limit),
            (true, None) => Err(Status::internal("compressed response without an encoding")),
        }
    }

    /// The payload of a response.
    pub(super) fn decode(&self, plain: &[u8]) -> Result<proto::ConformancePayload, Status> {
        let mut wire = Vec::new();
        let wire = match self.json {
            false => plain,
            true => {
                let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
                to_wire(&self.response, plain, &options, &mut wire)
                    .map_err(|error| Status::internal(error.to_string()))?;
                &wire
            }
        };
        // Those of all methods look alike.
        let response: proto::UnaryResponse = prost::Message::decode(wire)
            .map_err(|error| Status::internal(format!("response is no message: {error}")))?;
        Ok(response.payload.unwrap_or_default())
    }
}
