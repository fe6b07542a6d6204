//! Where a channel goes: `http://host:port`, several of them, or one name with several addresses.

use std::net::SocketAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::policy::Host;

/// A target that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{target:?} is no target: {reason} (expected http://HOST:PORT or https://HOST:PORT, several separated by commas)"
)]
pub struct TargetError {
    target: String,
    reason: &'static str,
}

/// What a channel was asked to reach.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// As it was written, for metrics and messages.
    pub(super) text: String,
    pub(super) scheme: Scheme,
    /// What goes into `:authority`: the first host.
    pub(super) authority: Authority,
    pub(super) hosts: Vec<Host>,
}

impl Target {
    /// Reads `http://a:1,http://b:2`, or `https://…`. A missing scheme is http, a missing port
    /// the scheme's.
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        let error = |reason| TargetError { target: text.to_owned(), reason };
        let mut first: Option<(Scheme, Authority)> = None;
        let mut hosts = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (scheme, rest) = match part.split_once("://") {
                None => (Scheme::HTTP, part),
                Some(("http", rest)) => (Scheme::HTTP, rest),
                Some(("https", rest)) => (Scheme::HTTPS, rest),
                Some(_) => return Err(error("the scheme is neither http nor https")),
            };
            let authority = rest.trim_end_matches('/');
            let authority: Authority =
                authority.parse().map_err(|_| error("the host or the port cannot be read"))?;
            if authority.as_str().contains('@') {
                return Err(error("a user name is not taken"));
            }
            match &first {
                Some((other, _)) if *other != scheme => {
                    return Err(error("http and https are mixed"));
                }
                Some(_) => {}
                None => first = Some((scheme.clone(), authority.clone())),
            }
            let default = if scheme == Scheme::HTTPS { 443 } else { 80 };
            let port = match authority.port_u16() {
                Some(port) => port,
                None if authority.as_str() == authority.host() => default,
                None => return Err(error("the port is not a number up to 65535")),
            };
            hosts.push(host(&authority, port).ok_or_else(|| error("the host is missing"))?);
        }
        let (scheme, authority) = first.ok_or_else(|| error("it is empty"))?;
        Ok(Self { text: text.to_owned(), scheme, authority, hosts })
    }

    pub(super) fn override_authority(&mut self, authority: &str) -> Result<(), TargetError> {
        self.authority = authority.parse().map_err(|_| TargetError {
            target: authority.to_owned(),
            reason: "the authority cannot be read",
        })?;
        Ok(())
    }

    /// The name that the peer's certificate must have.
    pub(super) fn tls_name(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The URI of a call; without an authority of its own it has the target's.
    pub(super) fn uri(&self, call: &Uri, own: Option<Authority>) -> Result<Uri, http::Error> {
        let path = call.path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(own.unwrap_or_else(|| self.authority.clone()));
        parts.path_and_query = Some(path.unwrap_or(http::uri::PathAndQuery::from_static("/")));
        Ok(Uri::from_parts(parts)?)
    }
}

fn host(authority: &Authority, port: u16) -> Option<Host> {
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    match name.parse() {
        _ if name.is_empty() => None,
        Ok(ip) => Some(Host::Address(SocketAddr::new(ip, port))),
        Err(_) => Some(Host::Name { name: name.to_owned(), port }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn several_addresses_and_names() {
        let target = Target::parse("http://127.0.0.1:50051, http://hello:1,[::1]:2").unwrap();
        assert_eq!(target.scheme, Scheme::HTTP);
        assert_eq!(target.authority, "127.0.0.1:50051");
        assert_eq!(
            target.hosts,
            [
                Host::Address("127.0.0.1:50051".parse().unwrap()),
                Host::Name { name: "hello".into(), port: 1 },
                Host::Address("[::1]:2".parse().unwrap()),
            ]
        );
    }

    #[test]
    fn a_missing_port_is_the_schemes() {
        let target = Target::parse("https://example.com").unwrap();
        assert_eq!(target.hosts, [Host::Name { name: "example.com".into(), port: 443 }]);
        assert_eq!(target.tls_name(), "example.com");
    }

    #[test]
    fn what_is_no_target_says_why() {
        for (text, reason) in [
            ("", "cannot be read"),
            ("ftp://a:1", "neither"),
            ("http://a:1,https://b:1", "mixed"),
            ("http://me@a:1", "user name"),
            ("http://a:70000", "65535"),
            ("http://a b", "cannot be read"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
