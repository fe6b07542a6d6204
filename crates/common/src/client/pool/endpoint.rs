//! One endpoint of a cluster: its connections, and how busy they are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Pool;
use crate::client::Upstream;
use crate::client::backoff::Backoff;
use crate::client::connect::{Connected, connect};
use crate::client::resolve::Host;
use crate::http2::Requests;

/// How fast the moving average of latencies forgets.
const DECAY: Duration = Duration::from_secs(10);

pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) connections: Vec<Connection>,
    pub(super) connecting: bool,
    pub(super) backoff: Backoff,
    pub(super) error: Option<String>,
    pub(super) ready_since: Option<Instant>,
    latency: Arc<Latency>,
}

pub(super) struct Connection {
    pub(super) requests: Requests,
    pub(super) load: Arc<Load>,
}

/// How a connection is used.
pub(in crate::client) struct Load {
    streams: AtomicUsize,
    /// Calls at a time that the peer allowed when it was asked last.
    most: AtomicUsize,
    refused: AtomicBool,
    pool: Weak<Pool>,
}

impl Load {
    fn new(pool: &Arc<Pool>) -> Arc<Self> {
        Arc::new(Self {
            streams: AtomicUsize::new(0),
            most: AtomicUsize::new(usize::MAX),
            refused: AtomicBool::new(false),
            pool: Arc::downgrade(pool),
        })
    }

    pub(in crate::client) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// It takes no more calls and must not be offered again.
    pub(in crate::client) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}

impl Endpoint {
    pub(super) fn new(host: Host, upstream: &Upstream) -> Self {
        let settings = &upstream.settings;
        Self {
            host,
            connections: Vec::new(),
            connecting: false,
            backoff: Backoff::new(settings.backoff_base, settings.backoff_max),
            error: None,
            ready_since: None,
            latency: Arc::default(),
        }
    }

    /// Forgets connections that have ended or are being ended; says whether there were any.
    pub(super) fn reap(&mut self) -> bool {
        let before = self.connections.len();
        self.connections.retain(Connection::is_open);
        self.connections.len() < before
    }

    pub(super) fn least_busy(&self) -> Option<&Connection> {
        self.connections.iter().min_by_key(|connection| connection.streams())
    }

    /// Calls in flight.
    pub(super) fn streams(&self) -> usize {
        self.connections.iter().map(Connection::streams).sum()
    }

    /// What it takes to answer; see [`super::balance::Endpoints::latency`].
    pub(super) fn latency(&self, now: Instant) -> f64 {
        self.latency.now(now)
    }

    /// A call on one of its connections.
    pub(super) fn stream(&self, connection: &Connection, measured: bool) -> Stream {
        connection.load.streams.fetch_add(1, Ordering::Relaxed);
        let measured = measured.then(|| (self.latency.clone(), Instant::now()));
        Stream { load: connection.load.clone(), measured }
    }

    /// Connects once more, if it may.
    pub(super) fn grow(&mut self, pool: &Arc<Pool>, upstream: &Arc<Upstream>) {
        let full = self.connections.len() >= upstream.settings.max_connections_per_endpoint;
        if self.connecting || full || !self.backoff.is_over(Instant::now()) {
            return;
        }
        self.connecting = true;
        let load = Load::new(pool);
        let (addr, pool, upstream) = (self.host.addr, pool.clone(), upstream.clone());
        tokio::spawn(async move {
            // Should this task be dropped with its runtime, others may still want to connect.
            let attempt = Attempt { pool: Some(pool), addr };
            let result = connect(addr, load, upstream.secure.as_ref(), &upstream.settings).await;
            if result.is_err() {
                upstream.resolver.hurry();
            }
            attempt.ended(result);
        });
    }

    /// An attempt to connect has ended.
    pub(super) fn connected(&mut self, result: Result<Connected, String>) {
        self.connecting = false;
        match result {
            Ok(Connected { requests, load }) => {
                self.backoff.succeeded();
                self.error = None;
                if self.connections.is_empty() {
                    self.ready_since = Some(Instant::now());
                }
                self.connections.push(Connection { requests, load });
            }
            Err(error) => {
                tracing::debug!(endpoint = %self.host.addr, error, "connection failed");
                self.backoff.failed(Instant::now());
                self.error = Some(error);
            }
        }
    }
}

struct Attempt {
    pool: Option<Arc<Pool>>,
    addr: std::net::SocketAddr,
}

impl Attempt {
    fn ended(mut self, result: Result<Connected, String>) {
        if let Some(pool) = self.pool.take() {
            pool.connected(self.addr, result);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.connected(self.addr, Err("the attempt to connect was dropped".into()));
        }
    }
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        !self.load.refused.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> usize {
        self.load.streams()
    }

    pub(super) fn is_full(&self) -> bool {
        // The peer may change it at any time.
        let most = self.requests.max_streams().max(1);
        self.load.most.store(most, Ordering::Relaxed);
        self.streams() >= most
    }
}

/// A call on a connection; when it is dropped, the call is over.
pub(in crate::client) struct Stream {
    load: Arc<Load>,
    /// Since when it is measured what it takes to answer, if the balancer wants to know.
    measured: Option<(Arc<Latency>, Instant)>,
}

impl Stream {
    /// The peer has answered.
    pub(in crate::client) fn answered(&mut self) {
        if let Some((latency, since)) = self.measured.take() {
            latency.observe(since.elapsed(), Instant::now());
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // One that was given up took so long at least.
        self.answered();
        let streams = self.load.streams.fetch_sub(1, Ordering::Relaxed);
        // There is room where there was none, and somebody may wait for another connection.
        if streams >= self.load.most.load(Ordering::Relaxed)
            && let Some(pool) = self.load.pool.upgrade()
        {
            pool.changed.notify_waiters();
        }
    }
}

/// What an endpoint takes to answer: a moving average that time lets decay and that a peak replaces
/// at once (peak EWMA, as Finagle and linkerd have it).
#[derive(Default)]
struct Latency(Mutex<Option<(f64, Instant)>>);

impl Latency {
    fn with<T>(&self, run: impl FnOnce(&mut Option<(f64, Instant)>) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self, now: Instant) -> f64 {
        self.with(|last| last.map_or(0.0, |(nanos, at)| nanos * left(at, now)))
    }

    fn observe(&self, latency: Duration, now: Instant) {
        let latency = latency.as_nanos() as f64;
        self.with(|last| {
            let average = match *last {
                Some((nanos, at)) if latency < nanos => {
                    let left = left(at, now);
                    nanos * left + latency * (1.0 - left)
                }
                _ => latency,
            };
            *last = Some((average, now));
        });
    }
}

/// How much of an average is left after a time.
fn left(since: Instant, now: Instant) -> f64 {
    (-(now.saturating_duration_since(since).as_secs_f64() / DECAY.as_secs_f64())).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_follows_a_peak_at_once_and_forgets_it_with_time() {
        let (latency, start) = (Latency::default(), Instant::now());
        let ms = |ms: u64| Duration::from_millis(ms);
        assert_eq!(latency.now(start), 0.0);
        latency.observe(ms(1), start);
        latency.observe(ms(100), start);
        assert_eq!(latency.now(start), 100e6);
        latency.observe(ms(1), start + DECAY);
        let after = latency.now(start + DECAY);
        assert!((30e6..45e6).contains(&after), "{after}");
        assert!(latency.now(start + DECAY * 20) < 1e3);
    }
}
