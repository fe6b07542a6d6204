//! A server that runs: how it starts, drains and stops.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::health::{Health, ServingStatus};
use super::lifecycle::{Lifecycle, Phase};
use super::reflection::{self, Reflection};
use super::settings::Runtime;
use super::workers::{Ended, Workers};
use super::{ClientAuth, Server, ServerError, ServerSettings, ServerTls, Shared, admin, listener};
use crate::layers::telemetry::ServerTelemetryLayer;
use crate::layers::validation::ValidationLayer;
use crate::protocol::contracts::Contracts;
use crate::protocol::docs::{Docs, Security};
use crate::protocol::edge::{self, EdgeLayer};
use crate::protocol::rest::Rest;
use crate::stack::InboundParts;
use crate::telemetry::ServiceName;
use crate::tls::RELOAD_INTERVAL;

/// A running server. Dropping it cuts every connection.
pub struct Running {
    name: String,
    addr: SocketAddr,
    admin: Option<SocketAddr>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

pub(super) async fn start(mut server: Server) -> Result<Running, ServerError> {
    let settings = match server.settings.take() {
        Some(settings) => settings,
        None => ServerSettings::from_env()?,
    };
    let tls = settings.tls.as_ref().map(ServerTls::load).transpose()?;
    let health = Health::default();
    for service in server.router.names() {
        health.set(service, ServingStatus::Serving);
    }
    let forwards = server.router.forwards();
    let served = |name: &str| forwards || server.router.names().any(|served| served == name);
    let contracts = Contracts::new(server.contracts.iter().map(AsRef::as_ref), served)?;
    let calls = if forwards {
        let methods = contracts.methods().filter_map(|method| method.path.strip_prefix('/'));
        server.metrics.server_calls(methods)
    } else {
        server.router.add(health.service());
        let services = server.router.names().chain(reflection::NAMES);
        let reflection =
            Reflection::new(server.contracts.iter().cloned(), services.map(str::to_owned))?;
        server.router.add(reflection.v1());
        server.router.add(reflection.v1alpha());
        server.metrics.server_calls(reflection.methods())
    };

    let listen = settings.listen;
    let (listener, addr) =
        bind(listen).map_err(|source| ServerError::Listen { addr: listen, source })?;
    let admin =
        settings.admin.map(|addr| bind(addr).map_err(|source| ServerError::Admin { addr, source }));
    let admin = admin.transpose()?;
    let admin_addr = admin.as_ref().map(|(_, addr)| *addr);
    let listeners = match settings.runtime {
        Runtime::PerCore => settings.workers,
        Runtime::Shared => 1,
    };
    let telemetry = ServerTelemetryLayer::new(ServiceName::new(&server.name), calls);
    let files = server.examples.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let contracts = contracts.with_examples(files).map_err(ServerError::Examples)?;
    let contracts = Arc::new(contracts);
    let validation = match forwards {
        true => ValidationLayer::default(),
        false => ValidationLayer::new(&contracts)?,
    };
    let rest = Rest::new(&contracts, settings.rest)?;
    let security = match &settings.tls {
        None => Security::None,
        Some(tls) if tls.client_ca.is_some() && tls.client_auth == ClientAuth::Required => {
            Security::MutualTls
        }
        Some(_) => Security::Tls,
    };
    let docs = || Docs::new(Arc::clone(&contracts), settings.rest, security);
    let docs = settings.docs.then(docs);
    let edge = EdgeLayer::new(edge::Parts {
        contracts: Arc::clone(&contracts),
        rest,
        max_message_bytes: settings.max_message_bytes,
        docs,
        cors: settings.cors.clone(),
    });
    let stack = InboundParts::new(
        contracts,
        edge,
        server.router,
        telemetry,
        validation,
        &settings,
        server.per_message_compression,
    );
    let labels = [("server", server.name.as_str())];
    let shared = Arc::new(Shared {
        tls,
        lifecycle: Lifecycle::new(1 + listeners),
        stack,
        health,
        connections: server.metrics.gauge(
            "ahoy.server.connections",
            "{connection}",
            "Open connections.",
            &labels,
        ),
        refused_connections: server.metrics.counter(
            "ahoy.server.connections.refused",
            "{connection}",
            "Connections closed at once because too many were open.",
            &labels,
        ),
        metrics: server.metrics,
        settings,
    });
    let (workers, ended) = Workers::start(&shared).map_err(ServerError::Worker)?;
    let (stop, stopped) = watch::channel(false);
    shared.lifecycle.advance(Phase::Ready);
    front(listener, admin.map(|(listener, _)| listener), workers, ended, &shared, stop)
        .map_err(ServerError::Worker)?;
    tracing::info!(
        service = server.name,
        listen = %addr,
        admin = admin_addr.map(tracing::field::display),
        tls = shared.tls.is_some(),
        "ready"
    );
    Ok(Running { name: server.name, addr, admin: admin_addr, shared, stopped })
}

fn bind(addr: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = listener::bind(addr)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Starts the thread that accepts, answers the operator and reloads certificates, and that sees
/// the server off.
fn front(
    listener: TcpListener,
    admin: Option<TcpListener>,
    workers: Workers,
    ended: Ended,
    shared: &Arc<Shared>,
    stop: watch::Sender<bool>,
) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = shared.clone();
    thread::Builder::new().name("ahoy-accept".into()).spawn(move || {
        runtime.block_on(async move {
            if let Some(tls) = &shared.tls {
                tokio::spawn(tls.watch(RELOAD_INTERVAL));
            }
            if let Some(admin) = admin {
                match tokio::net::TcpListener::from_std(admin) {
                    Ok(admin) => drop(tokio::spawn(admin::serve(admin, shared.clone()))),
                    Err(error) => tracing::error!(%error, "the admin port is not served"),
                }
            }
            let workers = Arc::new(workers);
            let phase = shared.lifecycle.subscribe(0);
            let accepting = listener::accept(listener, workers.clone(), shared.clone(), phase);
            if let Err(error) = accepting.await {
                tracing::error!(%error, "cannot accept connections");
                shared.lifecycle.advance(Phase::Draining);
            }
            // The workers end when there is no one left to hand them connections.
            drop(workers);
            ended.wait().await;
            shared.lifecycle.advance(Phase::Stopped);
            let _ = stop.send(true);
        });
    })?;
    Ok(())
}

impl Running {
    /// Where it serves; the real port if port 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it answers the operator.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.shared.lifecycle.phase()
    }

    /// Drains: health says NOT_SERVING, then after the drain delay no connection is taken and
    /// every open one gets GOAWAY; returns when the last call has ended, or has been cut at the
    /// drain limit.
    pub async fn drain(&self) {
        tracing::info!(service = self.name, "draining");
        self.shared.health.drain();
        sleep(self.shared.settings.drain_delay).await;
        self.shared.lifecycle.advance(Phase::Draining);
        if timeout(self.shared.settings.drain_timeout, self.wait()).await.is_err() {
            tracing::warn!(service = self.name, "calls are cut: the drain limit is over");
            self.cut();
            self.wait().await;
        }
        tracing::info!(service = self.name, "stopped");
    }

    /// Cuts every connection and stops.
    pub fn cut(&self) {
        self.shared.health.drain();
        self.shared.lifecycle.advance(Phase::Stopped);
    }

    /// Returns when the server has stopped.
    pub async fn wait(&self) {
        // An error means that the thread that would say so is gone.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    /// Drains at the first signal, cuts at the second.
    pub async fn drain_on(&self, signals: &mut Signals) {
        tokio::select! {
            () = signals.next() => {}
            // By itself, as when nothing can be accepted any more.
            () = self.wait() => return,
        }
        tokio::select! {
            () = self.drain() => {}
            () = signals.next() => {
                tracing::warn!(service = self.name, "calls are cut: a second signal came");
                self.cut();
                self.wait().await;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cut();
    }
}

/// SIGTERM and SIGINT, from when this is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would end the process.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
