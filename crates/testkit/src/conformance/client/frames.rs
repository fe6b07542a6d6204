//! The frames of a response, whatever their flags.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;

use super::codec::too_large;

const HEADER_LEN: usize = 5;

/// Reads a body frame by frame.
pub(super) struct Frames {
    body: Body,
    buffer: BytesMut,
    limit: usize,
    /// What came after the body.
    pub(super) trailers: Option<HeaderMap>,
}

impl Frames {
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, buffer: BytesMut::new(), limit, trailers: None }
    }

    /// The next frame: its flags and what is in it.
    pub(super) async fn next(&mut self) -> Result<Option<(u8, Bytes)>, Status> {
        loop {
            if let Some((&[flags, a, b, c, d], rest)) = self.buffer.split_first_chunk() {
                let len = u32::from_be_bytes([a, b, c, d]) as usize;
                if len > self.limit {
                    return Err(too_large(len, self.limit));
                }
                if rest.len() >= len {
                    self.buffer.advance(HEADER_LEN);
                    return Ok(Some((flags, self.buffer.split_to(len).freeze())));
                }
            }
            let Some(frame) = self.body.frame().await else {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(Status::internal("response ends in the middle of a message")),
                };
            };
            match frame?.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }
}
