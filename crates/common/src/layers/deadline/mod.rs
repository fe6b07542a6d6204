//! Ends a call at its deadline.
//!
//! A deadline covers a call to its last message: the handler and the streams of a call that is
//! over are dropped, and the peer gets DEADLINE_EXCEEDED, also when it has stopped reading. On
//! the way in the deadline comes from `grpc-timeout`; on the way out it is the earliest of what
//! the caller asked for, what the call being served has left, and the channel's own; and it
//! travels on as `grpc-timeout` (gRPC's HTTP/2 protocol mapping, "Timeout").

mod body;
mod future;
pub(crate) mod timeout;

use std::cell::Cell;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body;
use tonic::Status;
use tower::{Layer, Service};

pub use body::ExpiringBody;
pub use future::ExpiringFuture;

use crate::CallContext;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Adds [`Deadline`].
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    side: Side,
    default: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Inbound,
    Outbound,
}

impl DeadlineLayer {
    /// For a server: `default` is for calls that come without a `grpc-timeout`.
    pub fn inbound(default: Option<Duration>) -> Self {
        Self { side: Side::Inbound, default }
    }

    /// For a channel: `default` is for calls that neither ask for a deadline nor inherit one.
    pub fn outbound(default: Option<Duration>) -> Self {
        Self { side: Side::Outbound, default }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, layer: *self }
    }
}

/// Ends calls to the inner service at their deadline.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S, B, RB> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
    RB: Body<Data = Bytes> + Default + Unpin,
{
    type Response = Response<ExpiringBody<RB>>;
    type Error = Infallible;
    type Future = ExpiringFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let asked = match request.headers().get(GRPC_TIMEOUT).map(timeout::parse) {
            None => None,
            Some(Some(timeout)) => Some(timeout),
            Some(None) => {
                return ExpiringFuture::refused(Status::internal("malformed grpc-timeout"));
            }
        };
        let now = Instant::now();
        let (deadline, mut context) = match self.layer.side {
            Side::Inbound => {
                let deadline = asked.or(self.layer.default).and_then(|t| now.checked_add(t));
                BEGUN.set(deadline);
                // Whoever observes the call has entered its context; else it is ours to.
                let entered = CallContext::set_deadline(deadline);
                let context = CallContext { deadline, ..CallContext::default() };
                (deadline, (!entered).then_some(context))
            }
            Side::Outbound => {
                let mut context = CallContext::current();
                let asked = asked.and_then(|timeout| now.checked_add(timeout));
                let deadline = match (asked, context.deadline) {
                    (Some(asked), Some(inherited)) => Some(asked.min(inherited)),
                    (None, None) => self.layer.default.and_then(|t| now.checked_add(t)),
                    (asked, inherited) => asked.or(inherited),
                };
                if let Some(deadline) = deadline {
                    let left = deadline.saturating_duration_since(now);
                    request.headers_mut().insert(GRPC_TIMEOUT, timeout::format(left));
                }
                context.deadline = deadline;
                (deadline, Some(context))
            }
        };
        if deadline.is_some_and(|deadline| deadline <= now) {
            return ExpiringFuture::refused(exceeded());
        }
        let future = CallContext::enter(&mut context, || self.inner.call(request));
        ExpiringFuture::new(future, deadline, context)
    }
}

thread_local! {
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The deadline of the call that came in on this thread last, for who runs it: nothing inside of
/// a call can end it when it is not polled.
pub(crate) fn begun() -> Option<Instant> {
    BEGUN.take()
}

fn exceeded() -> Status {
    Status::deadline_exceeded("deadline exceeded")
}
