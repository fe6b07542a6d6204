//! Finds the service that a call is for.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::BoxError;
use crate::body::Body;
use crate::protocol::edge::media_type;
use crate::protocol::paths::ByPath;
use crate::status;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service of any type.
trait Route: Send + Sync {
    fn call(&self, request: Request<Body>) -> Answer;
}

struct Mounted<S>(S);

impl<S> Route for Mounted<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn call(&self, request: Request<Body>) -> Answer {
        let mut future = Some(self.0.clone().call(request));
        // What generated code returns is boxed already.
        if let Some(boxed) = (&mut future as &mut dyn Any).downcast_mut::<Option<Answer>>()
            && let Some(boxed) = boxed.take()
        {
            return boxed;
        }
        match future {
            Some(future) => Box::pin(future),
            None => Box::pin(ready(Ok(Status::internal("no answer").into_http()))),
        }
    }
}

/// The services, by name.
#[derive(Clone, Default)]
pub(crate) struct Router {
    services: Arc<ByPath<Arc<dyn Route>>>,
    /// Where everything else goes.
    forward: Option<Arc<dyn Route>>,
}

impl Router {
    /// Adds a service; a second one of the same name takes the place of the first.
    pub(super) fn add<S>(&mut self, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.route(S::NAME.to_owned(), service);
    }

    /// Adds what serves the methods of a service of that full name.
    pub(super) fn route<S>(&mut self, name: String, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Arc::make_mut(&mut self.services).insert(name.into(), Arc::new(Mounted(service)));
    }

    /// Passes on the calls of all other services.
    pub(super) fn forward<S>(&mut self, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.forward = Some(Arc::new(Mounted(service)));
    }

    pub(crate) fn forwards(&self) -> bool {
        self.forward.is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(|name| &**name)
    }

    fn find(&self, path: &str) -> Option<&Arc<dyn Route>> {
        let (service, _method) = path.strip_prefix('/')?.split_once('/')?;
        self.services.get(service).or(self.forward.as_ref())
    }
}

impl<B> Service<Request<B>> for Router
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !is_grpc(request.headers()) {
            return Box::pin(ready(Ok(not_grpc())));
        }
        if request.version() < Version::HTTP_2 {
            return Box::pin(ready(Ok(not_http2())));
        }
        if request.method() != Method::POST {
            return Box::pin(ready(Ok(not_post())));
        }
        match self.find(request.uri().path()) {
            Some(route) => route.call(request.map(Body::new)),
            None => {
                let status =
                    Status::unimplemented(format!("{} is not served here", request.uri().path()));
                Box::pin(ready(Ok(status.into_http())))
            }
        }
    }
}

/// Whether the messages are protobuf's: what has another codec has become that at the edge, or is
/// in one that nobody knows.
fn is_grpc(headers: &HeaderMap) -> bool {
    matches!(media_type(headers), b"application/grpc" | b"application/grpc+proto")
}

/// The answer to a request that no protocol here understands (gRPC's HTTP/2 mapping: 415).
fn not_grpc() -> Response<Body> {
    const TEXT: &str = "This port speaks gRPC: POST with content-type application/grpc. \
        What it serves can be listed by server reflection.\n";
    let mut response = Response::new(Body::new(http_body_util::Full::from(TEXT)));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    let unknown = HeaderValue::from_static("2");
    response.headers_mut().insert(status::GRPC_STATUS, unknown);
    response
}

/// The answer to a call over HTTP/1.1, for which gRPC has no mapping: there nothing would end a
/// call whose client does not read.
fn not_http2() -> Response<Body> {
    let mut response = Status::unimplemented("gRPC is spoken over HTTP/2").into_http();
    *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
    response
}

/// The answer to a call by another method: gRPC's HTTP/2 mapping has POST alone, and handlers do
/// not look.
fn not_post() -> Response<Body> {
    let mut response = Status::internal("a gRPC call is a POST").into_http();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}
