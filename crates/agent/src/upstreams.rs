//! The services that an application calls, by name.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use ahoy::Channel;
use ahoy::body::Body;
use ahoy::client::{ChannelError, ChannelSettings, Forward};
use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response};
use tonic::Status;
use tower::Service;

/// A service and where it is: `NAME=ADDRESS[,ADDRESS…]`, each address `HOST:PORT` or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What callers write as `:authority`, without a port.
    pub name: String,
    /// Where it is.
    pub target: String,
}

/// An upstream that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME=HOST:PORT[,HOST:PORT…], such as hello=127.0.0.1:50051")]
pub struct UpstreamError;

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        match text.split_once('=') {
            Some((name, target)) if !name.is_empty() && !target.is_empty() => {
                Ok(Self { name: name.to_owned(), target: target.to_owned() })
            }
            _ => Err(UpstreamError),
        }
    }
}

/// Passes each call on to the upstream whose name is its authority.
#[derive(Clone)]
pub(crate) struct Upstreams(Arc<BTreeMap<String, Forward>>);

impl Upstreams {
    pub(crate) fn new(
        upstreams: &[Upstream],
        settings: &ChannelSettings,
    ) -> Result<Self, ChannelError> {
        let forwards = upstreams.iter().map(|upstream| {
            let channel = Channel::builder(&upstream.target).settings(settings.clone()).build()?;
            Ok((upstream.name.to_ascii_lowercase(), channel.forward()))
        });
        Ok(Self(Arc::new(forwards.collect::<Result<_, ChannelError>>()?)))
    }

    fn find(&self, name: &str) -> Result<&Forward, Status> {
        self.0.get(&name.to_ascii_lowercase()).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            let known = known.join(", ");
            Status::unavailable(format!("no upstream is called {name:?}; known are: {known}"))
        })
    }
}

/// The host that a call is for: of `:authority`, or of `host` where HTTP/1.1 has it.
fn host<B>(request: &Request<B>) -> String {
    let named = |host: &http::HeaderValue| host.to_str().ok()?.parse::<Authority>().ok();
    let authority = request.uri().authority().cloned();
    let authority = authority.or_else(|| request.headers().get(HOST).and_then(named));
    authority.map(|authority| authority.host().to_owned()).unwrap_or_default()
}

impl Service<Request<Body>> for Upstreams {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.find(&host(&request)) {
            Ok(forward) => Box::pin(forward.clone().call(request)),
            Err(status) => Box::pin(ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_upstream_is_a_name_and_its_addresses() {
        let upstream: Upstream = "hello=127.0.0.1:1,127.0.0.1:2".parse().unwrap();
        assert_eq!(upstream.name, "hello");
        assert_eq!(upstream.target, "127.0.0.1:1,127.0.0.1:2");
        for text in ["", "hello", "=127.0.0.1:1", "hello="] {
            assert!(text.parse::<Upstream>().is_err(), "{text:?}");
        }
    }
}
