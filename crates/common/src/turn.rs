//! Lets the calls of a connection have their turn before it reads on.
//!
//! HTTP/2 connections read for as long as there are bytes. h2 ends one on which too many small
//! frames wait for who reads them, and who had no turn yet must not look like one who does not
//! read: a burst of messages that fits into the window would be the end of the connection.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::task::yield_now;

/// What a connection reads in one turn, and a read more. In frames of a byte that is less than h2
/// allows to wait: for each 256 bytes, of half of the connection's window.
const BYTES: usize = 24 * 1024;

/// How much of its turn a connection has used.
#[derive(Default)]
pub(crate) struct Turn(usize);

impl Turn {
    /// Reads, unless it is time to let others run first.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        read: impl FnOnce(&mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if self.0 >= BYTES {
            self.0 = 0;
            // Behind all that can run, where waking ourselves would only be behind the next few.
            let _ = pin!(yield_now()).poll(cx);
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = read(cx, buf);
        match polled {
            // What waits for its peer lets others run anyway.
            Poll::Pending => self.0 = 0,
            Poll::Ready(_) => self.0 += buf.filled().len().saturating_sub(before),
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn every_turn_ends_and_another_comes() {
        let (mut turn, mut reads, mut pauses) = (Turn::default(), 0, 0);
        let mut bytes = [0; 8 * 1024];
        while reads < 9 {
            poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut bytes);
                let polled = turn.poll_read(cx, &mut buf, |_, buf| {
                    reads += 1;
                    buf.set_filled(buf.capacity());
                    Poll::Ready(Ok(()))
                });
                pauses += usize::from(polled.is_pending());
                polled
            })
            .await
            .ok();
        }
        assert_eq!((reads, pauses), (9, 2));
    }
}
