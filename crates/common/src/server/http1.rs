//! Connections of HTTP/1.1: one call after the other, each with an end, and what takes a
//! connection over.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};
use tower::Service as _;

use super::request::RequestBody;
use super::settings::ServerSettings;
use crate::BoxError;
use crate::body;
use crate::farewell::Farewell;
use crate::layers::deadline;
use crate::protocol::edge::Takeover;
use crate::protocol::metadata::OF_CONNECTIONS;
use crate::stack::{Inbound, InboundBody};

/// After its deadline a call has this long to tell its client so, and a client whose connection is
/// over has it to hang up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection, until it ends or is taken over.
pub(super) struct Serving<I: AsyncRead + AsyncWrite + Unpin> {
    connection: UpgradeableConnection<TokioIo<Watched<I>>, OneByOne>,
    bound: Bound,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Serves the calls of a connection, and gives what takes it over, if any does.
pub(super) fn serve<I>(io: I, stack: Inbound, settings: &ServerSettings) -> (Serving<I>, Takeover)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let bound = Bound::default();
    let takeover = Takeover::default();
    let service = OneByOne {
        stack: RefCell::new(stack),
        bound: bound.clone(),
        takeover: takeover.clone(),
        // Without a default, a call without a deadline is one of no end.
        other: settings.default_deadline.map(|_| settings.handshake_timeout),
    };
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.handshake_timeout)
        .max_buf_size((settings.max_header_bytes as usize).max(8 * 1024));
    let io = TokioIo::new(Watched { io, bound: bound.clone(), end: None });
    let connection = builder.serve_connection(io, service).with_upgrades();
    (Serving { connection, bound, sleep: None }, takeover)
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Serving<I> {
    /// Ends the connection after the call that is being served.
    pub(super) fn graceful_shutdown(self: Pin<&mut Self>) {
        Pin::new(&mut self.get_mut().connection).graceful_shutdown();
    }
}

impl<I> Future for Serving<I>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Result<(), BoxError>;

    /// Nothing else ends a call whose client takes no data: hyper waits for the client and polls
    /// the call no more.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(ended) = Pin::new(&mut this.connection).poll(cx) {
            return Poll::Ready(ended.map_err(Into::into));
        }
        let Some(end) = this.bound.end() else {
            return Poll::Pending;
        };
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(end.into())));
        if sleep.deadline() != end.into() {
            sleep.as_mut().reset(end.into());
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err("cut: the client does not take its answer".into()))
    }
}

/// When the answer that is being given has to be taken.
#[derive(Clone, Default)]
struct Bound(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    end: Option<Instant>,
    /// The call has not ended.
    open: bool,
    /// The client keeps us from writing.
    stuck: bool,
}

impl Bound {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn end(&self) -> Option<Instant> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.end.filter(|_| state.open || state.stuck)
    }
}

/// The stack of one connection. hyper calls it by shared reference, one call after the other.
struct OneByOne {
    stack: RefCell<Inbound>,
    bound: Bound,
    takeover: Takeover,
    /// How long an answer may be taken that needs no call, and so has no deadline.
    other: Option<Duration>,
}

impl hyper::service::Service<Request<Incoming>> for OneByOne {
    type Response = Response<Bounded<InboundBody>>;
    type Error = Infallible;
    type Future = Answer<<Inbound as tower::Service<Request<RequestBody>>>::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(self.takeover.clone());
        }
        let request = request.map(RequestBody::Http1);
        // That of the last call on this thread, if it was not taken.
        let _ = deadline::begun();
        let call = names_a_host(&request).then(|| self.stack.borrow_mut().call(request));
        let end = match deadline::begun() {
            Some(deadline) => deadline.checked_add(LAST_WORDS),
            None => self.other.and_then(|time| Instant::now().checked_add(time)),
        };
        self.bound.change(|state| {
            state.end = end;
            state.open = true;
        });
        Answer { call, open: Some(Open(self.bound.clone())) }
    }
}

/// Whoever passed a request on may take one without a host, or with two, for another's (RFC 9112,
/// section 3.2).
fn names_a_host<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1
}

/// A call that has not ended.
struct Open(Bound);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.change(|state| state.open = false);
    }
}

pin_project! {
    /// An answer whose body tells when it is over.
    struct Answer<F> {
        // None for what is no request.
        #[pin]
        call: Option<F>,
        open: Option<Open>,
    }
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<Response<InboundBody>, Infallible>>,
{
    type Output = Result<Response<Bounded<InboundBody>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.call.as_pin_mut() {
            Some(call) => {
                let Ok(response) = ready!(call.poll(cx));
                response
            }
            None => {
                let mut refusal = Response::new(InboundBody::translated(body::Body::empty()));
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                refusal
            }
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // As over HTTP/2, a service's metadata says nothing of the connection.
            for name in &OF_CONNECTIONS {
                response.headers_mut().remove(name);
            }
        }
        let open = this.open.take();
        Poll::Ready(Ok(response.map(|body| Bounded { body, _open: open })))
    }
}

pin_project! {
    /// A body that tells when it is over.
    struct Bounded<B> {
        #[pin]
        body: B,
        _open: Option<Open>,
    }
}

impl<B: Body<Data = Bytes>> Body for Bounded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of a connection, and whether its client takes them.
pub(super) struct Watched<I> {
    io: I,
    bound: Bound,
    end: Option<End>,
}

/// The end of a connection, once it has begun.
struct End {
    time: Pin<Box<Sleep>>,
    /// From when our half is closed.
    farewell: Option<Farewell>,
}

impl<I> Watched<I> {
    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.bound.change(|state| state.stuck = polled.is_pending());
        polled
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let end = this
            .end
            .get_or_insert_with(|| End { time: Box::pin(sleep(LAST_WORDS)), farewell: None });
        if end.time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let farewell = match &mut end.farewell {
            Some(farewell) => farewell,
            none => {
                // TLS has something to say first, which a client that reads nothing holds up.
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                none.insert(Farewell::default())
            }
        };
        // An answer may have been given before all of its request had come.
        farewell.poll(&mut this.io, cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_connection_ends_also_when_its_client_does_not_let_it() {
        // As TLS: what is said last waits for room, and there is none.
        let (mut io, _client) = duplex(1);
        io.write_all(b"x").await.unwrap();
        let io = tokio::io::BufWriter::new(io);
        let mut watched = Watched { io, bound: Bound::default(), end: None };
        watched.io.write_all(b"close").await.unwrap();
        watched.shutdown().await.unwrap();
    }
}
