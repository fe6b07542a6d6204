//! Moves a connection's bytes between its state and what carries them.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;
use super::frame;
use super::handle::Shared;
use super::output::{Output, PIECES};
use super::reading::{self, LONG};
use crate::farewell::Farewell;

/// A buffer that has grown beyond this is given back when it is empty, to be used by others.
const KEEP: usize = 4 * 1024;

/// How many buffers a thread keeps, and how long they may be.
const SPARES: usize = 4;
const SPARE: usize = 256 * 1024;

thread_local! {
    /// What a thread's connections write from, while they do.
    static SPARE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A connection and what carries it.
#[derive(Debug)]
pub(crate) struct Transport<S> {
    stream: S,
    connection: Arc<Shared>,
    /// The beginning of a frame of which the rest has not come.
    rest: Vec<u8>,
    writing: Output,
    written: usize,
    /// Whether the peer has to take something before more is written.
    waits: bool,
    /// Whether it has taken something since this was asked last.
    advanced: bool,
    shut: bool,
    farewell: Farewell,
}

impl<S> Transport<S> {
    pub(crate) fn connection(&self) -> &Arc<Shared> {
        &self.connection
    }

    /// Whether the peer has to take something, and has taken nothing since this was asked last.
    pub(crate) fn is_stuck(&mut self) -> bool {
        !std::mem::take(&mut self.advanced) && self.waits
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    pub(crate) fn new(stream: S, connection: Arc<Shared>) -> Self {
        Self {
            stream,
            connection,
            rest: Vec::new(),
            writing: Output::default(),
            written: 0,
            waits: false,
            advanced: false,
            shut: false,
            farewell: Farewell::default(),
        }
    }

    /// Begins to read and write. Gives whether there is so much to write that it is no time to
    /// read.
    pub(crate) fn begin(&self) -> bool {
        self.connection.with(|connection| {
            connection.drive(spare);
            connection.is_clogged()
        })
    }

    /// Reads once, and has the connection take it. Gives how many bytes came; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = reading::take();
        let mut into = ReadBuf::new(&mut buffer);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut into);
        let length = into.filled().len();
        let buffer = buffer.freeze();
        if let Poll::Ready(Ok(())) = polled {
            let (read, rest) = (buffer.get(..length).unwrap_or_default(), &mut self.rest);
            let lender = (length >= LONG && reading::may_lend()).then_some(&buffer);
            self.connection.with(|connection| take(connection, rest, read, lender));
            if self.rest.is_empty() && self.rest.capacity() > KEEP {
                self.rest = Vec::new();
            }
        }
        reading::put(buffer);
        polled.map_ok(|()| length)
    }

    /// Writes all there is to write. When it has resolved, the task is woken when there is more.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wrote = false;
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                self.writing.clear();
                let buffer = &mut self.writing;
                let rest = self.connection.with(|connection| {
                    (!connection.take_output(buffer)).then(|| connection.rest(cx))
                });
                if let Some(rest) = rest {
                    give_back(rest);
                    if buffer.frames.capacity() >= KEEP {
                        give_back(std::mem::take(&mut buffer.frames));
                    }
                    break;
                }
                continue;
            }
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let stream = Pin::new(&mut self.stream);
            let polled = match self.writing.pieces(self.written, &mut pieces) {
                [piece] => stream.poll_write(cx, piece),
                pieces => stream.poll_write_vectored(cx, pieces),
            };
            self.waits = polled.is_pending();
            match ready!(polled)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
            self.advanced = true;
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
        self.farewell.poll(&mut self.stream, cx)
    }
}

/// Has a connection take what was read, after what was left of what was read before.
fn take(connection: &mut Connection, rest: &mut Vec<u8>, mut read: &[u8], lender: Option<&Bytes>) {
    while !rest.is_empty() && !read.is_empty() {
        let missing = frame::missing(rest);
        let (more, after) = read.split_at_checked(missing).unwrap_or((read, &[]));
        if more.len() == missing {
            // It is whole then, and may be kept as it is.
            rest.reserve_exact(missing);
        }
        rest.extend_from_slice(more);
        if rest.len() >= LONG && frame::missing(rest) == 0 {
            let whole = Bytes::from(std::mem::take(rest));
            connection.receive(&whole, Some(&whole));
        } else {
            let taken = connection.receive(rest, None);
            rest.drain(..taken.min(rest.len()));
        }
        read = after;
    }
    if rest.is_empty() {
        let taken = connection.receive(read, lender);
        rest.extend_from_slice(read.get(taken..).unwrap_or_default());
    }
}

/// A buffer to write to, if there is one that nobody uses.
fn spare() -> Vec<u8> {
    SPARE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Leaves a buffer for others, if it is worth it.
fn give_back(buffer: Vec<u8>) {
    if (KEEP..SPARE).contains(&buffer.capacity()) {
        SPARE_BUFFERS.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::super::connection::{Config, Role};
    use super::super::frame::{PREFACE, flag, kind};
    use super::*;

    fn config() -> Config {
        Config {
            role: Role::Server,
            max_streams: 100,
            max_headers: 16 * 1024,
            stream_window: 1 << 20,
            connection_window: 2 << 20,
            send_buffer: 64 * 1024,
        }
    }

    /// However the bytes are cut, the same frames come of them.
    #[tokio::test]
    async fn frames_come_in_pieces() {
        for seed in 0..50 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut peer, stream) = duplex(1 << 20);
            let mut transport = Transport::new(stream, Shared::new(Connection::new(config())));
            let mut said = PREFACE.to_vec();
            frame::settings(&mut said, &[]);
            let pings: Vec<[u8; 8]> = (0..200_u64).map(u64::to_be_bytes).collect();
            for ping in &pings {
                frame::ping(&mut said, 0, *ping);
                let noise = rng.usize(..3000);
                frame::header(&mut said, noise, 99, 0, 0);
                said.resize(said.len() + noise, 7);
            }
            let mut rest = &said[..];
            let mut answered = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rng.usize(1..5000).min(rest.len()));
                peer.write_all(piece).await.unwrap();
                rest = after;
                assert_ne!(std::future::poll_fn(|cx| transport.poll_read(cx)).await.unwrap(), 0);
                transport.connection().with(|connection| {
                    let mut out = Output::default();
                    connection.take_output(&mut out);
                    answered.extend_from_slice(&out.to_vec());
                });
            }
            assert!(transport.rest.is_empty());
            let start = answered.len() - 17 * pings.len();
            let (answers, _) = answered[start..].as_chunks::<17>();
            assert_eq!(answers.len(), pings.len());
            for (answer, ping) in answers.iter().zip(&pings) {
                assert_eq!(answer[..9], [0, 0, 8, kind::PING, flag::ACK, 0, 0, 0, 0]);
                assert_eq!(answer[9..], *ping);
            }
        }
    }
}
