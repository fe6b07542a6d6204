//! Moves a connection's bytes between its state and what carries them.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;
use super::handle::Shared;

/// What is read at once.
const READ: usize = 64 * 1024;

/// A buffer that has grown beyond this is given back when it is empty.
const KEEP: usize = 16 * 1024;

/// What is read and thrown away of a peer that has been told that it is over.
const FAREWELL: usize = 1 << 20;

thread_local! {
    /// What a thread's connections read to, one after the other: one that waits holds no buffer.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection and what carries it.
#[derive(Debug)]
pub(crate) struct Transport<S> {
    stream: S,
    connection: Arc<Shared>,
    /// The beginning of a frame of which the rest has not come.
    rest: Vec<u8>,
    writing: Vec<u8>,
    written: usize,
    shut: bool,
    ignored: usize,
}

impl<S> Transport<S> {
    pub(crate) fn connection(&self) -> &Arc<Shared> {
        &self.connection
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(stream: S, connection: Arc<Shared>) -> Self {
        let (rest, writing) = (Vec::new(), Vec::new());
        Self { stream, connection, rest, writing, written: 0, shut: false, ignored: 0 }
    }

    /// Reads once, has the connection take it, and runs `then` with it. Gives how many bytes came;
    /// 0 is the end.
    pub(crate) fn poll_read<R>(
        &mut self,
        cx: &mut Context<'_>,
        then: impl FnOnce(&mut Connection) -> R,
    ) -> Poll<io::Result<Option<(usize, R)>>> {
        with_buffer(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let rest = &mut self.rest;
            let result = self.connection.with(|connection| {
                if rest.is_empty() {
                    let taken = connection.receive(read);
                    rest.extend_from_slice(read.get(taken..).unwrap_or_default());
                } else {
                    rest.extend_from_slice(read);
                    let taken = connection.receive(rest);
                    rest.drain(..taken.min(rest.len()));
                }
                then(connection)
            });
            if self.rest.is_empty() && self.rest.capacity() > KEEP {
                self.rest = Vec::new();
            }
            Poll::Ready(Ok(Some((read.len(), result))))
        })
    }

    /// Writes all there is to write. When it has resolved, the task is woken when there is more.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wrote = false;
        loop {
            let rest = self.writing.get(self.written..).unwrap_or_default();
            if rest.is_empty() {
                self.written = 0;
                self.writing.clear();
                if self.writing.capacity() > KEEP {
                    self.writing = Vec::new();
                }
                let buffer = &mut self.writing;
                if !self.connection.with(|connection| connection.take_output(buffer, cx)) {
                    break;
                }
                continue;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            wrote = true;
        }
        // TLS holds on to what its peer has not taken.
        if wrote { Pin::new(&mut self.stream).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Writes what is left and hangs up, when the peer has: closed with bytes unread a connection
    /// is reset, and the reset overtakes the GOAWAY that says why.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(self.poll_write(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        with_buffer(|buffer| {
            while self.ignored < FAREWELL {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
                if buffer.filled().is_empty() {
                    break;
                }
                self.ignored += buffer.filled().len();
            }
            Poll::Ready(Ok(()))
        })
    }
}

fn with_buffer<R>(run: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with(|kept| {
        let mut buffer = kept.take();
        buffer.resize(READ, 0);
        let result = run(&mut buffer);
        kept.set(buffer);
        result
    })
}
