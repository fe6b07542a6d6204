//! The older version of the service, whose messages are those of v1 under another package.

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::Uri;
use tonic::server::NamedService;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;
use tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME;
use tower::Service;

use super::Reflection;

const OLD: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const NEW: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// `grpc.reflection.v1alpha.ServerReflection`, answered by v1: the bytes on the wire are the same,
/// so only the path is changed.
#[derive(Clone, Debug)]
pub struct V1Alpha {
    v1: ServerReflectionServer<Reflection>,
}

impl V1Alpha {
    pub(super) fn new(v1: ServerReflectionServer<Reflection>) -> Self {
        Self { v1 }
    }
}

impl<B> Service<http::Request<B>> for V1Alpha
where
    ServerReflectionServer<Reflection>: Service<http::Request<B>, Error = Infallible>,
{
    type Response = <ServerReflectionServer<Reflection> as Service<http::Request<B>>>::Response;
    type Error = Infallible;
    type Future = <ServerReflectionServer<Reflection> as Service<http::Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.v1.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        if request.uri().path() == OLD {
            *request.uri_mut() = Uri::from_static(NEW);
        }
        self.v1.call(request)
    }
}

impl NamedService for V1Alpha {
    const NAME: &'static str = SERVICE_NAME;
}
