//! What a call carries from the server's side to the calls that its handler makes.
//!
//! While a handler or the stream that it answered with is polled, [`CallContext::current`] gives
//! the context of the call being served. A [`crate::Channel`] reads it, so that a call made by a
//! handler inherits the deadline and the trace. A task that a handler spawns is outside: carry
//! the context with [`CallContext::scope`].

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;

use crate::telemetry::w3c::TraceContext;

thread_local! {
    static CURRENT: RefCell<Option<CallContext>> = const { RefCell::new(None) };
}

/// The context of one call.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// When the call ends, whatever it is doing.
    pub deadline: Option<Instant>,
    /// The trace that the call belongs to, if it came with one or one was begun for it.
    pub trace: Option<Arc<TraceContext>>,
    /// Who is calling, as far as the connection tells.
    pub peer: Option<Arc<Peer>>,
}

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// The certificates that it presented, leaf first, DER; verified against the CA. Empty
    /// without mTLS.
    pub certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
}

impl CallContext {
    /// The context of the call that is being served by the code running now; an empty one
    /// outside of a call.
    pub fn current() -> Self {
        CURRENT.with_borrow(|current| current.clone()).unwrap_or_default()
    }

    /// Runs a future, as one that was spawned, in this context.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { context: Some(self), future }
    }

    /// Sets when the call being served ends; `false`: nobody has entered a context.
    pub(crate) fn set_deadline(deadline: Option<Instant>) -> bool {
        CURRENT.with_borrow_mut(|current| match current {
            Some(current) => {
                current.deadline = deadline;
                true
            }
            None => false,
        })
    }

    /// Runs a closure with `slot` as the current context, if there is one in it, and puts it back
    /// afterwards, also when the closure panics.
    pub(crate) fn enter<R>(slot: &mut Option<Self>, run: impl FnOnce() -> R) -> R {
        struct Restore<'a>(&'a mut Option<CallContext>);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
            }
        }
        if slot.is_none() {
            return run();
        }
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, slot));
        let _restore = Restore(slot);
        run()
    }
}

pin_project! {
    /// A future that runs in a [`CallContext`].
    pub struct Scoped<F> {
        context: Option<CallContext>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        CallContext::enter(this.context, || this.future.poll(cx))
    }
}
