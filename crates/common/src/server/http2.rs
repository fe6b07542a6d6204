//! Serves the calls of an HTTP/2 connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};
use tower::Service as _;

use super::executor::{self, Call};
use super::request::RequestBody;
use super::settings::{Runtime, ServerSettings};
use crate::http2::connection::{Accepted, Connection};
use crate::http2::{Body, Config, Error, KeepAlive, Reason, Role, Sender, Shared, Transport};
use crate::layers::deadline;
use crate::stack::Inbound;

/// What a client may have on its way when it is told to open no more streams gets this long to
/// come; and when a connection is over, so does the client to hang up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is read before others on this thread get their turn.
const TURN: usize = 256 * 1024;

/// A connection that is served. It resolves when it has ended.
pub(super) struct Serving<S> {
    transport: Transport<S>,
    stack: Inbound,
    runtime: Runtime,
    keepalive: Option<KeepAlive>,
    /// Runs from when the client was told to open no more streams, and when it is over.
    last_words: Option<Pin<Box<Sleep>>>,
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Serving<S> {
    pub(super) fn new(stream: S, stack: Inbound, settings: &ServerSettings) -> Self {
        let connection = Shared::new(Connection::new(Config {
            role: Role::Server,
            max_streams: settings.max_concurrent_streams,
            max_headers: settings.max_header_bytes,
            // What a connection may hold of requests that no handler reads is its window.
            stream_window: 1 << 20,
            connection_window: 2 << 20,
            send_buffer: settings.max_send_buffer_bytes,
        }));
        let timeout = settings.keepalive_timeout;
        Self {
            transport: Transport::new(stream, connection),
            stack,
            runtime: settings.runtime,
            keepalive: settings.keepalive_interval.map(|i| KeepAlive::new(i, timeout, true)),
            last_words: None,
            closing: false,
        }
    }

    /// Ends the connection when the calls that it has are over.
    pub(super) fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.transport.connection().with(Connection::announce_leaving);
        this.last_words = Some(Box::pin(sleep(LAST_WORDS)));
    }

    fn begin(&mut self, accepted: Accepted) {
        let Accepted { key, request, whole, room } = accepted;
        let connection = self.transport.connection();
        let body = RequestBody::Http2(Body::new(connection, key, whole));
        let sender = Sender::new(connection.clone(), key);
        let head_only = request.method() == Method::HEAD;
        // Nobody took that of the last call if it was refused before it had one.
        let _ = deadline::begun();
        let future = self.stack.call(request.map(|()| body));
        executor::run(self.runtime, Call::new(future, sender, room, head_only));
    }

    /// Reads and serves what comes; resolves when nothing more will.
    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut read = 0;
        while read < TURN {
            if self.transport.connection().with(|connection| connection.is_clogged()) {
                // It is written first, and read when it is.
                return Poll::Pending;
            }
            let came = self.transport.poll_read(cx, |connection| {
                std::iter::from_fn(|| connection.accept()).collect::<Vec<_>>()
            });
            let Some((bytes, calls)) = ready!(came)? else { return Poll::Ready(Ok(())) };
            read += bytes;
            for call in calls {
                self.begin(call);
            }
        }
        // Behind all that can run, where waking ourselves would only be behind the next few.
        let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }

    /// Looks at the clocks.
    fn poll_timers(&mut self, cx: &mut Context<'_>) {
        let connection = self.transport.connection();
        if let Some(last_words) = &mut self.last_words
            && last_words.as_mut().poll(cx).is_ready()
        {
            self.last_words = None;
            connection.with(Connection::leave);
        }
        if let Some(keepalive) = &mut self.keepalive
            && keepalive.poll_lost(connection, cx).is_ready()
        {
            self.keepalive = None;
            tracing::debug!("connection ended: no sign of life");
            connection.with(|connection| connection.fail(Reason::NO_ERROR));
        }
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let last_words = self.last_words.get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
        if self.transport.poll_close(cx).is_pending() && last_words.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(match self.transport.connection().with(|c| c.ended().cloned()) {
            None | Some(Error::GoAway(Reason::NO_ERROR, _)) => Ok(()),
            Some(error) => Err(error),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Serving<S> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.closing {
            return this.poll_closing(cx);
        }
        let connection: Arc<Shared> = this.transport.connection().clone();
        connection.with(Connection::drive);
        this.poll_timers(cx);
        loop {
            let lost = match this.poll_serve(cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(())) => Some(Error::Lost("the client closed it".to_owned())),
                Poll::Ready(Err(error)) => Some(error.into()),
            };
            let was_clogged = connection.with(|connection| connection.is_clogged());
            let (all_written, lost) = match this.transport.poll_write(cx) {
                Poll::Ready(Ok(())) => (true, lost),
                Poll::Ready(Err(error)) => (false, lost.or(Some(error.into()))),
                Poll::Pending => (false, lost),
            };
            if let Some(error) = lost {
                let idle = connection.with(|connection| {
                    let idle = connection.open() == 0;
                    connection.end(error.clone());
                    idle
                });
                return Poll::Ready(if idle { Ok(()) } else { Err(error) });
            }
            if connection.with(|connection| connection.is_done()) {
                this.closing = true;
                this.last_words = None;
                return this.poll_closing(cx);
            }
            // What was not read for that can be now.
            if !(was_clogged && all_written) {
                return Poll::Pending;
            }
        }
    }
}

impl<S> Drop for Serving<S> {
    fn drop(&mut self) {
        // Cut: the calls end with it.
        let lost = Error::Lost("the connection was cut".to_owned());
        self.transport.connection().with(|connection| connection.end(lost));
    }
}
