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
mod upstreams;

use std::net::SocketAddr;

use ahoy::Server;
use ahoy::client::{ChannelError, ChannelSettings};
use ahoy::server::{Running, ServerError, ServerSettings};

use upstreams::Upstreams;
pub use upstreams::{Upstream, UpstreamError};

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
    /// Where the operator is answered: at the inbound port's side, if there is one.
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
    /// The services that they may be for.
    pub upstreams: Vec<Upstream>,
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The address of the application or of an upstream.
    #[error(transparent)]
    Channel(#[from] ChannelError),
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
    outbound: Option<Running>,
}

impl Agent {
    /// Takes the application's calls at once, and calls for it as soon as it serves.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn start(self) -> Result<RunningAgent, AgentError> {
        let outbound = match &self.outbound {
            Some(outbound) => Some(self.start_outbound(outbound).await?),
            None => None,
        };
        let inbound = match &self.inbound {
            Some(inbound) => Some(self.start_inbound(inbound).await?),
            None => None,
        };
        Ok(RunningAgent { inbound, outbound })
    }

    async fn start_outbound(&self, outbound: &Outbound) -> Result<Running, AgentError> {
        let upstreams = Upstreams::new(&outbound.upstreams, &self.channel)?;
        let admin = self.admin.filter(|_| self.inbound.is_none());
        let settings = ServerSettings { listen: outbound.listen, admin, ..self.server.clone() };
        let server = Server::new("agent-outbound").settings(settings).forward(upstreams);
        server.start().await.map_err(|source| AgentError::Server { side: "outbound", source })
    }

    async fn start_inbound(&self, inbound: &Inbound) -> Result<Running, AgentError> {
        let channel = app::channel(&inbound.app, &self.channel)?;
        app::serves(&channel, &inbound.app).await;
        let settings =
            ServerSettings { listen: inbound.listen, admin: self.admin, ..self.server.clone() };
        let mut server = Server::new("agent-inbound").settings(settings).forward(channel.forward());
        if let Some(contracts) = app::contracts(channel, &inbound.app).await {
            server = server.contracts(contracts);
        }
        server.start().await.map_err(|source| AgentError::Server { side: "inbound", source })
    }
}

impl RunningAgent {
    /// Where calls come in.
    pub fn inbound(&self) -> Option<&Running> {
        self.inbound.as_ref()
    }

    /// Where the application's calls come.
    pub fn outbound(&self) -> Option<&Running> {
        self.outbound.as_ref()
    }

    /// Drains what comes in, then what the application calls meanwhile.
    pub async fn drain(&self) {
        for side in [&self.inbound, &self.outbound].into_iter().flatten() {
            side.drain().await;
        }
    }
}
