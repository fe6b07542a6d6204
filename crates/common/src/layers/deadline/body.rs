use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

use super::exceeded;
use crate::{CallContext, status};

/// A body that ends with DEADLINE_EXCEEDED when its call's time is up.
///
/// Only who reads it can find that out. A transport whose peer takes no data does not, which is
/// why a server also ends the call as a whole, see `server/executor.rs`.
pub struct ExpiringBody<B> {
    body: Option<B>,
    deadline: Option<Instant>,
    // Made at the first wait: most bodies are read without one.
    sleep: Option<Pin<Box<Sleep>>>,
    context: Option<CallContext>,
    frames: u32,
}

impl<B> ExpiringBody<B> {
    pub(super) fn new(body: B, deadline: Option<Instant>, context: Option<CallContext>) -> Self {
        Self { body: Some(body), deadline, sleep: None, context, frames: 0 }
    }

    pub(super) fn unbounded(body: B) -> Self {
        Self::new(body, None, None)
    }

    /// Whether time is up, for a body that has nothing to give (`waits`) or goes on and on.
    fn is_over(&mut self, waits: bool, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else {
            return false;
        };
        if waits {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
            return sleep.as_mut().poll(cx).is_ready();
        }
        // The clock is not read for the one message of a unary call.
        self.frames = self.frames.saturating_add(1);
        self.frames > 1 && deadline <= Instant::now()
    }
}

impl<B: Default> Default for ExpiringBody<B> {
    fn default() -> Self {
        Self::unbounded(B::default())
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ExpiringBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let polled = CallContext::enter(&mut this.context, || Pin::new(body).poll_frame(cx));
        let last = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if last {
            this.body = None;
        } else if this.is_over(polled.is_pending(), cx) {
            let body = &mut this.body;
            CallContext::enter(&mut this.context, || *body = None);
            return Poll::Ready(Some(Ok(Frame::trailers(status::trailers(&exceeded())))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
