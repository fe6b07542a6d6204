//! Writes once what a connection has to say, rather than once a call.
//!
//! HTTP/2 flushes after each response that is complete. With many calls on a connection that is
//! a system call for each, which costs more than the call. Here a flush only notes that there is
//! something, and the bytes go out when the connection has nothing more to do for now: the one
//! who polls it writes them, see [`Unbatched`].

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::turn::Turn;

/// What is longer than this goes out at once: to copy it would cost more than the system call.
const COPY_UP_TO: usize = 20 * 1024;

/// The buffer is written out when it is longer than this.
const BATCH: usize = 64 * 1024;

/// A buffer that has grown beyond this is given back when it is empty.
const KEEP: usize = 16 * 1024;

/// A stream whose writes wait for [`Unbatched`].
pub(super) struct Batched<S>(Arc<Mutex<Batch<S>>>);

/// Writes out what a stream has batched.
pub(super) struct Batches<S>(Arc<Mutex<Batch<S>>>);

struct Batch<S> {
    stream: S,
    buffer: BytesMut,
    turn: Turn,
    /// What a write outside of the connection's own found wrong: it is told at its next write.
    failed: Option<io::Error>,
}

/// A stream that batches, and the other end of its buffer.
pub(super) fn batched<S>(stream: S) -> (Batched<S>, Batches<S>) {
    let batch = Batch { stream, buffer: BytesMut::new(), turn: Turn::default(), failed: None };
    let batch = Arc::new(Mutex::new(batch));
    (Batched(batch.clone()), Batches(batch))
}

fn lock<S>(batch: &Mutex<Batch<S>>) -> MutexGuard<'_, Batch<S>> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Batch<S> {
    /// Writes the buffer out, as far as the peer takes it.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.buffer.advance(written);
        }
        // What was written shrinks the capacity, but not what is allocated.
        if self.buffer.try_reclaim(KEEP + 1) {
            self.buffer = BytesMut::new();
        }
        // TLS holds on to what its peer has not taken.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.buffer.len() + length > BATCH {
            ready!(self.poll_write_out(cx))?;
        }
        if length > COPY_UP_TO {
            ready!(self.poll_write_out(cx))?;
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        for slice in slices {
            self.buffer.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Batched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut batch = lock(&self.0);
        let Batch { stream, turn, .. } = &mut *batch;
        turn.poll_read(cx, buf, |cx, buf| Pin::new(stream).poll_read(cx, buf))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Batched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_batch(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_batch(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match lock(&self.0).failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut batch = lock(&self.0);
        ready!(batch.poll_write_out(cx))?;
        Pin::new(&mut batch.stream).poll_shutdown(cx)
    }
}

pin_project! {
    /// A connection on a [`Batched`] stream, whose batches it writes out after each poll.
    pub(super) struct Unbatched<C, S> {
        #[pin]
        connection: C,
        batches: Batches<S>,
    }
}

impl<C, S> Unbatched<C, S> {
    pub(super) fn new(connection: C, batches: Batches<S>) -> Self {
        Self { connection, batches }
    }

    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future, S: AsyncWrite + Unpin> Future for Unbatched<C, S> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.project();
        let polled = this.connection.poll(cx);
        let mut batch = lock(&this.batches.0);
        // What the peer does not take now is written when it does: the stream wakes this task.
        if let Poll::Ready(Err(error)) = batch.poll_write_out(cx) {
            batch.buffer.clear();
            batch.failed = Some(error);
            cx.waker().wake_by_ref();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn nothing_is_written_before_the_connection_rests() {
        let (ours, mut peer) = tokio::io::duplex(1 << 20);
        let (mut stream, batches) = batched(ours);
        let connection = async move {
            for part in [&b"one "[..], b"two "] {
                stream.write_all(part).await.unwrap();
                stream.flush().await.unwrap();
            }
            assert_eq!(lock(&stream.0).buffer.len(), 8);
            stream
        };
        let _stream = Unbatched::new(connection, batches).await;
        let mut read = [0; 8];
        peer.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"one two ");
    }

    #[tokio::test]
    async fn whatever_the_sizes_the_bytes_arrive_in_order() {
        let (ours, mut peer) = tokio::io::duplex(1000);
        let (mut stream, batches) = batched(ours);
        let sent: Vec<u8> = (0..500_000).map(|_| fastrand::u8(..)).collect();
        let expected = sent.clone();
        let connection = async move {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (part, more) = rest.split_at(fastrand::usize(1..30_000).min(rest.len()));
                stream.write_all(part).await.unwrap();
                rest = more;
            }
            stream.shutdown().await.unwrap();
        };
        let reading = async {
            let mut read = Vec::new();
            peer.read_to_end(&mut read).await.unwrap();
            read
        };
        let ((), read) = tokio::join!(Unbatched::new(connection, batches), reading);
        assert!(read == expected);
    }

    #[tokio::test]
    async fn a_failed_write_is_told_at_the_next() {
        let (ours, peer) = tokio::io::duplex(1);
        drop(peer);
        let (mut stream, batches) = batched(ours);
        let connection = async move {
            stream.write_all(b"lost").await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(b"more").await.unwrap_err()
        };
        let error = Unbatched::new(connection, batches).await;
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
