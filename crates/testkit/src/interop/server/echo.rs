//! Echoes two of a request's headers: one into the response's headers, one into its trailers.
//!
//! A layer, because a generated handler can set the trailers of a failed call only.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, TryFutureExt};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::interop::{ECHO_INITIAL, ECHO_TRAILING};

const INITIAL: HeaderName = HeaderName::from_static(ECHO_INITIAL);
const TRAILING: HeaderName = HeaderName::from_static(ECHO_TRAILING);

/// Sends `x-grpc-test-echo-initial` back as a header and `x-grpc-test-echo-trailing-bin` as a
/// trailer, with all their values.
#[derive(Clone, Debug)]
pub struct EchoMetadata<S> {
    inner: S,
}

impl<S> EchoMetadata<S> {
    /// Wraps a generated service.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: NamedService> NamedService for EchoMetadata<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for EchoMetadata<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let initial = values(request.headers(), &INITIAL);
        let trailing = values(request.headers(), &TRAILING);
        Box::pin(self.inner.call(request).map_ok(|response| echo(response, initial, trailing)))
    }
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

fn echo(
    mut response: Response<Body>,
    initial: Vec<HeaderValue>,
    trailing: Vec<HeaderValue>,
) -> Response<Body> {
    append(response.headers_mut(), &INITIAL, initial);
    if trailing.is_empty() {
        return response;
    }
    // In a Trailers-Only response the header block is the trailers.
    if response.headers().contains_key(Status::GRPC_STATUS) {
        append(response.headers_mut(), &TRAILING, trailing);
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| match frame.into_trailers() {
            Ok(mut trailers) => {
                append(&mut trailers, &TRAILING, trailing.clone());
                http_body::Frame::trailers(trailers)
            }
            Err(data) => data,
        }))
    })
}

fn append(headers: &mut HeaderMap, name: &HeaderName, values: Vec<HeaderValue>) {
    for value in values {
        headers.append(name, value);
    }
}
