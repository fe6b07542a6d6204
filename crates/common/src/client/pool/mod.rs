//! One worker's connections to the endpoints of a cluster.

mod balance;
mod endpoint;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::{HeaderMap, Method, Uri};
use tokio::sync::Notify;
use tonic::Status;
use twox_hash::XxHash64;

use super::Upstream;
use super::connect::Connected;
use super::resolve::Found;
use crate::http2::{Answer, Opening, Room, Sender};
use crate::policy::{Balancing, LbPolicy};
use balance::{Balancer, Endpoints, Ready};
use endpoint::Endpoint;
pub(super) use endpoint::{Load, Stream};

/// Endpoints that are asked for a connection until all are looked at.
const DRAWS: usize = 3;

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
    /// Those to be used first come first.
    endpoints: Vec<Endpoint>,
    /// Those of the level in use that a call may go to.
    ready: Ready,
    balancer: Option<(Balancing, Balancer)>,
    unresolved: Option<String>,
    /// Which endpoints of a large cluster are used.
    seed: Option<u64>,
    /// The endpoint that was looked after last.
    tended: usize,
}

/// What a call finds.
enum Pick {
    /// An endpoint with a connection.
    Ready(usize),
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

/// A call to be started.
#[derive(Clone, Copy)]
pub(super) struct Opener<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// It has no body.
    pub(super) ends: bool,
    /// What goes to the same endpoint, where the balancing goes by a hash.
    pub(super) hash: Option<u64>,
}

/// What follows the head of a request that was sent: the rest of it, if there is any, and what
/// comes back.
pub(super) type Sent = (Option<Sender>, Answer);

impl Pool {
    /// Resolves at the next change of the pool after this call.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    /// Sends the head of a request to an endpoint.
    pub(super) fn start(
        self: &Arc<Self>,
        upstream: &Arc<Upstream>,
        call: Opener<'_>,
    ) -> Start<Sent> {
        let mut state = self.lock();
        let measured = upstream.balancing.policy == LbPolicy::PeakEwma;
        loop {
            let endpoint = match state.pick(self, upstream, call.hash) {
                Pick::Ready(index) => state.endpoints.get(index),
                Pick::Wait => return Start::Wait,
                Pick::Failed(status) => return Start::Failed(status),
            };
            let Some((endpoint, connection)) =
                endpoint.and_then(|endpoint| Some((endpoint, endpoint.least_busy()?)))
            else {
                return Start::Wait;
            };
            let shared = connection.requests.connection();
            // gRPC's requests are all POST.
            let opening = shared
                .with(|open| open.open_stream(&Method::POST, call.uri, call.headers, call.ends));
            match opening {
                Opening::Open(key) => {
                    let sender = (!call.ends).then(|| Sender::new(shared.clone(), key));
                    let answer = Answer::new(shared.clone(), key);
                    return Start::Sent((sender, answer), endpoint.stream(connection, measured));
                }
                Opening::Full => {
                    let room = Room::new(shared.clone());
                    return Start::Full(room, endpoint.stream(connection, false));
                }
                // One that has ended or is about to is not picked again.
                Opening::Over => {
                    tracing::debug!("connection takes no more calls");
                    connection.load.refuse();
                }
            }
        }
    }

    /// Whether a call would be sent now.
    pub(super) fn ready(self: &Arc<Self>, upstream: &Arc<Upstream>) -> Start<()> {
        let mut state = self.lock();
        match state.pick(self, upstream, None) {
            Pick::Ready(index) => {
                let endpoint = state.endpoints.get(index);
                match endpoint.and_then(|endpoint| Some((endpoint, endpoint.least_busy()?))) {
                    Some((endpoint, open)) => Start::Sent((), endpoint.stream(open, false)),
                    None => Start::Wait,
                }
            }
            Pick::Wait => Start::Wait,
            Pick::Failed(status) => Start::Failed(status),
        }
    }

    /// A connection attempt ended.
    fn connected(&self, addr: SocketAddr, result: Result<Connected, String>) {
        let mut state = self.lock();
        // The endpoint may be gone by now.
        if let Some(endpoint) = state.endpoints.iter_mut().find(|known| known.host.addr == addr) {
            endpoint.connected(result);
            state.refresh();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The endpoints as a balancer sees them.
struct Seen<'a>(&'a [Endpoint]);

impl Endpoints for Seen<'_> {
    fn weight(&self, index: usize) -> u32 {
        self.0.get(index).map_or(1, |endpoint| endpoint.host.weight)
    }

    fn in_flight(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, Endpoint::streams)
    }

    fn latency(&self, index: usize, now: Instant) -> f64 {
        self.0.get(index).map_or(0.0, |endpoint| endpoint.latency(now))
    }

    fn ready_since(&self, index: usize) -> Option<Instant> {
        self.0.get(index)?.ready_since
    }
}

impl State {
    /// Finds an endpoint for a call, and connects to those that are not connected, or too busy, as
    /// their turn comes.
    fn pick(&mut self, pool: &Arc<Pool>, upstream: &Arc<Upstream>, hash: Option<u64>) -> Pick {
        if self.version != upstream.resolver.version() {
            self.version = upstream.resolver.version();
            self.update(&upstream.resolver.found(), upstream);
        }
        self.tend(pool, upstream);
        let mut lost = false;
        for _ in 0..DRAWS {
            let Some(index) = self.draw(hash) else { break };
            let Some(endpoint) = self.endpoints.get_mut(index) else { break };
            if endpoint.reap() {
                lost = true;
                upstream.resolver.hurry();
            }
            match endpoint.least_busy().map(|connection| connection.is_full()) {
                Some(false) => return Pick::Ready(index),
                Some(true) => endpoint.grow(pool, upstream),
                None => {
                    endpoint.grow(pool, upstream);
                    // What belongs there waits for it.
                    if endpoint.connecting && upstream.balancing.policy.is_hash() {
                        return Pick::Wait;
                    }
                    self.refresh();
                }
            }
        }
        self.search(pool, upstream, lost)
    }

    fn draw(&mut self, hash: Option<u64>) -> Option<usize> {
        let (_, balancer) = self.balancer.as_mut()?;
        balancer.pick(&Seen(&self.endpoints), &self.ready, hash)
    }

    /// Looks after one endpoint at each call, so that those that are down come back, at a cost that
    /// does not grow with their number.
    fn tend(&mut self, pool: &Arc<Pool>, upstream: &Arc<Upstream>) {
        if upstream.balancing.policy == LbPolicy::PickFirst {
            return;
        }
        let level = self.level();
        self.tended = (self.tended + 1).checked_rem(self.endpoints.len()).unwrap_or(0);
        if let Some(endpoint) = self.endpoints.get_mut(self.tended)
            && endpoint.connections.is_empty()
            && level.is_some_and(|level| endpoint.host.priority <= level)
        {
            endpoint.grow(pool, upstream);
        }
    }

    /// Looks at all endpoints, level by level: none that was drawn can take a call.
    fn search(&mut self, pool: &Arc<Pool>, upstream: &Arc<Upstream>, mut lost: bool) -> Pick {
        let one_at_a_time = upstream.balancing.policy == LbPolicy::PickFirst;
        let mut level = None;
        let mut connecting = false;
        // A call can wait for room on one, so a full one will do when all are.
        let mut found: Option<(usize, usize)> = None;
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            if level != Some(endpoint.host.priority) {
                if found.is_some() || connecting {
                    break;
                }
                level = Some(endpoint.host.priority);
            }
            if endpoint.reap() {
                lost = true;
                upstream.resolver.hurry();
            }
            let full = endpoint.least_busy().is_none_or(|connection| connection.is_full());
            if full && !(one_at_a_time && connecting) {
                endpoint.grow(pool, upstream);
            }
            connecting |= endpoint.connecting;
            let Some(streams) = endpoint.least_busy().map(|connection| connection.streams()) else {
                continue;
            };
            if !full {
                found = Some((index, streams));
                break;
            }
            if found.is_none_or(|(_, least)| streams < least) {
                found = Some((index, streams));
            }
        }
        self.refresh();
        if let Some((index, _)) = found {
            // Queued on a full one it would wait for the streams there to end, however idle the
            // connection that is being made.
            let growing = self.endpoints.get(index).is_some_and(|endpoint| {
                endpoint.connecting
                    && endpoint.least_busy().is_none_or(|connection| connection.is_full())
            });
            return if growing { Pick::Wait } else { Pick::Ready(index) };
        }
        upstream.resolver.keep_running();
        if lost {
            // The last connection has just gone, as in a rolling restart: who failed before it
            // may be back by now.
            for endpoint in &mut self.endpoints {
                if one_at_a_time && connecting {
                    break;
                }
                endpoint.backoff.cut_short();
                endpoint.grow(pool, upstream);
                connecting |= endpoint.connecting;
            }
        }
        if connecting || self.version == 0 {
            return Pick::Wait;
        }
        upstream.resolver.hurry();
        Pick::Failed(self.failure())
    }

    /// Why no endpoint can be had.
    fn failure(&self) -> Status {
        let mut errors = self.endpoints.iter().filter_map(|endpoint| endpoint.error.as_deref());
        let error = errors.next_back().or(self.unresolved.as_deref());
        Status::unavailable(error.unwrap_or("the name has no addresses"))
    }

    /// Keeps the endpoints that are still there, with their connections. Those that are gone
    /// close when their last call ends.
    fn update(&mut self, found: &Found, upstream: &Upstream) {
        let old = std::mem::take(&mut self.endpoints).into_iter();
        let mut old: HashMap<_, _> = old.map(|known| (known.host.addr, known)).collect();
        self.unresolved = found.error.clone();
        let mut hosts = found.hosts.clone();
        if let Some(most) = upstream.balancing.subset
            && hosts.len() > most
        {
            // Each worker takes others, and keeps most of them when hosts come and go.
            let seed = *self.seed.get_or_insert_with(|| fastrand::u64(..));
            hosts.sort_by_cached_key(|host| {
                let hash = XxHash64::oneshot(seed, host.addr.to_string().as_bytes());
                (host.priority, hash)
            });
            hosts.truncate(most);
        }
        hosts.sort_by_key(|host| host.priority);
        self.endpoints = hosts
            .into_iter()
            .map(|host| match old.remove(&host.addr) {
                Some(mut known) => {
                    known.host = host;
                    known
                }
                None => Endpoint::new(host, upstream),
            })
            .collect();
        if self.balancer.as_ref().is_none_or(|(made_for, _)| *made_for != upstream.balancing) {
            let balancing = upstream.balancing;
            self.balancer =
                Some((balancing, Balancer::new(balancing.policy, balancing.slow_start)));
        }
        if let Some((_, balancer)) = &mut self.balancer {
            let host = |endpoint: &Endpoint| (endpoint.host.addr.to_string(), endpoint.host.weight);
            balancer.update(self.endpoints.iter().map(host));
        }
        self.refresh();
    }

    /// The priority of the endpoints in use: the first that has one with a connection.
    fn level(&self) -> Option<u32> {
        let first = self.ready.indices.first().and_then(|index| self.endpoints.get(*index));
        first.map(|endpoint| endpoint.host.priority)
    }

    /// Finds out again which endpoints can be called.
    fn refresh(&mut self) {
        let by_hash = self.balancer.as_ref().is_some_and(|(made, _)| made.policy.is_hash());
        // By hash, one that nobody has tried yet is not passed over: others agree on it.
        let usable = |endpoint: &Endpoint| {
            !endpoint.connections.is_empty() || (by_hash && endpoint.error.is_none())
        };
        let level = self.endpoints.iter().find(|endpoint| usable(endpoint));
        let level = level.map(|found| found.host.priority);
        let Ready { indices, heaviest } = &mut self.ready;
        indices.clear();
        *heaviest = 0;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            if usable(endpoint) && Some(endpoint.host.priority) == level {
                indices.push(index);
                *heaviest = endpoint.host.weight.max(*heaviest);
            }
        }
    }
}
