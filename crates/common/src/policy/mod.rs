//! What the layers of a mesh do, as plain data: which clusters there are, and which calls go where.
//!
//! Names and defaults follow xDS and the gRFCs. A [`Policy`] is read from a file with
//! [`Policy::from_yaml`], which refuses what does not hold together, and is given to a
//! [`Mesh`](crate::client::Mesh), which swaps it whole.

mod cluster;
mod file;
mod route;

use std::collections::BTreeMap;

pub use cluster::{Balancing, Cluster, Host, HostError, LbPolicy, SlowStart, Source};
pub use file::PolicyError;
pub use route::{HeaderMatch, Match, PathMatch, Route, ValueMatch, VirtualHost};

/// What a mesh does with the calls that go out.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// By name. A call whose authority is the name of a cluster, and of no virtual host, goes there.
    pub clusters: BTreeMap<String, Cluster>,
    /// Where other calls go.
    pub virtual_hosts: Vec<VirtualHost>,
}

impl Policy {
    /// Only clusters, each called by its name.
    pub fn of(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        let named = clusters.into_iter().map(|cluster| (cluster.name.clone(), cluster));
        Self { clusters: named.collect(), virtual_hosts: Vec::new() }
    }

    /// Reads a file's text; `path` is for messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn from_yaml(path: &str, text: &str) -> Result<Self, PolicyError> {
        file::read(path, text)
    }
}
