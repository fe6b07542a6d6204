//! Runs a connection to its end.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

use super::connection::{Accepted, Connection};
use super::error::{Error, Reason};
use super::handle::Shared;
use super::keepalive::KeepAlive;
use super::transport::Transport;

/// What the peer may have on its way when it is told to open no more streams gets this long to
/// come; and when a connection is over, so does the peer to hang up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is read before others on this thread get their turn.
const TURN: usize = 256 * 1024;

/// So much is written before all requests that came are served.
const FULL: usize = 32 * 1024;

/// Who serves the requests that come.
pub(crate) trait Serve {
    fn serve(&mut self, connection: &Arc<Shared>, request: Accepted);
}

/// Of clients, to whom none come.
pub(crate) struct NoRequests;

impl Serve for NoRequests {
    fn serve(&mut self, _: &Arc<Shared>, _: Accepted) {}
}

/// Reads, serves and writes; resolves when the connection has ended.
pub(crate) struct Driver<S, H> {
    transport: Transport<S>,
    handler: H,
    keepalive: Option<KeepAlive>,
    /// Runs from when the peer was told to open no more streams, and from when it is over.
    last_words: Option<Pin<Box<Sleep>>>,
    /// Whether so much waits to be written that nothing is read.
    clogged: bool,
    closing: bool,
}

impl<S, H> Driver<S, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Serve + Unpin,
{
    pub(crate) fn new(
        stream: S,
        connection: Arc<Shared>,
        handler: H,
        keepalive: Option<KeepAlive>,
    ) -> Self {
        let transport = Transport::new(stream, connection);
        Self { transport, handler, keepalive, last_words: None, clogged: false, closing: false }
    }

    /// Ends the connection when the streams that it has are over.
    pub(crate) fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.transport.connection().with(Connection::announce_leaving);
        this.last_words = Some(Box::pin(sleep(LAST_WORDS)));
    }

    /// Reads and serves what comes; resolves when nothing more will.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut read = 0;
        while read < TURN {
            if self.clogged {
                // It is written first, and read when it is.
                return Poll::Pending;
            }
            match ready!(self.transport.poll_read(cx))? {
                0 => return Poll::Ready(Ok(())),
                bytes => read += bytes,
            }
            self.serve(cx)?;
        }
        // Behind all that can run, where waking ourselves would only be behind the next few.
        let _ = pin!(yield_now()).poll(cx);
        Poll::Pending
    }

    /// Serves what has come.
    fn serve(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            let connection = self.transport.connection();
            let (request, output, clogged) =
                connection.with(|c| (c.accept(), c.output(), c.is_clogged()));
            self.clogged = clogged;
            let Some(request) = request else { return Ok(()) };
            // Or calls would have to wait for room, each as a task.
            if output > FULL {
                if let Poll::Ready(Err(error)) = self.transport.poll_write(cx) {
                    return Err(error);
                }
                self.transport.begin();
            }
            self.handler.serve(self.transport.connection(), request);
        }
    }

    /// Looks at the clocks.
    fn poll_timers(&mut self, cx: &mut Context<'_>) {
        if let Some(last_words) = &mut self.last_words
            && last_words.as_mut().poll(cx).is_ready()
        {
            self.last_words = None;
            self.transport.connection().with(Connection::leave);
        }
        if let Some(keepalive) = &mut self.keepalive
            && keepalive.poll_lost(&mut self.transport, cx).is_ready()
        {
            self.keepalive = None;
            tracing::debug!("connection ended: no answer to a ping");
            self.transport.connection().with(|connection| connection.fail(Reason::NO_ERROR));
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

impl<S, H> Future for Driver<S, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Serve + Unpin,
{
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.closing {
            return this.poll_closing(cx);
        }
        this.clogged = this.transport.begin();
        this.poll_timers(cx);
        loop {
            let read = this.poll_read(cx);
            let hung_up = matches!(read, Poll::Ready(Ok(())));
            let lost = match read {
                Poll::Pending => None,
                Poll::Ready(Ok(())) => Some(Error::Lost("the peer closed it".to_owned())),
                Poll::Ready(Err(error)) => Some(error.into()),
            };
            let (all_written, lost) = match this.transport.poll_write(cx) {
                Poll::Ready(Ok(())) => (true, lost),
                Poll::Ready(Err(error)) => (false, lost.or(Some(error.into()))),
                Poll::Pending => (false, lost),
            };
            if let Some(error) = lost {
                let open = this.transport.connection().with(|connection| {
                    let open = connection.open();
                    connection.end(error.clone());
                    open
                });
                return Poll::Ready(if hung_up && open == 0 { Ok(()) } else { Err(error) });
            }
            if this.transport.connection().with(|connection| connection.is_done()) {
                this.closing = true;
                this.last_words = None;
                return this.poll_closing(cx);
            }
            // What was not read for that can be now.
            if !(std::mem::take(&mut this.clogged) && all_written) {
                return Poll::Pending;
            }
        }
    }
}

impl<S, H> Drop for Driver<S, H> {
    fn drop(&mut self) {
        // Cut: its streams end with it.
        let lost = Error::Lost("the connection was cut".to_owned());
        self.transport.connection().with(|connection| connection.end(lost));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::super::connection::{Config, Role};
    use super::super::frame;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_peer_that_speaks_but_never_reads_is_lost() {
        let (mut peer, stream) = duplex(1024);
        let connection = Shared::new(Connection::new(Config {
            role: Role::Server,
            max_streams: 1,
            max_headers: 1024,
            stream_window: 1 << 16,
            connection_window: 1 << 16,
            send_buffer: 1 << 20,
        }));
        let moment = Duration::from_millis(20);
        let keepalive = Some(KeepAlive::new(moment, moment, true));
        let driver = tokio::spawn(Driver::new(stream, connection, NoRequests, keepalive));
        let mut said = frame::PREFACE.to_vec();
        frame::settings(&mut said, &[]);
        // More answers than the line holds, and then what asks for none.
        (0..100).for_each(|_| frame::ping(&mut said, 0, [7; 8]));
        peer.write_all(&said).await.unwrap();
        let mut unknown = Vec::new();
        frame::header(&mut unknown, 0, 0x77, 0, 0);
        let speaking = async { while peer.write_all(&unknown).await.is_ok() {} };
        timeout(PATIENCE, speaking).await.unwrap();
        driver.await.unwrap().unwrap();
    }
}
