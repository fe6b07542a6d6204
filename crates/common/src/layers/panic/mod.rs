//! Turns a panic of a handler into INTERNAL.
//!
//! Without it a panic would end the task of its call with a reset stream, and the client would
//! see a transport error with no cause. What panicked is logged, not sent: it is the service's
//! own affair.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use crate::status;

/// Adds [`CatchPanic`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic { inner }
    }
}

/// Answers INTERNAL when the inner service, or the body that it answered with, panics.
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
    RB: Body<Data = Bytes> + Default,
{
    type Response = Response<CatchPanicBody<RB>>;
    type Error = Infallible;
    type Future = CatchPanicFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let future = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        CatchPanicFuture { future: future.map_err(|panic| report(&*panic)).ok() }
    }
}

pin_project! {
    /// The answer, or INTERNAL.
    pub struct CatchPanicFuture<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F, RB> Future for CatchPanicFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
    RB: Body<Data = Bytes> + Default,
{
    type Output = Result<Response<CatchPanicBody<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut future = self.project().future;
        let Some(running) = future.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(status().into_http::<RB>().map(CatchPanicBody::new)));
        };
        match catch_unwind(AssertUnwindSafe(|| running.poll(cx))) {
            Ok(answer) => {
                let Ok(response) = ready!(answer);
                Poll::Ready(Ok(response.map(CatchPanicBody::new)))
            }
            Err(panic) => {
                report(&*panic);
                drop_quietly(|| future.set(None));
                Poll::Ready(Ok(status().into_http::<RB>().map(CatchPanicBody::new)))
            }
        }
    }
}

pin_project! {
    /// A body that ends with INTERNAL when the inner one panics.
    #[derive(Debug)]
    pub struct CatchPanicBody<B> {
        #[pin]
        body: Option<B>,
    }
}

impl<B> CatchPanicBody<B> {
    fn new(body: B) -> Self {
        Self { body: Some(body) }
    }
}

impl<B: Default> Default for CatchPanicBody<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: Body<Data = Bytes>> Body for CatchPanicBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut body = self.project().body;
        let Some(running) = body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        catch_unwind(AssertUnwindSafe(|| running.poll_frame(cx))).unwrap_or_else(|panic| {
            report(&*panic);
            drop_quietly(|| body.set(None));
            Poll::Ready(Some(Ok(Frame::trailers(status::trailers(&status())))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// What panicked once may panic again in its destructor.
fn drop_quietly(drop: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(drop)) {
        report(&*panic);
    }
}

fn status() -> Status {
    Status::internal("the handler panicked")
}

fn report(panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
}
