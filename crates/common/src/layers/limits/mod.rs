//! Ends a call whose messages are too long, or not as many as its method takes.
//!
//! A message is refused when its header arrives, before a byte of it is kept: the receiver that
//! stands behind gathers whole messages in memory. The call ends with RESOURCE_EXHAUSTED, as in
//! the other gRPC implementations; generated tonic code on its own would say OUT_OF_RANGE.

mod body;
mod response;

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service};

pub use self::body::LimitedBody;
pub use self::response::{ResponseLimit, ResponseLimitFuture, ResponseLimitLayer};
use crate::protocol::contracts::Contracts;
use crate::protocol::frame::Direction;

/// Bounds the messages of the requests that a service receives.
#[derive(Clone, Debug)]
pub struct MessageLimitLayer {
    bytes: usize,
    contracts: Option<Arc<Contracts>>,
}

impl MessageLimitLayer {
    /// Refuses messages that are longer than `bytes` on the wire, header not counted. The usual
    /// limit is [`DEFAULT_MESSAGE_LIMIT`](crate::protocol::frame::DEFAULT_MESSAGE_LIMIT).
    pub const fn new(bytes: usize) -> Self {
        Self { bytes, contracts: None }
    }

    /// Holds requests of the methods of these contracts to one message, where they have no
    /// stream of them.
    #[must_use]
    pub fn contracts(self, contracts: Arc<Contracts>) -> Self {
        Self { contracts: Some(contracts), ..self }
    }
}

impl<S> Layer<S> for MessageLimitLayer {
    type Service = MessageLimit<S>;

    fn layer(&self, inner: S) -> MessageLimit<S> {
        MessageLimit { inner, layer: self.clone() }
    }
}

/// See [`MessageLimitLayer`].
#[derive(Clone, Debug)]
pub struct MessageLimit<S> {
    inner: S,
    layer: MessageLimitLayer,
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
        let contracts = self.layer.contracts.as_ref();
        let method = contracts.and_then(|contracts| contracts.method(request.uri().path()));
        let single = method.is_some_and(|method| !method.client_streaming);
        let limited =
            |body| LimitedBody::new(body, self.layer.bytes, Direction::Request).single(single);
        self.inner.call(request.map(limited))
    }
}

#[cfg(test)]
mod tests;
