use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use super::body::Work;
use super::encoding::{self, ACCEPTED, GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use super::{DEFAULT_MIN_SIZE, Encoding, MessageBody, MessageCompression};
use crate::protocol::frame::{DEFAULT_MESSAGE_LIMIT, Direction};

/// Compression for a channel.
///
/// Servers are told that they may compress, and what they send is decompressed; a response in an
/// encoding that we do not know becomes INTERNAL. Requests are compressed if a setting says so,
/// and if they are not already: one with `grpc-encoding` passes as it is.
///
/// A [`MessageCompression`] in the extensions of a request decides message by message. Such a
/// request announces the encoding of the setting, and gzip where there is none.
#[derive(Clone, Copy, Debug)]
pub struct OutboundCompressionLayer {
    send: Option<Encoding>,
    min_size: usize,
    message_limit: usize,
    passing: bool,
}

impl Default for OutboundCompressionLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl OutboundCompressionLayer {
    /// Takes compressed responses, sends requests as they are.
    pub const fn new() -> Self {
        Self {
            send: None,
            min_size: DEFAULT_MIN_SIZE,
            message_limit: DEFAULT_MESSAGE_LIMIT,
            passing: false,
        }
    }

    /// Compresses requests; the servers must know the encoding. `None` unless set.
    pub const fn send(mut self, encoding: Option<Encoding>) -> Self {
        self.send = encoding;
        self
    }

    /// Sends messages shorter than this many bytes as they are; [`DEFAULT_MIN_SIZE`] unless set.
    pub const fn min_size(mut self, bytes: usize) -> Self {
        self.min_size = bytes;
        self
    }

    /// Refuses compressed messages that are, before or after they are decompressed, longer than
    /// this many bytes; [`DEFAULT_MESSAGE_LIMIT`] unless set.
    pub const fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// Lets all pass as it is, and offers nothing of its own: what is compressed is between those
    /// at both ends. Off unless set.
    pub const fn passing(mut self, yes: bool) -> Self {
        self.passing = yes;
        self
    }
}

impl<S> Layer<S> for OutboundCompressionLayer {
    type Service = OutboundCompression<S>;

    fn layer(&self, inner: S) -> OutboundCompression<S> {
        OutboundCompression { inner, settings: *self }
    }
}

/// See [`OutboundCompressionLayer`].
#[derive(Clone, Debug)]
pub struct OutboundCompression<S> {
    inner: S,
    settings: OutboundCompressionLayer,
}

impl<S, B, RB> Service<Request<B>> for OutboundCompression<S>
where
    S: Service<Request<MessageBody<B>>, Response = Response<RB>>,
    B: Body<Data = Bytes>,
    RB: Body,
{
    type Response = Response<MessageBody<RB>>;
    type Error = S::Error;
    type Future = OutboundFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> OutboundFuture<S::Future> {
        let OutboundCompressionLayer { send, min_size, message_limit, passing } = self.settings;
        if passing {
            let future = self.inner.call(request.map(MessageBody::unchanged));
            return OutboundFuture { future, message_limit, passing, handle: None };
        }
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
        let handle = parts.extensions.get::<MessageCompression>().cloned();
        let encoding = send.or(handle.as_ref().map(|_| Encoding::Gzip));
        let body = match encoding {
            Some(encoding)
                if !body.is_end_stream() && !parts.headers.contains_key(GRPC_ENCODING) =>
            {
                parts.headers.insert(GRPC_ENCODING, encoding.header_value());
                parts.headers.remove(CONTENT_LENGTH);
                let work = Work::Compress { encoding, by_default: send.is_some(), min_size };
                MessageBody::transformed(body, Direction::Request, work, handle.clone())
            }
            _ => MessageBody::unchanged(body),
        };
        OutboundFuture {
            future: self.inner.call(Request::from_parts(parts, body)),
            message_limit,
            passing,
            handle,
        }
    }
}

pin_project! {
    /// The response of an [`OutboundCompression`].
    pub struct OutboundFuture<F> {
        #[pin]
        future: F,
        message_limit: usize,
        passing: bool,
        handle: Option<MessageCompression>,
    }
}

impl<F, B, E> Future for OutboundFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<MessageBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        if *this.passing {
            return Poll::Ready(Ok(response.map(MessageBody::unchanged)));
        }
        let (mut parts, body) = response.into_parts();
        let encoding = match encoding::take(&mut parts.headers) {
            Ok(encoding) => encoding,
            Err(unknown) => {
                let status = Status::internal(format!(
                    "response has grpc-encoding {unknown:?}, which was not offered"
                ));
                let response = status.into_http::<()>();
                return Poll::Ready(Ok(response.map(|()| MessageBody::empty())));
            }
        };
        let handle = this.handle.take();
        let body = if body.is_end_stream() || (encoding.is_none() && handle.is_none()) {
            MessageBody::unchanged(body)
        } else {
            parts.headers.remove(CONTENT_LENGTH);
            let work = Work::Decompress { encoding, limit: *this.message_limit };
            MessageBody::transformed(body, Direction::Response, work, handle)
        };
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
