//! One connection, from its first byte to its last.

use std::future::{Future, pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::http1;
use super::http2::{self, Serving};
use super::io::{Io, Version, sniff};
use super::lifecycle::Phase;
use crate::BoxError;
use crate::context::Peer;
use crate::farewell::Farewell;
use crate::seldom::Seldom;
use crate::stack;

/// A connection that is drained before it has said what it speaks gets this long to say it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, is drained, or is cut.
pub(super) async fn serve(
    stream: TcpStream,
    addr: SocketAddr,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let drained = async {
        let _ = phase.wait_for(|phase| *phase >= Phase::Draining).await;
        let _ = timeout(LAST_WORDS, phase.wait_for(|phase| *phase == Phase::Stopped)).await;
    };
    let opened = tokio::select! {
        opened = timeout(shared.settings.handshake_timeout, open(stream, addr, &shared)) => opened,
        () = drained => return,
    };
    let served = match opened {
        Ok(Ok((Version::Http2, io, peer))) => {
            let stack = stack::inbound(&shared.stack, peer);
            let connection = http2::serve(io, stack, &shared.settings);
            drive(connection, Serving::graceful_shutdown, &shared, phase).await
        }
        Ok(Ok((Version::Http1, io, peer))) => {
            let stack = stack::inbound(&shared.stack, peer);
            let (connection, takeover) = http1::serve(io, stack, &shared.settings);
            let end = http1::Serving::graceful_shutdown;
            let served = drive(connection, end, &shared, phase.clone()).await;
            if let Some(session) = takeover.take() {
                tokio::select! {
                    () = session => {}
                    _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
                }
            }
            served
        }
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err("the peer took too long to say what it speaks".into()),
    };
    if let Err(error) = served {
        tracing::debug!(peer = %addr, error, "connection ended");
    }
}

/// TLS, if any, and the first bytes.
async fn open(
    stream: TcpStream,
    addr: SocketAddr,
    shared: &Shared,
) -> Result<
    (Version, impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + use<>, Arc<Peer>),
    BoxError,
> {
    stream.set_nodelay(true)?;
    let (io, certificates) = match &shared.tls {
        None => (Io::Plain(stream), Vec::new()),
        Some(tls) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
            let stream = match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => stream,
                Err((error, refused)) => {
                    let _ = timeout(LAST_WORDS, hang_up(refused)).await;
                    return Err(error.into());
                }
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let certificates =
                certificates.unwrap_or_default().iter().map(|c| c.clone().into_owned()).collect();
            (Io::Tls(Box::new(stream)), certificates)
        }
    };
    let (version, io) = sniff(io).await?;
    Ok((version, io, Arc::new(Peer { addr, certificates })))
}

/// Closes a connection behind the alert that says why the peer is turned away.
async fn hang_up(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut farewell = Farewell::default();
    let _ = poll_fn(|cx| farewell.poll(&mut stream, cx)).await;
}

/// Polls the connection, asks it to end when its server drains or its age is reached, and cuts it
/// when it does not.
async fn drive<C, E>(
    connection: C,
    graceful_shutdown: fn(Pin<&mut C>),
    shared: &Shared,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), BoxError>
where
    C: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let mut connection = pin!(connection);
    let why = {
        let draining = phase.wait_for(|phase| *phase >= Phase::Draining);
        let aged = after(shared.settings.max_connection_age.map(with_jitter));
        let asked = Seldom::new(async {
            tokio::select! {
                _ = draining => "draining",
                () = aged => "aged",
            }
        });
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_err(Into::into),
            why = asked => why,
        }
    };
    tracing::trace!(why, "connection is asked to end");
    graceful_shutdown(connection.as_mut());
    let stopped = phase.wait_for(|phase| *phase == Phase::Stopped);
    let grace = after(shared.settings.max_connection_age_grace.filter(|_| why == "aged"));
    tokio::select! {
        biased;
        ended = connection => ended.map_err(Into::into),
        _ = stopped => Err("cut: the drain took too long".into()),
        () = grace => Err("cut: the calls of an aged connection took too long".into()),
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

/// Give or take a tenth, so that connections made together do not end together.
fn with_jitter(age: Duration) -> Duration {
    let share = 0.9 + 0.2 * fastrand::f64();
    Duration::try_from_secs_f64(age.as_secs_f64() * share).unwrap_or(age)
}
