//! The end of a connection that we end first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// What is read and thrown away at most.
const MOST: usize = 16 << 20;

/// Waits, behind what was said last, for the peer to hang up: closed with bytes unread a connection
/// is reset, and the reset overtakes what was said (RFC 9112, section 9.6). For how long is for the
/// caller to bound.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    ignored: usize,
}

impl Farewell {
    /// Resolves when the peer has hung up, or says too much.
    pub(crate) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut unread = [0; 8 * 1024];
        while self.ignored < MOST {
            let mut buffer = ReadBuf::new(&mut unread);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.ignored += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
