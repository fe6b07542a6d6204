//! Runs the calls of a connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::timeout_at;

use super::settings::Runtime;
use crate::http2::{End, Outgoing, Reason, Sender};
use crate::layers::deadline;

/// After its deadline a call has this long to tell its client so. One whose client takes nothing
/// is then reset: who waits for the client would wait for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a call that has just begun.
///
/// On a worker of its own, a call is tried where it stands: when its request is already here and
/// its handler waits for nothing, as most are, it is done without a task, which costs about as
/// much as the rest of the stack. Others become one, and are polled again by it with a waker that
/// wakes.
pub(super) fn run<F, B>(runtime: Runtime, call: Call<F, B>)
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
{
    let deadline = deadline::begun();
    let mut call = Box::pin(call);
    if runtime == Runtime::PerCore
        && call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    {
        return;
    }
    match deadline.and_then(|deadline| deadline.checked_add(LAST_WORDS)) {
        Some(end) => drop(tokio::spawn(timeout_at(end.into(), call))),
        None => drop(tokio::spawn(call)),
    }
}

pin_project! {
    /// A call and where its answer goes. It ends with its stream.
    pub(super) struct Call<F, B> {
        #[pin]
        answer: Answer<F, B>,
        sending: Option<Sending>,
    }
}

pin_project! {
    #[project = AnswerProjection]
    enum Answer<F, B> {
        Awaited { #[pin] future: F },
        Begun { #[pin] body: B },
    }
}

struct Sending {
    sender: Sender,
    next: Outgoing,
    /// What comes after that. It is asked for before the first is sent, to send the end together
    /// with it, unless the client does not take the first.
    after: Bytes,
    head_only: bool,
}

impl<F, B> Call<F, B> {
    /// `room`: how much of an answer its client takes. `head_only`: an answer has no body, whatever
    /// the service says (RFC 9110, section 9.3.2).
    pub(super) fn new(future: F, sender: Sender, room: usize, head_only: bool) -> Self {
        let (next, after) = (Outgoing { room, ..Outgoing::default() }, Bytes::new());
        Self {
            answer: Answer::Awaited { future },
            sending: Some(Sending { sender, next, after, head_only }),
        }
    }
}

impl<F, B> Future for Call<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(sending) = this.sending else { return Poll::Ready(()) };
        loop {
            match this.answer.as_mut().project() {
                AnswerProjection::Awaited { future } => match future.poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        let body = sending.begin(response);
                        this.answer.set(Answer::Begun { body });
                    }
                    Poll::Pending => return sending.sender.poll_end(cx).map(drop),
                },
                AnswerProjection::Begun { body } => match sending.poll_body(body, cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(()),
                    Poll::Ready(Err(Failed)) => {
                        if let Some(sending) = this.sending.take() {
                            sending.sender.reset(Reason::INTERNAL_ERROR);
                        }
                        return Poll::Ready(());
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

/// The answer's body failed.
struct Failed;

impl Sending {
    fn begin<B: Body<Data = Bytes>>(&mut self, response: Response<B>) -> B {
        let (mut parts, body) = response.into_parts();
        if let Some(length) = body.size_hint().exact()
            && length > 0
            && !parts.headers.contains_key(CONTENT_LENGTH)
        {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.head_only || body.is_end_stream() {
            self.next.end = End::Here;
        }
        self.next.head = Some((parts.status, parts.headers));
        body
    }

    /// Sends an answer as fast as the client takes it, to its end or to that of its stream.
    fn poll_body<B: Body<Data = Bytes>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failed>> {
        loop {
            let mut waits = false;
            if self.next.data.is_empty() {
                self.next.data = std::mem::take(&mut self.after);
            }
            while matches!(self.next.end, End::Open)
                && self.after.is_empty()
                && self.next.data.len() <= self.next.room
                && !waits
            {
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            if self.next.data.is_empty() {
                                self.next.data = data;
                            } else {
                                self.after = data;
                            }
                        }
                        Err(frame) => {
                            let trailers = frame.into_trailers().unwrap_or_default();
                            self.next.end = End::Trailers(trailers);
                        }
                    },
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Failed)),
                    Poll::Ready(None) => self.next.end = End::Here,
                    Poll::Pending => waits = true,
                }
                if matches!(self.next.end, End::Open) && !waits && body.is_end_stream() {
                    if !self.after.is_empty() {
                        break;
                    }
                    self.next.end = End::Here;
                }
            }
            match self.sender.poll_send(&mut self.next, waits, cx) {
                Poll::Ready(Ok(true) | Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(false)) if waits => return Poll::Pending,
                Poll::Ready(Ok(false)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
