//! Where the observers look: around the bodies and the response's future.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::{Call, Traffic};
use crate::protocol::frame::FrameCounter;

pin_project! {
    /// A request's body, counted as it is read.
    #[derive(Debug)]
    pub struct ObservedRequest<B> {
        #[pin]
        inner: B,
        counter: FrameCounter,
        traffic: Arc<Traffic>,
    }
}

impl<B> ObservedRequest<B> {
    pub(super) fn new(inner: B, call: &Call) -> Self {
        Self { inner, counter: FrameCounter::new(), traffic: call.request() }
    }
}

impl<B: Body<Data = Bytes>> Body for ObservedRequest<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            // What is no frame is for the limits further in to refuse.
            let _ = this.counter.feed(data);
            this.traffic.set(this.counter);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// The answer to a call that is observed.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        call: Option<Box<Call>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, call: Box<Call>) -> Self {
        Self { inner, call: Some(call) }
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body,
{
    type Output = Result<Response<ObservedResponse<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.call {
            Some(call) => call.run(|| this.inner.poll(cx)),
            None => this.inner.poll(cx),
        };
        let Ok(response) = ready!(polled);
        let mut call = this.call.take();
        if let Some(call) = &mut call {
            call.head(response.status(), response.headers(), response.body().is_end_stream());
        }
        Poll::Ready(Ok(response.map(|inner| ObservedResponse { inner, call })))
    }
}

pin_project! {
    /// A response's body, counted as it is read and watched for its end.
    #[derive(Debug)]
    pub struct ObservedResponse<B> {
        #[pin]
        inner: B,
        // None for a future that was polled after it was ready.
        call: Option<Box<Call>>,
    }
}

impl<B> Body for ObservedResponse<B>
where
    B: Body<Data = Bytes>,
    B::Error: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(call) = this.call else {
            return this.inner.poll_frame(cx);
        };
        let frame = ready!(call.run(|| this.inner.as_mut().poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let _ = call.response.feed(data);
                    // Whoever reads this body may see so too and not poll again.
                    if this.inner.is_end_stream() {
                        call.trailers(None);
                    }
                } else if let Some(trailers) = frame.trailers_ref() {
                    call.trailers(Some(trailers));
                }
            }
            Some(Err(error)) => call.failed(error),
            None => call.trailers(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
