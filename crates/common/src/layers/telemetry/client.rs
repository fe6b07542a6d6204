//! The layer around a channel.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use super::body::{ObservedRequest, ObservedResponse, ResponseFuture};
use super::call::Call;
use crate::telemetry::metrics::ClientCalls;

/// Puts [`ClientTelemetry`] around what makes calls.
#[derive(Clone, Debug)]
pub struct ClientTelemetryLayer {
    calls: Arc<ClientCalls>,
}

impl ClientTelemetryLayer {
    /// For a channel whose calls are counted in `calls`.
    pub fn new(calls: Arc<ClientCalls>) -> Self {
        Self { calls }
    }
}

impl<S> Layer<S> for ClientTelemetryLayer {
    type Service = ClientTelemetry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientTelemetry { inner, calls: Arc::clone(&self.calls) }
    }
}

/// Observes the calls that are made, and passes the trace on with them.
#[derive(Clone, Debug)]
pub struct ClientTelemetry<S> {
    inner: S,
    calls: Arc<ClientCalls>,
}

impl<S, B, RB> Service<Request<B>> for ClientTelemetry<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut call = Call::client(&self.calls, &mut request);
        let request = request.map(|body| ObservedRequest::new(body, &call));
        let response = call.run(|| self.inner.call(request));
        ResponseFuture::new(response, call)
    }
}
