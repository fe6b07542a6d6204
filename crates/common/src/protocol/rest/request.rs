//! The body of a request: HTTP's in, gRPC's messages out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use formats::json::{self, JsonError, ReadOptions, Splitter};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;

use super::error::bad_field;
use super::route::{RequestBody, Route};
use crate::body::Body;
use crate::layers::compression::{CodecError, Encoding, decompress};
use crate::protocol::frame::{self, HEADER_LEN};

/// How much of a stream's messages is made at once, in bytes.
const BATCH: usize = 32 * 1024;

/// Makes messages of JSON or of bytes.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) route: Arc<Route>,
    pub(super) options: ReadOptions,
    /// What the path and the query hold, which each message gets.
    pub(super) fields: Vec<u8>,
    /// The content type of bytes.
    pub(super) content_type: String,
    /// The longest message, in bytes, in JSON as in protobuf.
    pub(super) limit: usize,
}

impl Messages {
    /// Appends the message that `body` holds, framed.
    ///
    /// # Errors
    /// INVALID_ARGUMENT that says what is wrong and where, RESOURCE_EXHAUSTED for one too long.
    pub(super) fn append(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        match &self.route.body {
            RequestBody::None => {}
            // A body that is empty is one of defaults.
            RequestBody::Message | RequestBody::Field(..) if body.is_empty() => {}
            RequestBody::Message => {
                json::to_wire(&self.route.method.input, body, &self.options, out)
                    .map_err(|error| bad_json(&error))?;
            }
            RequestBody::Field(field, _) => {
                json::field_to_wire(field, body, &self.options, out)
                    .map_err(|error| bad_json(&error))?;
            }
            RequestBody::Bytes(field) => self.http_body(*field, body, out),
        }
        out.extend_from_slice(&self.fields);
        let length = out.len() - start - HEADER_LEN;
        if length > self.limit {
            return Err(too_long(self.limit));
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(header) = out.get_mut(start..start + HEADER_LEN) {
            header.copy_from_slice(&frame::header(false, length));
        }
        Ok(())
    }

    /// `HttpBody { content_type = 1, data = 2 }`, in the request's field of that number if any.
    fn http_body(&self, field: Option<u32>, data: &[u8], out: &mut Vec<u8>) {
        use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
        let length = |bytes: &[u8]| 1 + encoded_len_varint(bytes.len() as u64) + bytes.len();
        let content_type = self.content_type.as_bytes();
        if let Some(number) = field {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint((length(content_type) + length(data)) as u64, out);
        }
        for (number, bytes) in [(1, content_type), (2, data)] {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }
}

fn bad_json(error: &JsonError) -> Status {
    if error.is_over_limit() {
        return Status::resource_exhausted(format!("body: {error}"));
    }
    let place = match error.position() {
        Some((line, column)) => format!("body, line {line}, column {column}"),
        None => "body".into(),
    };
    bad_field(&place, &error.path(), error.reason())
}

/// A body that is damaged is the request's fault.
fn bad_encoding(error: CodecError) -> Status {
    match error {
        CodecError::Corrupt { .. } => Status::invalid_argument(format!("body: {error}")),
        error => error.into(),
    }
}

fn too_long(limit: usize) -> Status {
    Status::resource_exhausted(format!("a message of more than {limit} bytes"))
}

/// A body of one message, which is the whole of HTTP's.
pub(super) struct One {
    messages: Messages,
    /// HTTP's; none when all of it has been read.
    body: Option<Body>,
    /// How it is compressed.
    encoding: Option<Encoding>,
    first: Bytes,
    more: Vec<u8>,
}

impl One {
    pub(super) fn new(messages: Messages, body: Body, encoding: Option<Encoding>) -> Self {
        Self { messages, body: Some(body), encoding, first: Bytes::new(), more: Vec::new() }
    }

    /// The message of a body that is here as a whole.
    fn frame(&self) -> Result<Bytes, Status> {
        let body = if self.more.is_empty() { &self.first[..] } else { &self.more };
        let plain;
        let body = match self.encoding {
            // What is empty was not compressed, whatever the headers say.
            Some(encoding) if !body.is_empty() => {
                plain = decompress(encoding, body, self.messages.limit).map_err(bad_encoding)?;
                plain.get(HEADER_LEN..).unwrap_or_default()
            }
            _ => body,
        };
        let mut framed = Vec::with_capacity(HEADER_LEN + self.messages.fields.len() + body.len());
        self.messages.append(body, &mut framed)?;
        Ok(framed.into())
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), Status> {
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            if self.more.is_empty() {
                self.more.extend_from_slice(&self.first);
            }
            self.more.extend_from_slice(&chunk);
        }
        match self.first.len().max(self.more.len()) > self.messages.limit {
            true => Err(too_long(self.messages.limit)),
            false => Ok(()),
        }
    }
}

impl HttpBody for One {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            let frame = match body.is_end_stream() {
                true => None,
                false => ready!(Pin::new(body).poll_frame(cx)),
            };
            let failed = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.take(data).err(),
                    Err(_trailers) => None,
                },
                Some(Err(error)) => Some(error),
                None => {
                    this.body = None;
                    let framed = this.frame();
                    (this.first, this.more) = (Bytes::new(), Vec::new());
                    return Poll::Ready(Some(framed.map(Frame::data)));
                }
            };
            if let Some(failed) = failed {
                this.body = None;
                return Poll::Ready(Some(Err(failed)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A body of any number of messages, each made when it is here.
pub(super) struct Many {
    messages: Messages,
    body: Option<Body>,
    /// None for bytes, of which every chunk is a message, and at the end.
    values: Option<Splitter>,
}

impl Many {
    /// `lists`: whether the messages may come as one list of JSON.
    pub(super) fn new(messages: Messages, body: Body, lists: bool) -> Self {
        let values = match messages.route.body {
            RequestBody::Bytes(_) => None,
            RequestBody::Field(_, true) => Some(Splitter::of_values(messages.limit)),
            _ if lists => Some(Splitter::new(messages.limit)),
            _ => Some(Splitter::of_values(messages.limit)),
        };
        Self { messages, body: Some(body), values }
    }

    /// The messages that are here, up to a batch.
    fn here(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(values) = &mut self.values else {
            return Ok(None);
        };
        let mut framed = Vec::new();
        while framed.len() < BATCH {
            let Some(value) = values.next().map_err(|error| bad_json(&error))? else {
                break;
            };
            self.messages.append(value, &mut framed)?;
        }
        Ok(Some(framed).filter(|framed| !framed.is_empty()).map(Bytes::from))
    }

    fn chunk(&mut self, chunk: &[u8]) -> Result<Option<Bytes>, Status> {
        match &mut self.values {
            Some(values) => {
                values.push(chunk);
                self.here()
            }
            None if chunk.is_empty() => Ok(None),
            None => {
                let mut framed = Vec::with_capacity(chunk.len() + 128);
                self.messages.append(chunk, &mut framed)?;
                Ok(Some(framed.into()))
            }
        }
    }

    /// The message that only the end of the body ends.
    fn last(&mut self) -> Result<Option<Bytes>, Status> {
        let last = match self.values.take() {
            Some(values) => values.end().map_err(|error| bad_json(&error))?,
            None => None,
        };
        let Some(last) = last else {
            return Ok(None);
        };
        let mut framed = Vec::new();
        self.messages.append(&last, &mut framed)?;
        Ok(Some(framed.into()))
    }
}

impl HttpBody for Many {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let mut made = this.here();
        loop {
            match made {
                Ok(Some(framed)) => return Poll::Ready(Some(Ok(Frame::data(framed)))),
                Ok(None) => {}
                Err(status) => {
                    this.body = None;
                    this.values = None;
                    return Poll::Ready(Some(Err(status)));
                }
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            made = match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => this.chunk(&chunk),
                    Err(_trailers) => Ok(None),
                },
                Some(Err(error)) => Err(error),
                None => {
                    this.body = None;
                    this.last()
                }
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        // Only the last poll knows whether a value is left.
        false
    }
}
