//! Channels that go where a policy says.

mod follow;
pub(super) mod table;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::uri::{Authority, Scheme};

use super::calls::Calls;
use super::target::Target;
use super::upstream::Upstream;
use super::{Channel, ChannelError, ChannelSettings, Forward};
use crate::policy::{Cluster, Policy};
pub use follow::MeshError;
use table::Table;

/// The clusters and routes of a policy, and the connections to them. Clones share them.
///
/// [`channel`](Self::channel) gives a channel for a service by its name; where its calls go is for
/// the policy, which can be [replaced](Self::apply) while they run: a call takes the routes that are
/// in force when it begins.
#[derive(Clone)]
pub struct Mesh(Arc<Shared>);

pub(super) struct Shared {
    settings: ChannelSettings,
    current: ArcSwap<Current>,
}

/// What is in force.
#[derive(Default)]
struct Current {
    policy: Policy,
    clusters: HashMap<String, Arc<Upstream>>,
    table: Table,
}

impl Mesh {
    /// A mesh with this policy. Nothing is connected before the first call. The settings are those
    /// of every channel; `authority` is not used.
    ///
    /// # Errors
    /// The files of `settings.tls` cannot be read, and a cluster needs them.
    pub fn new(policy: Policy, settings: ChannelSettings) -> Result<Self, ChannelError> {
        let mesh = Self(Arc::new(Shared { settings, current: ArcSwap::default() }));
        mesh.apply(policy)?;
        Ok(mesh)
    }

    /// Puts another policy in force, whole. Clusters that go on keep their connections.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing has changed.
    pub fn apply(&self, policy: Policy) -> Result<(), ChannelError> {
        let old = self.0.current.load();
        let mut clusters = HashMap::new();
        for (name, cluster) in &policy.clusters {
            let known = old.clusters.get(name);
            let upstream = match known {
                Some(known) if old.policy.clusters.get(name) == Some(cluster) => known.clone(),
                _ => self.upstream(cluster, known)?,
            };
            clusters.insert(name.clone(), upstream);
        }
        let table = Table::new(&policy.virtual_hosts, &clusters);
        self.0.current.store(Arc::new(Current { policy, clusters, table }));
        Ok(())
    }

    fn upstream(
        &self,
        cluster: &Cluster,
        known: Option<&Arc<Upstream>>,
    ) -> Result<Arc<Upstream>, ChannelError> {
        let scheme = if cluster.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let unnamed = Authority::from_static("localhost");
        let target = Target {
            text: cluster.name.clone(),
            scheme,
            authority: cluster.name.parse().unwrap_or(unnamed),
            hosts: Vec::new(),
        };
        let sources = cluster.sources.clone();
        Upstream::new(target, sources, cluster.balancing, self.0.settings.clone(), known)
    }

    /// A channel to the service of this name, which calls carry as their `:authority`.
    ///
    /// # Errors
    /// It is no authority.
    pub fn channel(&self, name: &str) -> Result<Channel, ChannelError> {
        let mut target = Target::parse(name)?;
        target.text = format!("mesh:///{name}");
        let authority = Some(target.authority);
        Ok(Channel::new_with(
            &self.0.settings,
            &target.text,
            Calls::Mesh { mesh: self.0.clone(), authority },
        ))
    }

    /// Passes on calls that were made elsewhere, each to where its own `:authority` leads.
    pub fn forward(&self) -> Forward {
        let calls = Calls::Mesh { mesh: self.0.clone(), authority: None };
        Channel::new_with(&self.0.settings, "mesh", calls).forward()
    }
}

impl Shared {
    /// The routes in force now.
    pub(super) fn with_table<T>(&self, run: impl FnOnce(&Table) -> T) -> T {
        run(&self.current.load().table)
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh")
            .field("policy", &self.0.current.load().policy)
            .finish_non_exhaustive()
    }
}
