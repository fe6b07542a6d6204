//! One worker's connections to the endpoints of a channel, used in turn.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use http::{HeaderMap, Method, Uri};
use tokio::sync::Notify;
use tonic::Status;

use super::Upstream;
use super::backoff::Backoff;
use super::connect::{Connected, connect};
use super::resolve::Found;
use crate::http2::{Answer, Opening, Requests, Room, Sender};

/// The connections of one worker. Only that worker takes the lock, but for threads that are no
/// workers, which share a pool.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The resolver's version that `endpoints` are from.
    version: u64,
    endpoints: Vec<Endpoint>,
    unresolved: Option<String>,
    next: usize,
}

struct Endpoint {
    addr: SocketAddr,
    connections: Vec<Connection>,
    connecting: bool,
    backoff: Backoff,
    error: Option<String>,
}

struct Connection {
    requests: Requests,
    load: Arc<Load>,
}

/// How a connection is used.
pub(super) struct Load {
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

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// It takes no more calls and must not be offered again.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}

/// A call on a connection; when it is dropped, the call is over.
pub(super) struct Stream(Arc<Load>);

enum Pick<'a> {
    Ready(&'a mut Connection),
    Wait,
    Failed(Status),
}

/// What became of a call that was to be started.
pub(super) enum Start<S> {
    /// It is on its way.
    Sent(S, Stream),
    /// All connections have as many calls as their peers take; this is the one to wait for.
    Full(Room, Stream),
    /// No connection is ready yet; one may be when the pool has changed.
    Wait,
    /// None is ready, and none is being made.
    Failed(Status),
}

/// What follows the head of a request that was sent: the rest of it, if there is any, and what
/// comes back.
pub(super) type Sent = (Option<Sender>, Answer);

impl Pool {
    /// Resolves at the next change of the pool after this call.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    /// Sends the head of a request to the endpoint whose turn it is; `ends`: it has no body.
    pub(super) fn start(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        uri: &Uri,
        headers: &HeaderMap,
        ends: bool,
    ) -> Start<Sent> {
        let mut state = self.lock();
        loop {
            match self.pick(&mut state, upstream) {
                Pick::Ready(connection) => {
                    let shared = connection.requests.connection();
                    // gRPC's requests are all POST.
                    let opening =
                        shared.with(|open| open.open_stream(&Method::POST, uri, headers, ends));
                    match opening {
                        Opening::Open(key) => {
                            let sender = (!ends).then(|| Sender::new(shared.clone(), key));
                            let answer = Answer::new(shared.clone(), key);
                            return Start::Sent((sender, answer), Stream::new(connection));
                        }
                        Opening::Full => {
                            let room = Room::new(shared.clone());
                            return Start::Full(room, Stream::new(connection));
                        }
                        // One that has ended or is about to is not picked again.
                        Opening::Over => {
                            tracing::debug!("connection takes no more calls");
                            connection.load.refuse();
                        }
                    }
                }
                Pick::Wait => return Start::Wait,
                Pick::Failed(status) => return Start::Failed(status),
            }
        }
    }

    /// Whether a call would be sent now.
    pub(super) fn ready(self: &Arc<Self>, upstream: &Arc<Upstream>) -> Start<()> {
        match self.pick(&mut self.lock(), upstream) {
            Pick::Ready(connection) => Start::Sent((), Stream::new(connection)),
            Pick::Wait => Start::Wait,
            Pick::Failed(status) => Start::Failed(status),
        }
    }

    /// Finds the connection whose turn it is, and connects to endpoints that are not connected,
    /// or too busy, as their turn comes.
    fn pick<'a>(self: &Arc<Self>, state: &'a mut State, upstream: &Arc<Upstream>) -> Pick<'a> {
        if state.version != upstream.resolver.version() {
            state.version = upstream.resolver.version();
            state.update(&upstream.resolver.found(), upstream);
        }
        state.next = state.next.wrapping_add(1);
        let first = state.next.checked_rem(state.endpoints.len()).unwrap_or(0);
        let (mut connecting, mut lost) = (false, false);
        let mut found: Option<(usize, usize)> = None;
        let (before, after) = state.endpoints.split_at_mut(first);
        for (turn, endpoint) in after.iter_mut().chain(before).enumerate() {
            if endpoint.reap() {
                lost = true;
                upstream.resolver.hurry();
            }
            let least = endpoint.least_busy();
            if least.is_none_or(|connection| connection.is_full()) {
                endpoint.grow(self, upstream);
            }
            connecting |= endpoint.connecting;
            // A call can wait for room on one, so a full one will do when all are.
            if let Some(connection) = endpoint.least_busy() {
                let streams = connection.streams();
                if !connection.is_full() {
                    found = Some((turn, streams));
                    break;
                }
                if found.is_none_or(|(_, least)| streams < least) {
                    found = Some((turn, streams));
                }
            }
        }
        if let Some((turn, _)) = found {
            let index = (first + turn).checked_rem(state.endpoints.len()).unwrap_or(0);
            let Some(endpoint) = state.endpoints.get_mut(index) else { return Pick::Wait };
            let growing = endpoint.connecting;
            return match endpoint.least_busy_mut() {
                // Queued on a full one it would wait for the streams there to end, however idle
                // the connection that is being made.
                Some(connection) if growing && connection.is_full() => Pick::Wait,
                Some(connection) => Pick::Ready(connection),
                None => Pick::Wait,
            };
        }
        upstream.resolver.keep_running();
        if lost {
            // The last connection has just gone, as in a rolling restart: who failed before it
            // may be back by now.
            for endpoint in &mut state.endpoints {
                endpoint.backoff.cut_short();
                endpoint.grow(self, upstream);
                connecting |= endpoint.connecting;
            }
        }
        if connecting || state.version == 0 {
            return Pick::Wait;
        }
        upstream.resolver.hurry();
        Pick::Failed(state.failure())
    }

    /// A connection attempt ended.
    fn connected(&self, addr: SocketAddr, result: Result<Connected, String>) {
        let mut state = self.lock();
        // The endpoint may be gone by now.
        if let Some(endpoint) = state.endpoints.iter_mut().find(|known| known.addr == addr) {
            endpoint.connecting = false;
            match result {
                Ok(Connected { requests, load }) => {
                    endpoint.backoff.succeeded();
                    endpoint.error = None;
                    endpoint.connections.push(Connection { requests, load });
                }
                Err(error) => {
                    tracing::debug!(endpoint = %addr, error, "connection failed");
                    endpoint.backoff.failed(Instant::now());
                    endpoint.error = Some(error);
                }
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why no endpoint can be had.
    fn failure(&self) -> Status {
        let mut errors = self.endpoints.iter().filter_map(|endpoint| endpoint.error.as_deref());
        let error = errors.next_back().or(self.unresolved.as_deref());
        Status::unavailable(error.unwrap_or("the name has no addresses"))
    }

    /// Keeps the endpoints that are still there, with their connections. Those that are gone
    /// close when their last call ends.
    fn update(&mut self, found: &Found, upstream: &Upstream) {
        let mut old = std::mem::take(&mut self.endpoints);
        self.unresolved = found.error.clone();
        self.endpoints = found
            .addresses
            .iter()
            .map(|addr| match old.iter().position(|endpoint| endpoint.addr == *addr) {
                Some(index) => old.swap_remove(index),
                None => Endpoint::new(*addr, upstream),
            })
            .collect();
        // Channels that start together would all begin with the same endpoint.
        self.next = fastrand::usize(..);
    }
}

impl Endpoint {
    fn new(addr: SocketAddr, upstream: &Upstream) -> Self {
        let settings = &upstream.settings;
        Self {
            addr,
            connections: Vec::new(),
            connecting: false,
            backoff: Backoff::new(settings.backoff_base, settings.backoff_max),
            error: None,
        }
    }

    /// Forgets connections that have ended or are being ended; says whether there were any.
    fn reap(&mut self) -> bool {
        let before = self.connections.len();
        self.connections.retain(Connection::is_open);
        self.connections.len() < before
    }

    fn least_busy(&self) -> Option<&Connection> {
        self.connections.iter().min_by_key(|connection| connection.streams())
    }

    fn least_busy_mut(&mut self) -> Option<&mut Connection> {
        self.connections.iter_mut().min_by_key(|connection| connection.streams())
    }

    /// Connects once more, if it may.
    fn grow(&mut self, pool: &Arc<Pool>, upstream: &Arc<Upstream>) {
        let full = self.connections.len() >= upstream.settings.max_connections_per_endpoint;
        if self.connecting || full || !self.backoff.is_over(Instant::now()) {
            return;
        }
        self.connecting = true;
        let load = Load::new(pool);
        let (addr, pool, upstream) = (self.addr, pool.clone(), upstream.clone());
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
}

struct Attempt {
    pool: Option<Arc<Pool>>,
    addr: SocketAddr,
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
    fn is_open(&self) -> bool {
        !self.load.refused.load(Ordering::Relaxed)
    }

    fn streams(&self) -> usize {
        self.load.streams()
    }

    fn is_full(&self) -> bool {
        // The peer may change it at any time.
        let most = self.requests.max_streams().max(1);
        self.load.most.store(most, Ordering::Relaxed);
        self.streams() >= most
    }
}

impl Stream {
    fn new(connection: &Connection) -> Self {
        connection.load.streams.fetch_add(1, Ordering::Relaxed);
        Self(connection.load.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = self.0.streams.fetch_sub(1, Ordering::Relaxed);
        // There is room where there was none, and somebody may wait for another connection.
        if streams >= self.0.most.load(Ordering::Relaxed)
            && let Some(pool) = self.0.pool.upgrade()
        {
            pool.changed.notify_waiters();
        }
    }
}
