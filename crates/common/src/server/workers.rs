//! The threads that serve, and who has how many connections.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};

use super::Shared;
use super::connection;
use super::lifecycle::Phase;
use super::settings::Runtime;
use crate::telemetry::metrics::Gauge;
use crate::worker;

type Accepted = (TcpStream, SocketAddr);

/// The workers of one server.
pub(super) struct Workers {
    workers: Vec<Worker>,
    next: AtomicUsize,
}

struct Worker {
    connections: Arc<AtomicUsize>,
    accepted: mpsc::UnboundedSender<Accepted>,
}

/// Ends when every worker has.
pub(super) struct Ended(Vec<oneshot::Receiver<()>>);

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<(Self, Ended)> {
        let count = match shared.settings.runtime {
            Runtime::PerCore => shared.settings.workers,
            // One queue: the runtime itself shares out what comes.
            Runtime::Shared => 1,
        };
        let mut workers = Vec::with_capacity(count);
        let mut ended = Vec::with_capacity(count);
        for index in 0..count {
            let (accepted, queue) = mpsc::unbounded_channel();
            let connections = Arc::new(AtomicUsize::new(0));
            let phase = shared.lifecycle.subscribe(1 + index);
            let serving = serve(queue, connections.clone(), shared.clone(), phase);
            ended.push(run(index, serving, shared)?);
            workers.push(Worker { connections, accepted });
        }
        Ok((Self { workers, next: AtomicUsize::new(0) }, Ended(ended)))
    }

    pub(super) fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections.load(Ordering::Relaxed)).sum()
    }

    /// Hands the connection to the worker that has the fewest, the next one of several.
    pub(super) fn assign(&self, stream: TcpStream, addr: SocketAddr) {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        let (before, after) = self.workers.split_at(start);
        let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        if let Some(worker) = after.iter().chain(before).min_by_key(load) {
            worker.connections.fetch_add(1, Ordering::Relaxed);
            if worker.accepted.send((stream, addr)).is_err() {
                worker.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Ended {
    pub(super) async fn wait(self) {
        for worker in self.0 {
            // An error too means that the thread is gone.
            let _ = worker.await;
        }
    }
}

/// Serves what is accepted until the accept loop is gone and every connection has ended.
async fn serve(
    mut queue: mpsc::UnboundedReceiver<Accepted>,
    connections: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
) {
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    while let Some((stream, addr)) = queue.recv().await {
        let counted = Counted::new(connections.clone(), shared.connections.clone());
        let (shared, phase, open) = (shared.clone(), phase.clone(), open.clone());
        tokio::spawn(async move {
            let (_counted, _open) = (counted, open);
            match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => connection::serve(stream, addr, shared, phase).await,
                Err(error) => tracing::warn!(peer = %addr, %error, "connection lost"),
            }
        });
    }
    drop(open);
    all_closed.recv().await;
}

/// A connection, as the metrics and the accept loop, which counted it already, count it.
struct Counted {
    by_accept: Arc<AtomicUsize>,
    gauge: Gauge,
}

impl Counted {
    fn new(by_accept: Arc<AtomicUsize>, gauge: Gauge) -> Self {
        gauge.add(1);
        Self { by_accept, gauge }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.by_accept.fetch_sub(1, Ordering::Relaxed);
        self.gauge.add(-1);
    }
}

/// Runs a worker on a thread of its own, with a runtime of its own.
fn run(
    index: usize,
    serving: impl Future<Output = ()> + Send + 'static,
    shared: &Arc<Shared>,
) -> io::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel();
    let runtime = match shared.settings.runtime {
        Runtime::PerCore => runtime::Builder::new_current_thread().enable_all().build()?,
        Runtime::Shared => runtime::Builder::new_multi_thread()
            .worker_threads(shared.settings.workers)
            .thread_name("ahoy-shared")
            .on_thread_start(worker::enroll)
            .enable_all()
            .build()?,
    };
    let shared_runtime = shared.settings.runtime == Runtime::Shared;
    thread::Builder::new().name(format!("ahoy-worker-{index}")).spawn(move || {
        worker::enroll();
        if shared_runtime {
            // On the runtime's threads rather than on this one.
            let serving = runtime.spawn(serving);
            let _ = runtime.block_on(serving);
        } else {
            runtime.block_on(serving);
        }
        // Handlers may have spawned what never ends; a stopped server does not wait for it.
        runtime.shutdown_background();
        let _ = end.send(());
    })?;
    Ok(ended)
}
