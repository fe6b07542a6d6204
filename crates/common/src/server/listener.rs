//! The accept loop: takes connections and hands each to the least loaded worker.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::watch;

use super::Shared;
use super::lifecycle::Phase;
use super::workers::Workers;

/// How many connections the kernel may hold before they are accepted.
const BACKLOG: i32 = 1024;

/// The longest that the kernel takes: its count of milliseconds is a C int.
const MOST_SILENCE: Duration = Duration::from_millis(i32::MAX as u64);

/// Binds a listener that does not block.
///
/// # Errors
/// As the system gives them: the address is in use, not ours, or not allowed.
pub(super) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the server drains, then takes what the kernel has queued already, so that
/// nobody who was let in is turned away, and closes the listener.
pub(super) async fn accept(
    listener: TcpListener,
    workers: Arc<Workers>,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    // A peer that does not read cannot be told to go, so keepalive alone would not be rid of it:
    // the kernel ends what takes none of our bytes for as long as keepalive takes. Connections
    // inherit it from their listener.
    #[cfg(target_os = "linux")]
    if let Some(interval) = shared.settings.keepalive_interval {
        let silence = interval.saturating_add(shared.settings.keepalive_timeout);
        SockRef::from(&listener).set_tcp_user_timeout(Some(silence.min(MOST_SILENCE)))?;
    }
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => break,
            accepted = listener.accept() => accepted,
        };
        // The worker registers the connection with its own event queue.
        match accepted.and_then(|(stream, addr)| Ok((stream.into_std()?, addr))) {
            Ok((stream, addr)) => admit(stream, addr, &workers, &shared),
            Err(error) => pause_after(&error).await,
        }
    }
    let listener = listener.into_std()?;
    while let Ok((stream, addr)) = listener.accept() {
        stream.set_nonblocking(true)?;
        admit(stream, addr, &workers, &shared);
    }
    Ok(())
}

fn admit(stream: TcpStream, addr: SocketAddr, workers: &Workers, shared: &Shared) {
    let open = workers.connections();
    if open >= shared.settings.max_connections {
        shared.refused_connections.add(1);
        tracing::debug!(peer = %addr, open, "connection refused: too many are open");
        return;
    }
    workers.assign(stream, addr);
}

/// Out of file descriptors or memory, accepting again at once would only spin.
pub(super) async fn pause_after(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !of_the_peer {
        tracing::warn!(%error, "cannot accept connections for now");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
