//! The innermost service of a channel: finds out where a call goes, and sends it there.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Request, Response, Uri};
use tonic::Status;
use tower::Service;

use super::mesh;
use super::request::OutgoingBody;
use super::upstream::{Head, Upstream, UpstreamBody, fail};
use crate::BoxError;
use crate::body::Body;

/// Where the calls of a channel go.
#[derive(Clone)]
pub(super) enum Calls {
    /// All to one cluster.
    One {
        upstream: Arc<Upstream>,
        /// With their own authority, where they have one, instead of the target's.
        keeps_authority: bool,
    },
    /// Where a policy says.
    Mesh {
        mesh: Arc<mesh::Shared>,
        /// Whom they are for, if that is not their own authority.
        authority: Option<Authority>,
    },
}

impl Calls {
    /// The same for calls that were made elsewhere, whose authority is their own.
    pub(super) fn passing(&self) -> Self {
        match self {
            Self::One { upstream, .. } => {
                Self::One { upstream: upstream.clone(), keeps_authority: true }
            }
            Self::Mesh { mesh, .. } => Self::Mesh { mesh: mesh.clone(), authority: None },
        }
    }

    /// The cluster of a call, and what it goes there with.
    fn route(&self, uri: &Uri, mut headers: HeaderMap) -> Result<(Arc<Upstream>, Head), Status> {
        let (upstream, authority, hash) = match self {
            Self::One { upstream, keeps_authority } => {
                let own = uri.authority().filter(|_| *keeps_authority).cloned();
                (upstream.clone(), own, None)
            }
            Self::Mesh { mesh, authority } => {
                let authority = authority.as_ref().or(uri.authority()).cloned();
                let host = authority.as_ref().map_or("", Authority::host);
                let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    true => Cow::Owned(host.to_ascii_lowercase()),
                    false => Cow::Borrowed(host),
                };
                mesh.with_table(|table| {
                    let target = table.find(&host, uri.path(), &headers)?;
                    let hash = target.hash(&headers);
                    let upstream = target.cluster(hash).ok_or("the route has no cluster")?;
                    target.edit(&mut headers);
                    let authority = target.route.authority.as_ref().or(authority.as_ref());
                    Ok((upstream.clone(), authority.cloned(), hash))
                })
                .map_err(|problem: String| Status::unavailable(problem))?
            }
        };
        let uri = upstream.target.uri(uri, authority);
        let uri = uri.map_err(|error| Status::internal(format!("method name: {error}")))?;
        Ok((upstream, Head { uri, headers, hash }))
    }
}

/// The service of [`Calls`].
#[derive(Clone)]
pub(crate) struct Call(pub(super) Calls);

impl<B> Service<Request<B>> for Call
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UpstreamBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let (upstream, head) = match self.0.route(&parts.uri, parts.headers) {
            Ok(routed) => routed,
            Err(status) => return Box::pin(ready(Ok(fail(&status)))),
        };
        let (body, caller) = OutgoingBody::new(Body::new(body));
        Box::pin(async move { Ok(upstream.call(head, body, caller).await) })
    }
}
