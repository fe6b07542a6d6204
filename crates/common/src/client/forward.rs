//! Passes on calls that were made elsewhere.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use crate::body::Body;
use crate::stack::{Outbound, OutboundFuture};

/// A [`Channel`](super::Channel) for calls that were made elsewhere, such as those that an agent
/// takes for its application.
///
/// Messages pass as they are, compressed or not and of any length, and so do the call's metadata
/// and its `:authority`. Deadlines, traces and metrics are those of any call of a channel.
#[derive(Clone)]
pub struct Forward {
    pub(super) stack: Outbound,
    /// Of the channel, for messages.
    pub(super) target: Arc<str>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = OutboundFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        OutboundFuture::new(self.stack.call(request))
    }
}
