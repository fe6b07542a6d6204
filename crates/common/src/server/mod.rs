//! The server: one port, a worker per core, and a life from starting to stopped.
//!
//! ```no_run
//! # async fn example() -> Result<(), ahoy::server::ServerError> {
//! # const DESCRIPTORS: &[u8] = &[];
//! ahoy::Server::new("greeter")
//!     .contracts(DESCRIPTORS)
//!     // .service(HelloServiceServer::new(Greeter::default()))
//!     .run()
//!     .await
//! # }
//! ```

mod admin;
mod connection;
mod executor;
pub mod health;
mod http1;
mod http2;
mod io;
mod lifecycle;
mod listener;
pub mod reflection;
mod request;
mod router;
mod running;
mod settings;
pub mod tls;
mod workers;

use std::convert::Infallible;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tonic::server::NamedService;
use tower::Service;

pub use admin::Admin;
pub use lifecycle::Phase;
pub(crate) use router::Router;
pub use running::{Running, Signals};
pub(crate) use settings::duration;
pub use settings::{Runtime, ServerSettings, SettingsError};
pub use tls::{ClientAuth, ServerTls};

use crate::body::Body;
use crate::protocol::rest::RestError;
use crate::stack::InboundParts;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Counter, Gauge};
use crate::tls::{Reloading, TlsError};
use lifecycle::Lifecycle;

/// A server under construction.
pub struct Server {
    name: String,
    contracts: Vec<Bytes>,
    /// Paths and texts.
    examples: Vec<(String, String)>,
    router: Router,
    settings: Option<ServerSettings>,
    metrics: Metrics,
    per_message_compression: bool,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A variable of the environment.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The listener.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The admin listener.
    #[error("cannot listen on {addr}, the admin port (AHOY_ADMIN; `off` for none)")]
    Admin {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate, its key or the CA.
    #[error("{} (AHOY_TLS_CERT, AHOY_TLS_KEY, AHOY_TLS_CLIENT_CA)", with_source(.0))]
    Tls(TlsError),
    /// The descriptors given to [`Server::contracts`].
    #[error("contracts")]
    Contracts(#[from] reflection::DescriptorError),
    /// The same, where they contradict each other.
    #[error("contracts")]
    Schema(#[from] prost_reflect::DescriptorError),
    /// The REST routes that they declare.
    #[error("contracts")]
    Rest(#[from] RestError),
    /// The files given to [`Server::examples`].
    #[error("examples: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Examples(Vec<examples::Problem>),
    /// The rules that they state.
    #[error(transparent)]
    Rules(#[from] rules::RuleError),
    /// No thread, or nothing to wait for events with.
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
}

impl From<TlsError> for ServerError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

fn with_source(error: &TlsError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the parts of a running server share.
struct Shared {
    settings: ServerSettings,
    tls: Option<Arc<Reloading<rustls::ServerConfig>>>,
    lifecycle: Lifecycle,
    stack: InboundParts,
    health: health::Health,
    metrics: Metrics,
    connections: Gauge,
    refused_connections: Counter,
}

impl Server {
    /// A server called `name` in logs and metrics.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            contracts: Vec::new(),
            examples: Vec::new(),
            router: Router::default(),
            settings: None,
            metrics: Metrics::global().clone(),
            per_message_compression: false,
        }
    }

    /// An encoded `FileDescriptorSet` that describes the services, for reflection and to know
    /// methods by name in metrics. May be called for several.
    #[must_use]
    pub fn contracts(mut self, descriptors: impl Into<Bytes>) -> Self {
        self.contracts.push(descriptors.into());
        self
    }

    /// The files of examples that stand beside the contracts, each as its path below their root,
    /// such as `hello/v1/hello.examples.yaml`, and its text.
    #[must_use]
    pub fn examples<P: Into<String>, T: Into<String>>(
        mut self,
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        self.examples.extend(files.into_iter().map(|(path, text)| (path.into(), text.into())));
        self
    }

    /// Serves a generated service.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.router.add(service);
        self
    }

    /// Serves the methods of the service of that full name, such as `hello.v1.HelloService`, with
    /// no generated code: the service gets each call as gRPC on HTTP, its path among the rest.
    #[must_use]
    pub fn route<S>(mut self, name: impl Into<String>, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.router.route(name.into(), service);
        self
    }

    /// Passes every call on to `service`, such as a [`Forward`](crate::client::Forward): those of
    /// health and reflection too, of which this server has none of its own then. Messages pass as
    /// they are, compressed or not and of any length.
    ///
    /// The [contracts](Self::contracts) given are those of the services behind it, which it then
    /// serves in every protocol.
    #[must_use]
    pub fn forward<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.router.forward(service);
        self
    }

    /// Uses these settings instead of those of the environment.
    #[must_use]
    pub fn settings(mut self, settings: ServerSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Counts in this registry instead of the process's.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Gives each handler a [`crate::MessageCompression`] among its request's extensions, to see
    /// and decide per message what is compressed. Default: off, since it costs each call an
    /// allocation.
    #[must_use]
    pub fn per_message_compression(mut self, on: bool) -> Self {
        self.per_message_compression = on;
        self
    }

    /// Starts to serve and returns once the server is ready.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(self) -> Result<Running, ServerError> {
        running::start(self).await
    }

    /// Serves until SIGTERM or SIGINT, then drains: reports NOT_SERVING, sends GOAWAY, and
    /// returns when the calls in flight have ended or the drain limit is over. A second signal
    /// cuts what is left.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run(self) -> Result<(), ServerError> {
        let mut signals = Signals::new().map_err(ServerError::Worker)?;
        let running = self.start().await?;
        running.drain_on(&mut signals).await;
        Ok(())
    }
}
