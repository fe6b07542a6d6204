//! The door: every protocol becomes gRPC here, once, so that all layers further in see nothing
//! else.
//!
//! A gRPC call passes untouched. Any other request is offered to the protocol that its headers
//! name, which answers it itself or makes a gRPC request of it, and of the gRPC response its own.

mod body;
mod cors;
mod detect;
mod future;
mod takeover;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, Service};
use tracing::{Level, enabled};

pub use body::{EdgeBody, EdgeRequest};
pub use cors::{Cors, CorsLayer, CorsSettings, Origins};
pub use future::EdgeFuture;
pub(crate) use takeover::Takeover;

use super::contracts::Contracts;
use super::rest::{self, Rest};
use super::{connect, docs, grpc_web};
use crate::BoxError;
use crate::body::Body;
pub(crate) use detect::media_type;
use detect::{Protocol, detect};

/// What the protocols of a server know: its contracts and its settings.
#[derive(Debug)]
pub struct Parts {
    /// The methods served.
    pub contracts: Arc<Contracts>,
    /// The routes of their bindings.
    pub rest: Rest,
    /// The longest message that is taken, in bytes, before and after it is translated.
    pub max_message_bytes: usize,
    /// The pages that describe them, if they are served.
    pub docs: Option<docs::Docs>,
    /// Which pages may open a WebSocket.
    pub cors: Option<CorsSettings>,
}

/// What a protocol makes of a request.
pub(crate) enum Arrival {
    /// A call, as gRPC, and what makes that protocol's response of gRPC's.
    Call { request: Request<Body>, answer: Answer },
    /// An answer that needs no call.
    Answered(Response<Body>),
    /// A call whose connection is taken over: this is answered, and gRPC's response goes to what
    /// runs from then on.
    TakenOver { request: Request<Body>, response: Response<Body>, run: Run },
}

/// What the client of a translated call speaks, among its request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken(pub(crate) &'static str);

/// Makes a protocol's response of gRPC's. It is a future because some need to see how the call
/// ends before they can say anything.
pub(crate) type Answer =
    Box<dyn FnOnce(Response<Body>) -> BoxFuture<'static, Response<Body>> + Send>;

/// Is given gRPC's response, and begins what runs on the connection.
pub(crate) type Run = Box<dyn FnOnce(BoxFuture<'static, Response<Body>>) + Send>;

/// Adds [`Edge`].
#[derive(Clone, Debug)]
pub struct EdgeLayer(Arc<Parts>);

impl EdgeLayer {
    /// For a server of these contracts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, parts: Arc::clone(&self.0) }
    }
}

/// Makes gRPC of every protocol. See the [module](self).
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
    parts: Arc<Parts>,
}

impl<S, B, RB> Service<Request<B>> for Edge<S>
where
    S: Service<Request<EdgeRequest<B>>, Response = Response<RB>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    RB: HttpBody<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<EdgeBody<RB>>;
    type Error = Infallible;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let protocol = detect(&request, &self.parts.contracts);
        let arrival = match protocol {
            Protocol::Grpc => {
                return EdgeFuture::grpc(self.inner.call(request.map(EdgeRequest::grpc)));
            }
            Protocol::GrpcJson | Protocol::GrpcWeb => {
                grpc_web::accept(&self.parts, request.map(Body::new))
            }
            Protocol::Connect(shape) => connect::accept(shape, &self.parts, request.map(Body::new)),
            Protocol::Other => {
                let docs = self.parts.docs.as_ref();
                match docs.and_then(|docs| docs::accept(docs, &request)) {
                    Some(page) => Arrival::Answered(page),
                    None => rest::accept(&self.parts, request.map(Body::new)),
                }
            }
        };
        match arrival {
            Arrival::Call { mut request, answer } => {
                // Only the access log wants to know, and it costs an allocation.
                if enabled!(target: "ahoy::access", Level::INFO) {
                    request.extensions_mut().insert(Spoken(protocol.name()));
                }
                let call = self.inner.call(request.map(EdgeRequest::translated));
                EdgeFuture::translated(call, answer)
            }
            Arrival::Answered(response) => EdgeFuture::answered(response),
            Arrival::TakenOver { request, response, run } => {
                let call = self.inner.call(request.map(EdgeRequest::translated));
                run(Box::pin(async move {
                    let Ok(response) = call.await;
                    response.map(Body::new)
                }));
                EdgeFuture::answered(response)
            }
        }
    }
}
