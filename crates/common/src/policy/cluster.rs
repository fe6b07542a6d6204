//! What is behind a name, and how its endpoints share the calls.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Authority;

/// A set of endpoints that serve the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// What routes call it.
    pub name: String,
    /// Where its endpoints are.
    pub sources: Vec<Source>,
    /// Whether its endpoints are called over TLS.
    pub tls: bool,
    /// How they share the calls.
    pub balancing: Balancing,
}

impl Cluster {
    /// Endpoints without TLS that share the calls in turn.
    pub fn new(name: impl Into<String>, hosts: impl IntoIterator<Item = Host>) -> Self {
        Self {
            name: name.into(),
            sources: hosts.into_iter().map(Source::from).collect(),
            tls: false,
            balancing: Balancing::default(),
        }
    }
}

/// Where endpoints are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// An address, or a name.
    pub host: Host,
    /// The share of the calls of each, in proportion to that of the others; at least 1, default 1.
    pub weight: u32,
    /// When they are used: with the smallest number of which one can be reached; default 0.
    pub priority: u32,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// One endpoint.
    Address(SocketAddr),
    /// One for each address that it resolves to.
    Name {
        /// What is looked up.
        name: String,
        /// The port of all.
        port: u16,
    },
}

/// No address, and no name with a port.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not HOST:PORT")]
pub struct HostError(String);

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let named = text.parse::<Authority>().ok().and_then(|authority| {
            let (name, port) = (authority.host(), authority.port_u16()?);
            let plain = !name.is_empty() && !name.starts_with('[') && !text.contains('@');
            plain.then(|| Self::Name { name: name.to_owned(), port })
        });
        named.ok_or_else(|| HostError(text.to_owned()))
    }
}

impl From<Host> for Source {
    fn from(host: Host) -> Self {
        Self { host, weight: 1, priority: 0 }
    }
}

/// How the endpoints of a cluster share its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balancing {
    /// How an endpoint is chosen.
    pub policy: LbPolicy,
    /// Whether a new one begins with less than its share; default no.
    pub slow_start: Option<SlowStart>,
    /// The most endpoints that a worker uses of a cluster, so that a large one does not cost each
    /// worker a connection to each; default: all.
    pub subset: Option<usize>,
}

/// How an endpoint is chosen among those that can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LbPolicy {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest calls in flight, by weight, of a few at random (xDS
    /// `LEAST_REQUEST`).
    LeastRequest {
        /// How many; xDS's default is 2.
        choices: u32,
    },
    /// Of two at random the one that is likely to answer first, by its latency, which a peak
    /// raises at once and time lowers, and its calls in flight.
    PeakEwma,
    /// The one that the hash of the call leads to on a ring (xDS `RING_HASH`, gRFC A42).
    RingHash {
        /// Places on the ring; default 1024.
        size: usize,
    },
    /// The first that can be reached; the others are not connected to.
    PickFirst,
}

impl LbPolicy {
    /// Whether it is the call that decides.
    pub(crate) fn is_hash(self) -> bool {
        matches!(self, Self::RingHash { .. })
    }
}

/// Endpoints that have just become ready get less than their share for a while (Envoy's slow
/// start).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// How long.
    pub window: Duration,
    /// How the share grows: 1 with time, more than 1 faster at first; default 1.
    pub aggression: f64,
    /// What it begins with, at most 1; default 0.1.
    pub min_share: f64,
}
