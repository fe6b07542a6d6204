//! The addresses behind a target, kept up to date.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::policy;
use crate::policy::Source;

/// A failed connection may ask for a look-up this often, as gRPC's "DNS resolution" has it.
const LEAST: Duration = Duration::from_secs(1);

/// Resolves the names of a target, again and again.
pub(super) struct Resolver {
    sources: Vec<Source>,
    every: Duration,
    found: ArcSwap<Found>,
    /// A number of its own for each thing found by any resolver, so that a pool sees by one load
    /// that something is new.
    version: AtomicU64,
    changed: Notify,
    hurry: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the last look-up gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) hosts: Vec<Host>,
    /// Why there are none, or not all.
    pub(super) error: Option<String>,
    /// The addresses of each source.
    by_source: Vec<Vec<SocketAddr>>,
}

/// An endpoint that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    pub(super) addr: SocketAddr,
    pub(super) weight: u32,
    pub(super) priority: u32,
}

/// Numbers what is found.
fn next_version() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

impl Resolver {
    pub(super) fn new(sources: Vec<Source>, every: Duration) -> Arc<Self> {
        let fixed: Option<Vec<_>> = sources
            .iter()
            .map(|source| match source.host {
                policy::Host::Address(addr) => Some(source.at(addr)),
                policy::Host::Name { .. } => None,
            })
            .collect();
        let version = if fixed.is_some() { next_version() } else { 0 };
        let found = Found { hosts: fixed.unwrap_or_default(), ..Found::default() };
        Arc::new(Self {
            sources,
            every,
            found: ArcSwap::from_pointee(found),
            version: AtomicU64::new(version),
            changed: Notify::new(),
            hurry: Arc::new(Notify::new()),
            task: Mutex::new(None),
        })
    }

    /// 0 before anything was looked up.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn found(&self) -> Arc<Found> {
        self.found.load_full()
    }

    /// Resolves at the next change.
    pub(super) async fn wait(&self, seen: u64) {
        let changed = self.changed.notified();
        if self.version() == seen {
            changed.await;
        }
    }

    /// Asks for a look-up before its time: a connection failed.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Sees to it that names are looked up, on the runtime of the caller. What was started on a
    /// runtime that is gone is started again.
    pub(super) fn keep_running(self: &Arc<Self>) {
        if self.sources.iter().all(|source| matches!(source.host, policy::Host::Address(_))) {
            return;
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(Self::run(Arc::downgrade(self))));
        }
    }

    async fn run(this: Weak<Self>) {
        let mut failures = 0;
        loop {
            // Held only while looking up, so that a channel that is dropped ends this task.
            let Some(resolver) = this.upgrade() else { return };
            let (every, hurry) = (resolver.every.max(LEAST), resolver.hurry.clone());
            let found = look_up(&resolver.sources, &resolver.found()).await;
            failures = if found.error.is_some() { failures + 1 } else { 0 };
            resolver.publish(found);
            drop(resolver);
            sleep(LEAST).await;
            // A name that does not resolve is often that of a replica that is being restarted.
            let retry = LEAST.saturating_mul(1 << failures.min(16));
            let next = if failures > 0 { retry.min(every) } else { every };
            if timeout(next.saturating_sub(LEAST), hurry.notified()).await.is_ok() {
                tracing::debug!("a connection failed: looking the names up again");
            }
        }
    }

    fn publish(&self, found: Found) {
        let last = self.found.load();
        if found.error.is_some() && found.error != last.error && !found.hosts.is_empty() {
            tracing::warn!(error = found.error, "using the addresses that are known");
        }
        let same = found.hosts == last.hosts && found.error == last.error;
        if !same || self.version() == 0 {
            self.found.store(Arc::new(found));
            self.version.store(next_version(), Ordering::Release);
            self.changed.notify_waiters();
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Source {
    fn at(&self, addr: SocketAddr) -> Host {
        Host { addr, weight: self.weight, priority: self.priority }
    }
}

/// Looks all sources up. One that does not resolve keeps its last addresses, as gRPC keeps what it
/// has when a resolver fails: whether they still serve is for the connections to find out.
async fn look_up(sources: &[Source], last: &Found) -> Found {
    let mut found = Found::default();
    for (index, source) in sources.iter().enumerate() {
        let addresses = match &source.host {
            policy::Host::Address(address) => vec![*address],
            policy::Host::Name { name, port } => match resolve(name, *port).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    found.error = Some(format!("cannot resolve {name}: {error}"));
                    last.by_source.get(index).cloned().unwrap_or_default()
                }
            },
        };
        found.hosts.extend(addresses.iter().map(|addr| source.at(*addr)));
        found.by_source.push(addresses);
    }
    found.hosts.sort_unstable();
    found.hosts.dedup_by_key(|host| host.addr);
    found
}

async fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_does_not_resolve_keeps_its_addresses() {
        let fixed = SocketAddr::from(([127, 0, 0, 1], 1));
        // Longer than a label of a name may be, so that no server is asked.
        let unknown = policy::Host::Name { name: "a".repeat(64), port: 2 };
        let sources = [policy::Host::Address(fixed).into(), unknown.into()];
        let addresses =
            |found: &Found| found.hosts.iter().map(|host| host.addr).collect::<Vec<_>>();
        let none = look_up(&sources, &Found::default()).await;
        assert_eq!(addresses(&none), [fixed]);
        assert!(none.error.is_some());

        let known = SocketAddr::from(([127, 0, 0, 2], 2));
        let last = Found { by_source: vec![vec![fixed], vec![known]], ..Found::default() };
        let kept = look_up(&sources, &last).await;
        assert_eq!(addresses(&kept), [fixed, known]);
        assert!(kept.error.is_some());
    }
}
