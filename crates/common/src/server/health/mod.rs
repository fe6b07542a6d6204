//! Tells whether services take calls: `grpc.health.v1`.
//!
//! Written on tonic-health's generated types rather than its server, because that one ends a
//! Watch of an unknown service with an error, where the protocol says to wait, does not end
//! watchers in a drain, and has no List.

mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tonic_health::pb::health_check_response::ServingStatus as PbStatus;

pub use service::{HealthService, descriptor_set};

/// Whether a service takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServingStatus {
    /// It does.
    Serving,
    /// It does not, for now.
    NotServing,
}

impl From<ServingStatus> for PbStatus {
    fn from(status: ServingStatus) -> Self {
        match status {
            ServingStatus::Serving => Self::Serving,
            ServingStatus::NotServing => Self::NotServing,
        }
    }
}

/// The health of a server and of each of its services; clones share it.
///
/// A new one knows only the server as a whole, whose name is empty, as serving.
#[derive(Clone, Debug)]
pub struct Health {
    /// One channel for all services: a watcher looks for its own in it, so that a name that
    /// nobody knows costs nothing but its watcher.
    board: Arc<watch::Sender<Board>>,
}

#[derive(Debug)]
struct Board {
    services: BTreeMap<String, ServingStatus>,
    draining: bool,
}

impl Default for Health {
    fn default() -> Self {
        let services = BTreeMap::from([(String::new(), ServingStatus::Serving)]);
        Self { board: Arc::new(watch::Sender::new(Board { services, draining: false })) }
    }
}

impl Health {
    /// Sets the status of a service, by its full name, `hello.v1.HelloService`, or of the whole
    /// server, whose name is empty. Ignored after [`Health::drain`].
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        let service = service.into();
        self.board.send_if_modified(|board| {
            !board.draining && board.services.insert(service, status) != Some(status)
        });
    }

    /// Sets the status of the whole server and of every service known so far. Ignored after
    /// [`Health::drain`].
    pub fn set_all(&self, status: ServingStatus) {
        self.board.send_if_modified(|board| {
            if board.draining {
                return false;
            }
            board.services.values_mut().for_each(|service| *service = status);
            true
        });
    }

    /// Reports everything as not serving, for good, and ends every Watch once it has said so:
    /// they would otherwise hold up the drain until its limit, and their clients watch again
    /// wherever they connect next.
    pub fn drain(&self) {
        self.board.send_if_modified(|board| {
            board.services.values_mut().for_each(|status| *status = ServingStatus::NotServing);
            !std::mem::replace(&mut board.draining, true)
        });
    }

    /// The status of a service; `None` if it is not known.
    pub fn get(&self, service: &str) -> Option<ServingStatus> {
        self.board.borrow().services.get(service).copied()
    }

    fn watcher(&self, service: String) -> Watcher {
        Watcher { board: self.board.subscribe(), service, last: None }
    }
}

/// One Watch: what it was told last, to tell it only of changes. A slow one misses those that were
/// taken back before it looked, and holds no queue of them.
struct Watcher {
    board: watch::Receiver<Board>,
    service: String,
    last: Option<PbStatus>,
}

impl Watcher {
    /// Waits for the next status to tell; `None` ends the Watch.
    async fn next(&mut self) -> Option<PbStatus> {
        loop {
            let (status, draining) = {
                let board = self.board.borrow_and_update();
                let status = board.services.get(&self.service).copied();
                (status.map_or(PbStatus::ServiceUnknown, PbStatus::from), board.draining)
            };
            if self.last != Some(status) {
                self.last = Some(status);
                return Some(status);
            }
            if draining {
                return None;
            }
            self.board.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests;
