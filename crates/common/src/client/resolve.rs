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

use super::target::Host;

/// A failed connection may ask for a look-up this often, as gRPC's "DNS resolution" has it.
const LEAST: Duration = Duration::from_secs(1);

/// Resolves the names of a target, again and again.
pub(super) struct Resolver {
    hosts: Vec<Host>,
    every: Duration,
    found: ArcSwap<Found>,
    /// Counts what was found, so that a pool sees by one load that something is new.
    version: AtomicU64,
    changed: Notify,
    hurry: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the last look-up gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) addresses: Vec<SocketAddr>,
    /// Why there are none, or not all.
    pub(super) error: Option<String>,
    /// The addresses of each of the target's hosts.
    by_host: Vec<Vec<SocketAddr>>,
}

impl Resolver {
    pub(super) fn new(hosts: Vec<Host>, every: Duration) -> Arc<Self> {
        let fixed: Option<Vec<_>> = hosts
            .iter()
            .map(|host| match host {
                Host::Address(address) => Some(*address),
                Host::Name { .. } => None,
            })
            .collect();
        let version = u64::from(fixed.is_some());
        let found = Found { addresses: fixed.unwrap_or_default(), ..Found::default() };
        Arc::new(Self {
            hosts,
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
        if self.hosts.iter().all(|host| matches!(host, Host::Address(_))) {
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
            let found = look_up(&resolver.hosts, &resolver.found()).await;
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
        if found.error.is_some() && found.error != last.error && !found.addresses.is_empty() {
            tracing::warn!(error = found.error, "using the addresses that are known");
        }
        let same = found.addresses == last.addresses && found.error == last.error;
        if !same || self.version() == 0 {
            self.found.store(Arc::new(found));
            self.version.fetch_add(1, Ordering::Release);
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

/// Looks all hosts up. One that does not resolve keeps its last addresses, as gRPC keeps what it
/// has when a resolver fails: whether they still serve is for the connections to find out.
async fn look_up(hosts: &[Host], last: &Found) -> Found {
    let mut found = Found::default();
    for (index, host) in hosts.iter().enumerate() {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name { name, port } => match resolve(name, *port).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    found.error = Some(format!("cannot resolve {name}: {error}"));
                    last.by_host.get(index).cloned().unwrap_or_default()
                }
            },
        };
        found.addresses.extend(&addresses);
        found.by_host.push(addresses);
    }
    found.addresses.sort_unstable();
    found.addresses.dedup();
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
        let hosts = [Host::Address(fixed), Host::Name { name: "a".repeat(64), port: 2 }];
        let none = look_up(&hosts, &Found::default()).await;
        assert_eq!(none.addresses, [fixed]);
        assert!(none.error.is_some());

        let known = SocketAddr::from(([127, 0, 0, 2], 2));
        let last = Found { by_host: vec![vec![fixed], vec![known]], ..Found::default() };
        let kept = look_up(&hosts, &last).await;
        assert_eq!(kept.addresses, [fixed, known]);
        assert!(kept.error.is_some());
    }
}
