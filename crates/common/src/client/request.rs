//! The body of a request that goes out, and how it goes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as _, Frame};

use crate::body::Body;
use crate::http2::{End, Outgoing, Sender};

/// What is kept of a request so that it can be sent again, at most.
const KEEP: usize = 64 * 1024;

/// A request body that ends when its call does.
///
/// The transport goes on sending a request after the caller has dropped the answer, for as long
/// as the stream that feeds it lives. A call that nobody waits for is reset instead, with
/// CANCEL, and so is one whose own stream failed: the peer must not take half of it for all.
///
/// What goes out is kept until the call is answered, as far as it is short, and when the
/// transport drops the body, so is the rest: a request that the peer has not seen can be sent
/// again.
pub(super) struct OutgoingBody {
    body: Body,
    keeping: bool,
    call: Arc<State>,
}

/// Ends the request when it is dropped.
pub(super) struct Caller(Arc<State>);

#[derive(Default)]
struct State {
    gone: AtomicBool,
    transport: AtomicWaker,
    kept: Mutex<Kept>,
    returned: AtomicWaker,
}

/// What it takes to send a request again.
enum Kept {
    /// The transport has the body; these frames are out.
    Out(Sent),
    /// The transport has dropped the body.
    Back(Sent, Body),
    /// It was answered, or is too long.
    Not,
}

#[derive(Default)]
struct Sent {
    // Most requests are one frame, for which there is no need of a list.
    first: Option<Bytes>,
    more: Vec<Bytes>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self::Out(Sent::default())
    }
}

impl State {
    fn end(&self) {
        self.gone.store(true, Ordering::Release);
        self.transport.wake();
    }

    /// Runs with what is kept, and drops what that gives back only after the lock: it may be a
    /// stream of the caller's.
    fn with_kept<R>(&self, run: impl FnOnce(&mut Kept) -> R) -> R {
        run(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl OutgoingBody {
    pub(super) fn new(body: Body) -> (Self, Caller) {
        let call = Arc::<State>::default();
        (Self { body, keeping: true, call: call.clone() }, Caller(call))
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.keeping {
            self.keeping = self.call.with_kept(|kept| match (&mut *kept, frame.data_ref()) {
                (Kept::Out(sent), Some(data)) if sent.bytes + data.len() <= KEEP => {
                    sent.push(data.clone());
                    true
                }
                _ => {
                    *kept = Kept::Not;
                    false
                }
            });
        }
    }
}

impl OutgoingBody {
    /// Whether nobody waits for the call any more; wakes when that changes.
    fn is_abandoned(&self, cx: &Context<'_>) -> bool {
        self.call.transport.register(cx.waker());
        self.call.gone.load(Ordering::Acquire)
    }
}

impl Drop for OutgoingBody {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        let _not_kept = self.call.with_kept(|kept| match std::mem::replace(kept, Kept::Not) {
            Kept::Out(sent) => {
                *kept = Kept::Back(sent, body);
                None
            }
            Kept::Back(..) | Kept::Not => Some(body),
        });
        self.call.returned.wake();
    }
}

impl Caller {
    /// The peer has seen the request, which therefore needs not be kept.
    pub(super) fn answered(&self) {
        let _kept = self.0.with_kept(|kept| std::mem::replace(kept, Kept::Not));
    }

    /// The whole body again, as soon as the transport has let go of it, unless it was too long to
    /// be kept.
    pub(super) async fn take_back(self) -> Option<Body> {
        self.0.end();
        poll_fn(|cx| {
            self.0.returned.register(cx.waker());
            self.0.with_kept(|kept| match std::mem::replace(kept, Kept::Not) {
                Kept::Out(sent) => {
                    *kept = Kept::Out(sent);
                    Poll::Pending
                }
                Kept::Back(sent, rest) => Poll::Ready(Some(Body::new(sent.before(rest)))),
                Kept::Not => Poll::Ready(None),
            })
        })
        .await
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.answered();
        self.0.end();
    }
}

impl Sent {
    fn push(&mut self, data: Bytes) {
        self.bytes += data.len();
        match self.first {
            None => self.first = Some(data),
            Some(_) => self.more.push(data),
        }
    }

    fn before(self, rest: Body) -> Again {
        Again { sent: self.first.into_iter().chain(self.more).collect(), rest }
    }
}

impl OutgoingBody {
    /// What goes out next; an error: nobody waits for the call, or its own stream has failed.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Abandoned>>> {
        if self.call.gone.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Abandoned)));
        }
        loop {
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.keep(&frame);
                    // Requests have no trailers.
                    let Ok(data) = frame.into_data() else { continue };
                    Poll::Ready(Some(Ok(data)))
                }
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(status))) => {
                    tracing::debug!(%status, "the request's own stream failed: the call is reset");
                    Poll::Ready(Some(Err(Abandoned)))
                }
                Poll::Pending if self.is_abandoned(cx) => Poll::Ready(Some(Err(Abandoned))),
                Poll::Pending => Poll::Pending,
            };
        }
    }

    /// Whether there is nothing to send at all.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The call is to be reset.
#[derive(Debug)]
struct Abandoned;

/// Sends a body as fast as the peer takes it. What is here already goes now; a task sends the
/// rest.
pub(super) fn send(body: OutgoingBody, sender: Sender) {
    let next = Outgoing { room: usize::MAX, ..Outgoing::default() };
    let mut sending = Sending { body, sender, next, after: Bytes::new() };
    if Pin::new(&mut sending).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        tokio::spawn(sending);
    }
}

struct Sending {
    body: OutgoingBody,
    sender: Sender,
    next: Outgoing,
    /// What comes after that. It is asked for before the first is sent, to save a frame that only
    /// says that it was the last.
    after: Bytes,
}

impl Sending {
    /// Asks for what comes next, as long as the peer takes what is here; `true`: there is nothing
    /// to ask for now.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, Abandoned> {
        if self.next.data.is_empty() {
            self.next.data = std::mem::take(&mut self.after);
        }
        while matches!(self.next.end, End::Open)
            && self.after.is_empty()
            && self.next.data.len() <= self.next.room
        {
            match self.body.poll_next(cx) {
                Poll::Ready(Some(data)) if self.next.data.is_empty() => self.next.data = data?,
                Poll::Ready(Some(data)) => self.after = data?,
                Poll::Ready(None) => self.next.end = End::Here,
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }
}

impl Future for Sending {
    type Output = ();

    /// Resolves when all is sent, the peer has ended the call, or nobody waits for it any more; the
    /// sender, dropped before the end, resets it.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let Ok(waits) = this.fill(cx) else { return Poll::Ready(()) };
            match this.sender.poll_send(&mut this.next, waits, cx) {
                Poll::Ready(Ok(true) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(false)) if waits => return Poll::Pending,
                Poll::Ready(Ok(false)) => {}
                Poll::Pending => {
                    return match this.body.is_abandoned(cx) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// A body whose beginning was sent before.
struct Again {
    sent: VecDeque<Bytes>,
    rest: Body,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match self.sent.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent.is_empty() && self.rest.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http_body_util::{BodyExt, Full};

    use super::*;

    async fn next(out: &mut OutgoingBody) -> Option<Result<Bytes, Abandoned>> {
        poll_fn(|cx| out.poll_next(cx)).await
    }

    fn body(text: &'static str) -> Body {
        Body::new(Full::new(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_request_that_was_sent_comes_back_whole() {
        let (mut out, caller) = OutgoingBody::new(body("hello"));
        assert_eq!(next(&mut out).await.unwrap().unwrap(), "hello");
        drop(out);
        let again = caller.take_back().await.unwrap();
        assert_eq!(again.collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn what_was_answered_or_is_long_does_not() {
        let (out, caller) = OutgoingBody::new(body("hello"));
        caller.answered();
        drop(out);
        assert!(caller.take_back().await.is_none());

        let long = Bytes::from(vec![0; KEEP + 1]);
        let (mut out, caller) = OutgoingBody::new(Body::new(Full::new(long)));
        next(&mut out).await.unwrap().unwrap();
        drop(out);
        assert!(caller.take_back().await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_the_transport_holds_is_ended_before_it_comes_back() {
        let (mut out, caller) = OutgoingBody::new(body("hello"));
        let back = tokio::spawn(caller.take_back());
        tokio::task::yield_now().await;
        assert!(next(&mut out).await.unwrap().is_err());
        assert!(!back.is_finished());
        drop(out);
        assert!(back.await.unwrap().is_some());
    }
}
