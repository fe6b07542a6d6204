//! Ends a call whose messages are too long.
//!
//! A message is refused when its header arrives, before a byte of it is kept: the receiver that
//! stands behind gathers whole messages in memory. The call ends with RESOURCE_EXHAUSTED, as in
//! the other gRPC implementations; generated tonic code on its own would say OUT_OF_RANGE.

mod body;
mod response;

use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service};

pub use self::body::LimitedBody;
pub use self::response::{ResponseLimit, ResponseLimitFuture, ResponseLimitLayer};
use crate::protocol::frame::Direction;

/// Bounds the messages of the requests that a service receives.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimitLayer {
    bytes: usize,
}

impl MessageLimitLayer {
    /// Refuses messages that are longer than `bytes` on the wire, header not counted. The usual
    /// limit is [`DEFAULT_MESSAGE_LIMIT`](crate::protocol::frame::DEFAULT_MESSAGE_LIMIT).
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl<S> Layer<S> for MessageLimitLayer {
    type Service = MessageLimit<S>;

    fn layer(&self, inner: S) -> MessageLimit<S> {
        let bytes = self.bytes;
        MessageLimit { inner, bytes }
    }
}

/// See [`MessageLimitLayer`].
#[derive(Clone, Debug)]
pub struct MessageLimit<S> {
    inner: S,
    bytes: usize,
}

impl<S, B, RB> Service<Request<B>> for MessageLimit<S>
where
    S: Service<Request<LimitedBody<B>>, Response = Response<RB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let limited = |body| LimitedBody::new(body, self.bytes, Direction::Request);
        self.inner.call(request.map(limited))
    }
}

#[cfg(test)]
mod tests;
