//! A service that an application calls, as the command line has it.

use std::str::FromStr;

use ahoy::policy::{Cluster, Host};
use http::uri::Authority;

/// A service and where it is: `NAME=HOST:PORT[,HOST:PORT…]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream(pub Cluster);

/// An upstream that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME=HOST:PORT[,HOST:PORT…], such as hello=127.0.0.1:50051")]
pub struct UpstreamError;

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let (name, hosts) = text.split_once('=').ok_or(UpstreamError)?;
        let _: Authority = name.parse().map_err(|_| UpstreamError)?;
        let hosts = hosts.split(',').map(str::parse::<Host>);
        let hosts = hosts.collect::<Result<Vec<_>, _>>().map_err(|_| UpstreamError)?;
        Ok(Self(Cluster::new(name, hosts)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_upstream_is_a_name_and_its_addresses() {
        let Upstream(cluster) = "hello=127.0.0.1:1,hello.internal:2".parse().unwrap();
        assert_eq!(cluster.name, "hello");
        assert_eq!(cluster.sources.len(), 2);
        for text in ["", "hello", "=127.0.0.1:1", "hello=", "hello=127.0.0.1", "a=b:1,"] {
            assert!(text.parse::<Upstream>().is_err(), "{text:?}");
        }
    }
}
