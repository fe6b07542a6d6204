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
mod connect;
mod forward;
mod pool;
pub mod reflection;
mod request;
mod resolve;
mod settings;
mod target;
pub mod tls;
mod upstream;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use tonic::Status;
use tower::Service;

pub use forward::Forward;
pub use settings::ChannelSettings;
pub use target::TargetError;
pub use tls::ClientTls;
pub(crate) use upstream::Call;

use crate::Encoding;
use crate::body::Body;
use crate::layers::telemetry::ClientTelemetryLayer;
use crate::stack::{self, Outbound};
use crate::telemetry::Metrics;
use crate::worker;
use connect::Secure;
use resolve::Resolver;
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
    upstream: Arc<Upstream>,
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

    /// Connects now, rather than at the first call.
    ///
    /// # Errors
    /// UNAVAILABLE, and why, when no endpoint can be reached.
    pub async fn connect(&self) -> Result<(), Status> {
        self.upstream.ready().await
    }

    /// Passes on calls that were made elsewhere, over the connections of this channel.
    pub fn forward(&self) -> Forward {
        let call = Call { upstream: self.upstream.clone(), keeps_authority: true };
        let settings = &self.upstream.settings;
        let stack = stack::outbound(settings, self.telemetry.clone(), call, true);
        Forward { stack, target: self.upstream.target.text.clone() }
    }

    /// A channel that is told more.
    pub fn builder(target: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder { target: target.into(), settings: ChannelSettings::default() }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("target", &self.upstream.target.text)
            .finish_non_exhaustive()
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
        let secure = match target.scheme == Scheme::HTTPS {
            true => Some(secure(&target, &self.settings.tls)?),
            false => None,
        };
        let settings = self.settings.clone();
        let calls = Metrics::global().client_calls(&target.text, []);
        let telemetry = ClientTelemetryLayer::new(calls);
        let upstream = Arc::new(Upstream {
            resolver: Resolver::new(target.hosts.clone(), self.settings.resolve_interval),
            target,
            secure,
            pools: (0..worker::SLOTS).map(|_| OnceLock::new()).collect(),
            settings: self.settings,
        });
        let call = Call { upstream: upstream.clone(), keeps_authority: false };
        Ok(Channel {
            stack: stack::outbound(&settings, telemetry.clone(), call, false),
            telemetry,
            upstream,
        })
    }
}

fn secure(target: &Target, tls: &ClientTls) -> Result<Secure, ChannelError> {
    Ok(Secure { files: tls.load()?, name: tls.server_name(target.tls_name())? })
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
