//! The layer around a service.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use super::body::{ObservedRequest, ObservedResponse, ResponseFuture};
use super::call::Call;
use crate::context::Peer;
use crate::telemetry::ServiceName;
use crate::telemetry::metrics::ServerCalls;

/// Puts [`ServerTelemetry`] around a service.
#[derive(Clone, Debug)]
pub struct ServerTelemetryLayer(Arc<Connection>);

/// What the calls of a connection have in common. Each connection has its own, so that workers do
/// not count references in the same memory.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) service: ServiceName,
    pub(super) calls: Arc<ServerCalls>,
    pub(super) peer: Option<Arc<Peer>>,
}

impl ServerTelemetryLayer {
    /// For the service called `service` in logs and traces, whose calls are counted in `calls`.
    pub fn new(service: ServiceName, calls: Arc<ServerCalls>) -> Self {
        Self(Arc::new(Connection { service, calls, peer: None }))
    }

    /// The layer for one connection.
    #[must_use]
    pub fn with_peer(&self, peer: Option<Arc<Peer>>) -> Self {
        let Connection { service, ref calls, .. } = *self.0;
        Self(Arc::new(Connection { service, calls: Arc::clone(calls), peer }))
    }
}

impl<S> Layer<S> for ServerTelemetryLayer {
    type Service = ServerTelemetry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerTelemetry { inner, connection: Arc::clone(&self.0) }
    }
}

/// Observes the calls that a service answers, and begins their [`crate::CallContext`].
#[derive(Clone, Debug)]
pub struct ServerTelemetry<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S, B, RB> Service<Request<B>> for ServerTelemetry<S>
where
    S: Service<Request<ObservedRequest<B>>, Response = Response<RB>, Error = Infallible>,
    RB: Body,
{
    type Response = Response<ObservedResponse<RB>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut call = Call::server(&self.connection, &request);
        let request = request.map(|body| ObservedRequest::new(body, &call));
        let response = call.run(|| self.inner.call(request));
        ResponseFuture::new(response, call)
    }
}
