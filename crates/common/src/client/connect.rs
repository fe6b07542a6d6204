//! Opens one HTTP/2 connection.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::pool::Load;
use super::target::Target;
use super::{ChannelSettings, ClientTls};
use crate::BoxError;
use crate::http2::{self, Driver, KeepAlive, NoRequests, Requests, Role, Shared};
use crate::tls::{Reloading, TlsError};

/// The longest that the kernel takes: its count of milliseconds is a C int.
const MOST_SILENCE: Duration = Duration::from_millis(i32::MAX as u64);

const SILENT: &str = "the peer closed the connection before it said anything";

/// TLS of a channel: the reloaded files, and the name that certificates must have.
pub(super) struct Secure {
    pub(super) files: Arc<Reloading<rustls::ClientConfig>>,
    pub(super) name: ServerName<'static>,
}

impl Secure {
    pub(super) fn new(target: &Target, tls: &ClientTls) -> Result<Self, TlsError> {
        Ok(Self { files: tls.load()?, name: tls.server_name(target.tls_name())? })
    }
}

/// A connection that the peer has answered on.
pub(super) struct Connected {
    pub(super) requests: Requests,
    /// How it is used; it says so there when it has ended.
    pub(super) load: Arc<Load>,
}

/// Connects, and waits for the peer's SETTINGS: before them nobody may be there, as when a
/// listener closes with connections still in the kernel's queue, and a call sent too early would
/// be lost without knowing whether it ran. gRPC's channels wait for the same.
pub(super) async fn connect(
    addr: SocketAddr,
    load: Arc<Load>,
    secure: Option<&Secure>,
    settings: &ChannelSettings,
) -> Result<Connected, String> {
    match timeout(settings.connect_timeout, open(addr, load, secure, settings)).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(format!("cannot connect to {addr}: {}", chain(&*error))),
        Err(_) => Err(format!(
            "cannot connect to {addr}: no answer within {:?}",
            settings.connect_timeout
        )),
    }
}

async fn open(
    addr: SocketAddr,
    load: Arc<Load>,
    secure: Option<&Secure>,
    settings: &ChannelSettings,
) -> Result<Connected, BoxError> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    // What is sent and not acknowledged for so long will not be: the way a peer that vanished
    // is noticed without pings, which servers of other makes punish.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(settings.keepalive_timeout.min(MOST_SILENCE)))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(settings.tcp_keepalive))?;
    match secure {
        None => handshake(stream, load, settings).await,
        Some(secure) => {
            // Only who connects needs the files, so that is when they are looked at.
            let files = secure.files.clone();
            tokio::task::spawn_blocking(move || files.reload()).await?;
            let connector = tokio_rustls::TlsConnector::from(secure.files.current());
            let stream = connector.connect(secure.name.clone(), stream).await;
            let stream = stream.map_err(of_tls)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err("the peer does not offer HTTP/2 (ALPN h2)".into());
            }
            handshake(stream, load, settings).await
        }
    }
}

async fn handshake<S>(
    stream: S,
    load: Arc<Load>,
    settings: &ChannelSettings,
) -> Result<Connected, BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (heard, hears) = oneshot::channel();
    let stream = FirstBytes { stream, heard: Some(heard) };
    let connection = Shared::new(http2::Connection::new(http2::Config {
        role: Role::Client,
        max_streams: 0,
        max_headers: settings.max_header_bytes,
        stream_window: 1 << 20,
        connection_window: 4 << 20,
        send_buffer: settings.max_send_buffer_bytes,
    }));
    let timeout = settings.keepalive_timeout;
    let keepalive =
        settings.keepalive_interval.map(|interval| KeepAlive::new(interval, timeout, false));
    let requests = Requests::new(connection.clone());
    let mut driver = Driver::new(stream, connection, NoRequests, keepalive);
    tokio::select! {
        biased;
        ended = &mut driver => {
            return Err(match ended {
                Ok(()) => SILENT.into(),
                Err(http2::Error::Lost(why)) => why.into(),
                Err(error) => error.into(),
            });
        }
        _ = hears => {}
    }
    if requests.connection().with(|connection| connection.is_done()) {
        return Err("the peer ended the connection as soon as it was made".into());
    }
    let ending = load.clone();
    tokio::spawn(async move {
        let ended = driver.await;
        ending.refuse();
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    });
    Ok(Connected { requests, load })
}

/// Tells when the first bytes have come, and refuses those that cannot be HTTP/2.
struct FirstBytes<S> {
    stream: S,
    heard: Option<oneshot::Sender<()>>,
}

impl<S> FirstBytes<S> {
    /// Takes a write that fails before the peer was heard for one that did not: the read that
    /// follows ends with what the peer said before it hung up, such as a TLS alert, or else with
    /// an error of its own.
    fn written<T>(&self, write: Poll<io::Result<T>>, whole: T) -> Poll<io::Result<T>> {
        match write {
            Poll::Ready(Err(_)) if self.heard.is_some() => Poll::Ready(Ok(whole)),
            write => write,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some(heard) = self.heard.take() {
            let error = match buf.filled().get(before) {
                Some(first) => foreign(*first).map(|reason| (ErrorKind::InvalidData, reason)),
                None => Some((ErrorKind::UnexpectedEof, SILENT)),
            };
            if let Some((kind, reason)) = error {
                return Poll::Ready(Err(io::Error::new(kind, reason)));
            }
            let _ = heard.send(());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(write, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(write, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(flush, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What it means that a handshake failed: other protocols are no TLS records.
fn of_tls(error: io::Error) -> BoxError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => {
            "the peer does not speak TLS, and the target says https".into()
        }
        _ => error.into(),
    }
}

/// What a peer speaks whose first byte is not HTTP/2's. A peer begins with a SETTINGS frame, whose
/// length is below 65,536 and so begins with 0 (RFC 9113, sections 3.4 and 4.2).
fn foreign(first: u8) -> Option<&'static str> {
    match first {
        0 => None,
        // An alert (RFC 8446, section 5.1): it took our preface for a broken handshake.
        0x15 => Some("the peer speaks TLS, and the target says plaintext"),
        b'H' => Some("the peer speaks HTTP/1, not HTTP/2"),
        _ => Some("the peer does not speak HTTP/2"),
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
