//! The channel: what generated tonic clients call through.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let channel = ahoy::Channel::new("http://127.0.0.1:50051,http://127.0.0.1:50061")?;
//! // let mut hello = HelloServiceClient::new(channel);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod calls;
mod connect;
mod forward;
mod mesh;
mod pool;
pub mod reflection;
mod request;
mod resolve;
mod settings;
mod target;
pub mod tls;
mod upstream;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::Status;
use tower::Service;

pub(crate) use calls::Call;
pub use forward::Forward;
pub use mesh::{Mesh, MeshError};
pub use settings::ChannelSettings;
pub use target::TargetError;
pub use tls::ClientTls;

use crate::Encoding;
use crate::body::Body;
use crate::layers::telemetry::ClientTelemetryLayer;
use crate::policy::{Balancing, Source};
use crate::stack::{self, Outbound};
use crate::telemetry::Metrics;
use calls::Calls;
use target::Target;
use upstream::Upstream;

/// Calls go out through this. Clones share their connections; each worker has its own.
///
/// It connects when it is first called, to every endpoint of its target, uses those that are
/// connected in turn (round robin), reconnects with backoff, and follows what the target's names
/// resolve to. A call waits while a connection is being made, and fails with UNAVAILABLE when
/// every endpoint has just failed.
#[derive(Clone)]
pub struct Channel {
    stack: Outbound,
    telemetry: ClientTelemetryLayer,
    settings: Arc<ChannelSettings>,
    target: Arc<str>,
    calls: Calls,
}

/// A channel under construction.
#[derive(Clone, Debug)]
pub struct ChannelBuilder {
    target: String,
    settings: ChannelSettings,
}

/// Why a channel cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The CA, the certificate or its key, or the name that certificates must have.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
}

impl Channel {
    /// A channel to `http://HOST:PORT`, or several separated by commas, with the default
    /// settings.
    ///
    /// # Errors
    /// When the target cannot be read; that nobody is there shows at the first call.
    pub fn new(target: impl Into<String>) -> Result<Self, ChannelError> {
        Self::builder(target).build()
    }

    fn new_with(settings: &ChannelSettings, target: &str, calls: Calls) -> Self {
        let telemetry = ClientTelemetryLayer::new(Metrics::global().client_calls(target, []));
        let stack = stack::outbound(settings, telemetry.clone(), Call(calls.clone()), false);
        let (settings, target) = (Arc::new(settings.clone()), target.into());
        Self { stack, telemetry, settings, target, calls }
    }

    /// Connects now, rather than at the first call. A channel of a [`Mesh`] connects when it is
    /// called, since only a call has a route.
    ///
    /// # Errors
    /// UNAVAILABLE, and why, when no endpoint can be reached.
    pub async fn connect(&self) -> Result<(), Status> {
        match &self.calls {
            Calls::One { upstream, .. } => upstream.ready().await,
            Calls::Mesh { .. } => Ok(()),
        }
    }

    /// Passes on calls that were made elsewhere, over the connections of this channel.
    pub fn forward(&self) -> Forward {
        let call = Call(self.calls.passing());
        let stack = stack::outbound(&self.settings, self.telemetry.clone(), call, true);
        Forward { stack, target: self.target.clone() }
    }

    /// A channel that is told more.
    pub fn builder(target: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder { target: target.into(), settings: ChannelSettings::default() }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("target", &self.target).finish_non_exhaustive()
    }
}

impl ChannelBuilder {
    /// Replaces all settings.
    #[must_use]
    pub fn settings(mut self, settings: ChannelSettings) -> Self {
        self.settings = settings;
        self
    }

    /// How `https` targets are verified, and who we are to them.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.settings.tls = tls;
        self
    }

    /// The deadline of calls that neither ask for one nor inherit one; `None`: no deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.settings.default_deadline = deadline.into();
        self
    }

    /// Compresses requests.
    #[must_use]
    pub fn send_compressed(mut self, encoding: Encoding) -> Self {
        self.settings.send_compressed = Some(encoding);
        self
    }

    /// The channel; it connects when it is first called.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub fn build(self) -> Result<Channel, ChannelError> {
        let mut target = Target::parse(&self.target)?;
        if let Some(authority) = &self.settings.authority {
            target.override_authority(authority)?;
        }
        let text = target.text.clone();
        let sources = target.hosts.iter().cloned().map(Source::from).collect();
        let balancing = Balancing::default();
        let upstream = Upstream::new(target, sources, balancing, self.settings.clone(), None)?;
        let calls = Calls::One { upstream, keeps_authority: false };
        Ok(Channel::new_with(&self.settings, &text, calls))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = stack::OutboundFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        stack::OutboundFuture::new(self.stack.call(request))
    }
}
