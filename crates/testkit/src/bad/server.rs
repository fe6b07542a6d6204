use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Peer;

/// A server that follows a script with each of its connections; it ends with this.
pub struct BadServer {
    addr: SocketAddr,
    accepting: AbortHandle,
}

impl BadServer {
    /// Serves on a free port of loopback. A connection is closed when its script ends.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn start<F>(script: impl Fn(Peer) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(peer) = Peer::on(stream) {
                    tokio::spawn(script(peer));
                }
            }
        });
        Ok(Self { addr, accepting: accepting.abort_handle() })
    }

    /// Where it serves.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for BadServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
