use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tonic::Status;

use super::{ExpiringBody, exceeded};
use crate::CallContext;

pin_project! {
    /// The answer, or DEADLINE_EXCEEDED.
    pub struct ExpiringFuture<F> {
        #[pin]
        future: Option<F>,
        deadline: Option<Instant>,
        // Made at the first wait: most calls are answered without one.
        sleep: Option<Pin<Box<Sleep>>>,
        context: Option<CallContext>,
        refusal: Option<Status>,
    }
}

impl<F> ExpiringFuture<F> {
    pub(super) fn new(future: F, deadline: Option<Instant>, context: Option<CallContext>) -> Self {
        Self { future: Some(future), deadline, sleep: None, context, refusal: None }
    }

    pub(super) fn refused(status: Status) -> Self {
        Self { future: None, deadline: None, sleep: None, context: None, refusal: Some(status) }
    }
}

impl<F, RB> Future for ExpiringFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
    RB: Body<Data = Bytes> + Default + Unpin,
{
    type Output = Result<Response<ExpiringBody<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            let status = this.refusal.take().unwrap_or_else(exceeded);
            return Poll::Ready(Ok(status.into_http::<RB>().map(ExpiringBody::unbounded)));
        };
        let answer = CallContext::enter(this.context, || future.poll(cx));
        if let Poll::Ready(Ok(response)) = answer {
            let deadline = *this.deadline;
            let context = this.context.take();
            return Poll::Ready(
                Ok(response.map(|body| ExpiringBody::new(body, deadline, context))),
            );
        }
        let Some(deadline) = *this.deadline else {
            return Poll::Pending;
        };
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        match sleep.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                CallContext::enter(this.context, || this.future.set(None));
                let response = exceeded().into_http::<RB>();
                Poll::Ready(Ok(response.map(ExpiringBody::unbounded)))
            }
        }
    }
}
