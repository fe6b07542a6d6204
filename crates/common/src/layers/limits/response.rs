use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::LimitedBody;
use crate::protocol::frame::Direction;

/// Bounds the messages of the responses that a channel receives.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimitLayer {
    bytes: usize,
}

impl ResponseLimitLayer {
    /// Refuses messages as [`MessageLimitLayer::new`](super::MessageLimitLayer::new) does.
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl<S> Layer<S> for ResponseLimitLayer {
    type Service = ResponseLimit<S>;

    fn layer(&self, inner: S) -> ResponseLimit<S> {
        ResponseLimit { inner, bytes: self.bytes }
    }
}

/// See [`ResponseLimitLayer`].
#[derive(Clone, Debug)]
pub struct ResponseLimit<S> {
    inner: S,
    bytes: usize,
}

impl<S, B, RB> Service<Request<B>> for ResponseLimit<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    type Response = Response<LimitedBody<RB>>;
    type Error = Infallible;
    type Future = ResponseLimitFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseLimitFuture { future: self.inner.call(request), bytes: self.bytes }
    }
}

pin_project! {
    /// The answer, with bounds.
    pub struct ResponseLimitFuture<F> {
        #[pin]
        future: F,
        bytes: usize,
    }
}

impl<F, RB> Future for ResponseLimitFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
{
    type Output = Result<Response<LimitedBody<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.future.poll(cx));
        let limited = |body| LimitedBody::new(body, *this.bytes, Direction::Response);
        Poll::Ready(Ok(response.map(limited)))
    }
}
