use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Broken;
use crate::status;

pin_project! {
    /// The answer, or the refusal.
    pub struct ValidatedFuture<F> {
        #[pin]
        future: F,
        broken: Option<Broken>,
    }
}

impl<F> ValidatedFuture<F> {
    pub(super) fn new(future: F, broken: Option<Broken>) -> Self {
        Self { future, broken }
    }
}

impl<F, RB> Future for ValidatedFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
    RB: Body<Data = Bytes> + Default,
{
    type Output = Result<Response<ValidatedResponse<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.future.poll(cx));
        let response = match this.broken.as_ref().and_then(|broken| broken.get()) {
            Some(status) => status.clone().into_http(),
            None => response,
        };
        let broken = this.broken.take();
        Poll::Ready(Ok(response.map(|inner| ValidatedResponse { inner, broken, ended: false })))
    }
}

pin_project! {
    /// A body that ends when a message of its request breaks a rule.
    pub struct ValidatedResponse<B> {
        #[pin]
        inner: B,
        broken: Option<Broken>,
        ended: bool,
    }
}

impl<B: Default> Default for ValidatedResponse<B> {
    fn default() -> Self {
        Self { inner: B::default(), broken: None, ended: false }
    }
}

impl<B> Body for ValidatedResponse<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let polled = this.inner.poll_frame(cx);
        let refusal = this.broken.as_ref().and_then(|broken| broken.get());
        match (&polled, refusal) {
            // What was answered before stays answered.
            (Poll::Ready(Some(Ok(frame))), Some(_)) if frame.is_data() => polled,
            (_, Some(refusal)) => {
                *this.ended = true;
                Poll::Ready(Some(Ok(Frame::trailers(status::trailers(refusal)))))
            }
            (_, None) => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.broken.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.broken {
            Some(_) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}
