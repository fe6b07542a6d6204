//! Runs the calls of a connection.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::timeout_at;

use super::settings::Runtime;
use crate::layers::deadline;

/// After its deadline a call has this long to tell its client so. One whose client takes nothing
/// is then reset: the transport that waits for the client would wait for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How hyper's HTTP/2 server is given the future of each call, right after the call has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallExecutor(pub(super) Runtime);

impl<F> Executor<F> for CallExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    /// On a worker of its own, a call is tried where it stands: when its request is already here
    /// and its handler waits for nothing, as most are, it is done without a task, which costs
    /// about as much as the rest of the stack. Others become one, and are polled again by it
    /// with a waker that wakes.
    fn execute(&self, call: F) {
        let deadline = deadline::begun();
        let mut call = Box::pin(call);
        if self.0 == Runtime::PerCore
            && call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        {
            return;
        }
        match deadline.and_then(|deadline| deadline.checked_add(LAST_WORDS)) {
            Some(end) => drop(tokio::spawn(timeout_at(end.into(), call))),
            None => drop(tokio::spawn(call)),
        }
    }
}
