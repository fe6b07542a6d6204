//! Ahoy's stacks beside a service in any language.
//!
//! An agent stands between an application and the rest of the world. *Inbound* it takes the calls
//! for the application, in every protocol that an Ahoy server speaks, and passes them on as gRPC;
//! *outbound* it takes the application's own calls, for any service by its name, and passes them on
//! to it. Both are an [`ahoy::Server`] whose stack ends in a forwarder instead of handlers, so what
//! holds for one holds for the other: deadlines, limits, metrics, traces, TLS, draining.
//!
//! Calls pass undecoded: messages of any length, compressed or not, a chunk at a time.

mod app;
mod readiness;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use ahoy::client::{ChannelError, ChannelSettings, Mesh, MeshError};
use ahoy::policy::Policy;
use ahoy::server::{Admin, Running, ServerError, ServerSettings};
use ahoy::telemetry::Metrics;
use ahoy::{Channel, Server};
use tokio::task::JoinHandle;

use readiness::Readiness;
pub use upstream::{Upstream, UpstreamError};

/// What an agent is to do.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// Where calls come in, and whose they are.
    pub inbound: Option<Inbound>,
    /// Where the application's own calls come, and where they go.
    pub outbound: Option<Outbound>,
    /// For both; their address and their admin port are replaced.
    pub server: ServerSettings,
    /// To the application and to upstreams.
    pub channel: ChannelSettings,
    /// Where `/livez`, `/readyz` and `/metrics` are, from the start on.
    pub admin: Option<SocketAddr>,
}

/// The calls that come in for an application.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Where they come in.
    pub listen: SocketAddr,
    /// The application: `http://HOST:PORT` or `HOST:PORT`.
    pub app: String,
}

/// The calls that an application makes.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// Where they come, usually on loopback.
    pub listen: SocketAddr,
    /// Where they go, by their authority.
    pub routes: Routes,
}

/// Where calls go.
#[derive(Clone, Debug)]
pub enum Routes {
    /// As this policy says.
    Given(Policy),
    /// As a file says, also when that changes.
    File(PathBuf),
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The address of the application.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The policy of the calls that go out.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The admin port.
    #[error("cannot listen on {addr} for the operator (--admin, AHOY_ADMIN)")]
    Admin {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// One of its servers.
    #[error("{side}: {source}")]
    Server {
        /// `inbound` or `outbound`.
        side: &'static str,
        /// What is wrong.
        source: ServerError,
    },
}

/// An agent that runs.
pub struct RunningAgent {
    inbound: Option<Running>,
    outbound: Option<(Running, Mesh)>,
    admin: Option<Admin>,
    readiness: Readiness,
    /// Asks the application whether it still serves.
    watch: Option<JoinHandle<()>>,
}

impl Agent {
    /// Takes the application's calls at once, and calls for it as soon as it serves.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn start(self) -> Result<RunningAgent, AgentError> {
        let readiness = Readiness::starting();
        let admin = match self.admin {
            Some(addr) => Some(start_admin(addr, &readiness).await?),
            None => None,
        };
        let outbound = match &self.outbound {
            Some(outbound) => Some(self.start_outbound(outbound).await?),
            None => None,
        };
        let (inbound, watch) = match &self.inbound {
            Some(inbound) => {
                let channel = app::channel(&inbound.app, &self.channel)?;
                app::serves(&channel, &inbound.app, &readiness).await;
                let running = self.start_inbound(inbound, &channel).await?;
                let watch = app::watch(channel, inbound.app.clone(), readiness.clone());
                (Some(running), Some(tokio::spawn(watch)))
            }
            None => (None, None),
        };
        readiness.set(None);
        Ok(RunningAgent { inbound, outbound, admin, readiness, watch })
    }

    async fn start_outbound(&self, outbound: &Outbound) -> Result<(Running, Mesh), AgentError> {
        let channel = self.channel.clone();
        let mesh = match &outbound.routes {
            Routes::Given(policy) => {
                Mesh::new(policy.clone(), channel).map_err(MeshError::Channel)?
            }
            Routes::File(path) => Mesh::from_file(path, channel).await?,
        };
        let settings = self.settings(outbound.listen);
        let server = Server::new("agent-outbound").settings(settings).forward(mesh.forward());
        let running = server.start().await;
        let running = running.map_err(|source| AgentError::Server { side: "outbound", source })?;
        Ok((running, mesh))
    }

    async fn start_inbound(
        &self,
        inbound: &Inbound,
        channel: &Channel,
    ) -> Result<Running, AgentError> {
        let settings = self.settings(inbound.listen);
        let mut server = Server::new("agent-inbound").settings(settings).forward(channel.forward());
        if let Some(contracts) = app::contracts(channel.clone(), &inbound.app).await {
            server = server.contracts(contracts);
        }
        server.start().await.map_err(|source| AgentError::Server { side: "inbound", source })
    }

    fn settings(&self, listen: SocketAddr) -> ServerSettings {
        ServerSettings { listen, admin: None, ..self.server.clone() }
    }
}

async fn start_admin(addr: SocketAddr, readiness: &Readiness) -> Result<Admin, AgentError> {
    let readiness = readiness.clone();
    let admin = Admin::start(addr, Metrics::global().clone(), move || readiness.not_ready());
    admin.await.map_err(|source| AgentError::Admin { addr, source })
}

impl RunningAgent {
    /// Where calls come in.
    pub fn inbound(&self) -> Option<&Running> {
        self.inbound.as_ref()
    }

    /// Where the application's calls come.
    pub fn outbound(&self) -> Option<&Running> {
        self.outbound.as_ref().map(|(running, _)| running)
    }

    /// Where they go.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.outbound.as_ref().map(|(_, mesh)| mesh)
    }

    /// Where the operator is answered.
    pub fn admin(&self) -> Option<&Admin> {
        self.admin.as_ref()
    }

    /// Drains what comes in, then what the application calls meanwhile.
    pub async fn drain(&self) {
        self.drain_inbound().await;
        if let Some(outbound) = self.outbound() {
            outbound.drain().await;
        }
    }

    /// Drains what comes in: the application may go on calling.
    pub async fn drain_inbound(&self) {
        self.readiness.drain();
        if let Some(inbound) = &self.inbound {
            inbound.drain().await;
        }
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}
