//! Finds the route of a call, at a cost that grows neither with the hosts nor with their routes.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use twox_hash::XxHash64;

use crate::client::Upstream;
use crate::policy::{PathMatch, Route, VirtualHost};
use crate::protocol::paths::ByPath;

/// All routes of a policy.
#[derive(Default)]
pub(crate) struct Table {
    exact: HashMap<String, Arc<Routes>>,
    /// By what follows their star, the longest first.
    suffixes: Vec<(String, Arc<Routes>)>,
    /// By what is before their star, the longest first.
    prefixes: Vec<(String, Arc<Routes>)>,
    any: Option<Arc<Routes>>,
}

/// The routes of a virtual host, in their order. Those that a path can match are found by the path
/// and by its service; only those with another prefix are looked at one by one.
#[derive(Default)]
struct Routes {
    all: Vec<Target>,
    by_path: ByPath<Vec<usize>>,
    by_service: ByPath<Vec<usize>>,
    others: Vec<usize>,
}

/// A route and the clusters that it names.
pub(crate) struct Target {
    pub(crate) route: Route,
    clusters: Vec<(Arc<Upstream>, u32)>,
    total: u64,
}

impl Table {
    pub(super) fn new(hosts: &[VirtualHost], clusters: &HashMap<String, Arc<Upstream>>) -> Self {
        let mut table = Self::default();
        for host in hosts {
            let routes = Arc::new(Routes::new(&host.routes, clusters));
            for domain in &host.domains {
                let routes = routes.clone();
                match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
                    (Some(""), _) => table.any = Some(routes),
                    (Some(suffix), _) => table.suffixes.push((suffix.to_owned(), routes)),
                    (None, Some(prefix)) => table.prefixes.push((prefix.to_owned(), routes)),
                    (None, None) => drop(table.exact.insert(domain.clone(), routes)),
                }
            }
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        for (name, upstream) in clusters {
            table
                .exact
                .entry(name.to_ascii_lowercase())
                .or_insert_with(|| Arc::new(Routes::of(vec![Target::only(name, upstream)])));
        }
        table
    }

    /// The route of a call to `host`, in lower case and without a port; an error says why there is
    /// none.
    pub(crate) fn find(
        &self,
        host: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<&Target, String> {
        let routes = self.routes(host).ok_or_else(|| self.unknown(host))?;
        let found = routes.candidates(path).find(|target| target.route.matches.fits(headers));
        found.ok_or_else(|| format!("no route of {host:?} matches {path}"))
    }

    fn routes(&self, host: &str) -> Option<&Arc<Routes>> {
        // A star stands for something.
        let longer = |text: &str| host.len() > text.len();
        let suffix = |(text, _): &&(String, _)| host.ends_with(text.as_str()) && longer(text);
        let prefix = |(text, _): &&(String, _)| host.starts_with(text.as_str()) && longer(text);
        self.exact
            .get(host)
            .or_else(|| self.suffixes.iter().find(suffix).map(|(_, routes)| routes))
            .or_else(|| self.prefixes.iter().find(prefix).map(|(_, routes)| routes))
            .or(self.any.as_ref())
    }

    fn unknown(&self, host: &str) -> String {
        let mut known: Vec<_> = self.exact.keys().map(String::as_str).collect();
        known.sort_unstable();
        known.truncate(8);
        format!("no route for {host:?}; known are: {}", known.join(", "))
    }
}

impl Routes {
    fn new(routes: &[Route], clusters: &HashMap<String, Arc<Upstream>>) -> Self {
        Self::of(routes.iter().map(|route| Target::new(route, clusters)).collect())
    }

    fn of(all: Vec<Target>) -> Self {
        let mut routes = Self::default();
        for (index, target) in all.iter().enumerate() {
            let list = match &target.route.matches.path {
                PathMatch::Exact(path) => routes.by_path.entry(path.as_str().into()).or_default(),
                PathMatch::Prefix(prefix) => match service_of(prefix) {
                    Some((service, "")) => routes.by_service.entry(service.into()).or_default(),
                    _ => &mut routes.others,
                },
            };
            list.push(index);
        }
        routes.all = all;
        routes
    }

    /// The routes whose path matches, in their order.
    fn candidates(&self, path: &str) -> impl Iterator<Item = &Target> {
        let by_path = self.by_path.get(path).map_or(&[][..], Vec::as_slice);
        let service = service_of(path).and_then(|(service, _)| self.by_service.get(service));
        let by_service = service.map_or(&[][..], Vec::as_slice);
        let others = self.others.iter().filter(move |index| {
            let target = self.all.get(**index).map(|target| &target.route.matches.path);
            matches!(target, Some(PathMatch::Prefix(prefix)) if path.starts_with(prefix.as_str()))
        });
        let merged = merge(merge(by_path.iter(), by_service.iter()), others);
        merged.filter_map(|index| self.all.get(*index))
    }
}

/// `package.Service` of a path, and what follows it.
fn service_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('/')?.split_once('/')
}

/// Two ascending lists as one.
fn merge<'a>(
    left: impl Iterator<Item = &'a usize>,
    right: impl Iterator<Item = &'a usize>,
) -> impl Iterator<Item = &'a usize> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(first), Some(second)) if first <= second => left.next(),
        (_, Some(_)) => right.next(),
        (_, None) => left.next(),
    })
}

impl Target {
    fn new(route: &Route, clusters: &HashMap<String, Arc<Upstream>>) -> Self {
        let shares = route.clusters.iter();
        let clusters: Vec<_> = shares
            .filter_map(|(name, weight)| Some((clusters.get(name)?.clone(), *weight)))
            .collect();
        let total = clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
        Self { route: route.clone(), clusters, total }
    }

    /// Everything goes to one cluster.
    fn only(name: &str, upstream: &Arc<Upstream>) -> Self {
        let clusters = vec![(upstream.clone(), 1)];
        Self { route: Route::to(name), clusters, total: 1 }
    }

    /// What keeps this call together with others.
    pub(crate) fn hash(&self, headers: &HeaderMap) -> Option<u64> {
        let mut names = self.route.hash_headers.iter();
        let value = names.find_map(|name| headers.get(name))?;
        Some(XxHash64::oneshot(0, value.as_bytes()))
    }

    /// Changes the metadata of a call as the route says.
    pub(crate) fn edit(&self, headers: &mut HeaderMap) {
        for name in &self.route.remove_headers {
            headers.remove(name);
        }
        for (name, value) in &self.route.set_headers {
            headers.insert(name, value.clone());
        }
    }

    /// The cluster of a call.
    pub(crate) fn cluster(&self, hash: Option<u64>) -> Option<&Arc<Upstream>> {
        if let [(only, _)] = self.clusters.as_slice() {
            return Some(only);
        }
        let ticket = match hash {
            // Hashed again: the same hash chooses among endpoints.
            Some(hash) => XxHash64::oneshot(1, &hash.to_le_bytes()),
            None => fastrand::u64(..),
        };
        let mut ticket = ticket.checked_rem(self.total)?;
        let mut shares = self.clusters.iter();
        let chosen = shares.find(|(_, weight)| match ticket.checked_sub(u64::from(*weight)) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        });
        chosen.map(|(upstream, _)| upstream)
    }
}
