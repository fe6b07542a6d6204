//! A policy as its file has it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use regex::Regex;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{
    Balancing, Cluster, HeaderMatch, HostError, LbPolicy, Match, PathMatch, Policy, Route,
    SlowStart, Source, ValueMatch, VirtualHost,
};

/// A policy that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}:{column}: {problem}")]
pub struct PolicyError {
    path: String,
    line: u64,
    column: u64,
    problem: String,
}

/// What is wrong, and where.
struct Wrong(Location, String);

type Checked<T> = Result<T, Wrong>;

pub(super) fn read(path: &str, text: &str) -> Result<Policy, PolicyError> {
    let error = |location: Option<Location>, problem: String| PolicyError {
        path: path.to_owned(),
        line: location.map_or(0, |location| location.line()),
        column: location.map_or(0, |location| location.column()),
        problem,
    };
    if text.trim().is_empty() {
        return Ok(Policy::default());
    }
    let file: File = serde_saphyr::from_str(text)
        .map_err(|problem| error(problem.location(), problem.without_snippet().to_string()))?;
    file.check().map_err(|Wrong(location, problem)| error(Some(location), problem))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    clusters: BTreeMap<String, Spanned<ClusterEntry>>,
    #[serde(default)]
    virtual_hosts: Vec<HostEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterEntry {
    endpoints: Spanned<Vec<Spanned<EndpointEntry>>>,
    #[serde(default)]
    tls: bool,
    #[serde(default)]
    lb_policy: LbName,
    choice_count: Option<Spanned<u32>>,
    minimum_ring_size: Option<Spanned<usize>>,
    slow_start: Option<SlowStartEntry>,
    subset_size: Option<Spanned<usize>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LbName {
    #[default]
    RoundRobin,
    LeastRequest,
    PeakEwma,
    RingHash,
    PickFirst,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowStartEntry {
    window: Time,
    aggression: Option<Spanned<f64>>,
    min_weight_percent: Option<Spanned<f64>>,
}

/// `HOST:PORT`, or that with more.
struct EndpointEntry {
    address: String,
    weight: u32,
    priority: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    domains: Spanned<Vec<Spanned<String>>>,
    routes: Spanned<Vec<RouteEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteEntry {
    name: Option<String>,
    #[serde(default, rename = "match")]
    matches: MatchEntry,
    cluster: Option<Spanned<String>>,
    weighted_clusters: Option<Spanned<Vec<Weighted>>>,
    #[serde(default)]
    hash_headers: Vec<Spanned<String>>,
    authority: Option<Spanned<String>>,
    #[serde(default)]
    set_headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    remove_headers: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    name: Spanned<String>,
    weight: u32,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchEntry {
    path: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    service: Option<Spanned<String>>,
    method: Option<Spanned<String>>,
    #[serde(default)]
    headers: Vec<Spanned<HeaderEntry>>,
    percent: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderEntry {
    name: Spanned<String>,
    exact: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
    contains: Option<String>,
    regex: Option<Spanned<String>>,
    range: Option<[i64; 2]>,
    present: Option<bool>,
    #[serde(default)]
    invert: bool,
}

/// `250ms`, `30s`, `5m` or `1h`.
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::server::duration(&text).map(Self).ok_or_else(|| {
            de::Error::custom(format!("{text:?} is no duration, such as 250ms, 30s, 5m or 1h"))
        })
    }
}

impl<'de> Deserialize<'de> for EndpointEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            address: String,
            #[serde(default = "one")]
            weight: u32,
            #[serde(default)]
            priority: u32,
        }

        fn one() -> u32 {
            1
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = EndpointEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("HOST:PORT, or `address`, `weight` and `priority`")
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<EndpointEntry, E> {
                Ok(EndpointEntry { address: address.to_owned(), weight: 1, priority: 0 })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<EndpointEntry, A::Error> {
                let Whole { address, weight, priority } =
                    Whole::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(EndpointEntry { address, weight, priority })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

fn wrong<T>(at: &Spanned<T>, problem: impl Into<String>) -> Wrong {
    Wrong(at.referenced, problem.into())
}

impl File {
    fn check(self) -> Checked<Policy> {
        let mut clusters = BTreeMap::new();
        for (name, entry) in self.clusters {
            if name.parse::<Authority>().is_err() {
                return Err(wrong(&entry, format!("{name:?} is no name of a cluster")));
            }
            let cluster = entry.value.check(name.clone())?;
            clusters.insert(name, cluster);
        }
        let mut virtual_hosts = Vec::new();
        let mut taken = std::collections::BTreeSet::new();
        for host in self.virtual_hosts {
            let host = host.check(&clusters, &mut taken)?;
            virtual_hosts.push(host);
        }
        Ok(Policy { clusters, virtual_hosts })
    }
}

impl ClusterEntry {
    fn check(self, name: String) -> Checked<Cluster> {
        if self.endpoints.value.is_empty() {
            return Err(wrong(&self.endpoints, format!("cluster {name} has no endpoints")));
        }
        let sources = self.endpoints.value.iter().map(source).collect::<Checked<_>>()?;
        let choices = match self.choice_count {
            Some(count) if count.value < 2 => {
                return Err(wrong(&count, "choice_count is 2 at least"));
            }
            Some(count) => count.value,
            None => 2,
        };
        let size = match self.minimum_ring_size {
            Some(size) if !(1..=4096).contains(&size.value) => {
                return Err(wrong(&size, "minimum_ring_size is 1 to 4096"));
            }
            Some(size) => size.value,
            None => 1024,
        };
        let policy = match self.lb_policy {
            LbName::RoundRobin => LbPolicy::RoundRobin,
            LbName::LeastRequest => LbPolicy::LeastRequest { choices },
            LbName::PeakEwma => LbPolicy::PeakEwma,
            LbName::RingHash => LbPolicy::RingHash { size },
            LbName::PickFirst => LbPolicy::PickFirst,
        };
        let slow_start = self.slow_start.map(SlowStartEntry::check).transpose()?;
        let subset = match self.subset_size {
            Some(size) if size.value == 0 => return Err(wrong(&size, "subset_size is 1 at least")),
            size => size.map(|size| size.value),
        };
        let balancing = Balancing { policy, slow_start, subset };
        Ok(Cluster { name, sources, tls: self.tls, balancing })
    }
}

impl SlowStartEntry {
    fn check(self) -> Checked<SlowStart> {
        if let Some(aggression) = &self.aggression
            && !(aggression.value.is_finite() && aggression.value > 0.0)
        {
            return Err(wrong(aggression, "aggression is more than 0"));
        }
        let percent = self.min_weight_percent.as_ref().map_or(10.0, |percent| percent.value);
        if let Some(given) = &self.min_weight_percent
            && !(0.0..=100.0).contains(&percent)
        {
            return Err(wrong(given, "min_weight_percent is 0 to 100"));
        }
        Ok(SlowStart {
            window: self.window.0,
            aggression: self.aggression.map_or(1.0, |aggression| aggression.value),
            min_share: percent / 100.0,
        })
    }
}

fn source(entry: &Spanned<EndpointEntry>) -> Checked<Source> {
    let EndpointEntry { address, weight, priority } = &entry.value;
    if *weight == 0 {
        return Err(wrong(entry, "a weight is 1 at least"));
    }
    let host = address.parse().map_err(|error: HostError| wrong(entry, error.to_string()))?;
    Ok(Source { host, weight: *weight, priority: *priority })
}

impl HostEntry {
    fn check(
        self,
        clusters: &BTreeMap<String, Cluster>,
        taken: &mut std::collections::BTreeSet<String>,
    ) -> Checked<VirtualHost> {
        if self.domains.value.is_empty() {
            return Err(wrong(&self.domains, "a virtual host has a domain at least"));
        }
        let mut domains = Vec::new();
        for domain in self.domains.value {
            let text = domain.value.to_ascii_lowercase();
            let stars = text.matches('*').count();
            let at_an_end = text.starts_with('*') || text.ends_with('*');
            if text.is_empty() || stars > 1 || (stars == 1 && !at_an_end) || text.contains(':') {
                return Err(wrong(
                    &domain,
                    format!("{text:?} is no domain, such as hello, hello.*, *.example.org or *"),
                ));
            }
            if !taken.insert(text.clone()) {
                return Err(wrong(&domain, format!("the domain {text} is there twice")));
            }
            domains.push(text);
        }
        if self.routes.value.is_empty() {
            return Err(wrong(&self.routes, "a virtual host has a route at least"));
        }
        let host = domains.first().cloned().unwrap_or_default();
        let routes = self.routes.value.into_iter().enumerate().map(|(index, route)| {
            let at = self.routes.referenced;
            route.check(format!("{host}/{index}"), at, clusters)
        });
        Ok(VirtualHost { domains, routes: routes.collect::<Checked<_>>()? })
    }
}

impl RouteEntry {
    fn check(
        self,
        name: String,
        at: Location,
        clusters: &BTreeMap<String, Cluster>,
    ) -> Checked<Route> {
        let name = self.name.unwrap_or(name);
        let known = |cluster: &Spanned<String>| match clusters.contains_key(&cluster.value) {
            true => Ok(()),
            false => Err(wrong(cluster, format!("there is no cluster {}", cluster.value))),
        };
        let clusters = match (self.cluster, self.weighted_clusters) {
            (Some(cluster), None) => {
                known(&cluster)?;
                vec![(cluster.value, 1)]
            }
            (None, Some(weighted)) => {
                if weighted.value.iter().all(|cluster| cluster.weight == 0) {
                    return Err(wrong(&weighted, "one weight is 1 at least"));
                }
                for cluster in &weighted.value {
                    known(&cluster.name)?;
                }
                let shares = weighted.value.into_iter();
                shares.map(|cluster| (cluster.name.value, cluster.weight)).collect()
            }
            _ => {
                let problem = format!("route {name} has one of `cluster` and `weighted_clusters`");
                return Err(Wrong(at, problem));
            }
        };
        let authority = self.authority.map(|authority| {
            let parsed = authority.value.parse();
            parsed.map_err(|_| wrong(&authority, format!("{:?} is no authority", authority.value)))
        });
        let set_headers = self.set_headers.into_iter().map(|(name, value)| {
            let parsed = HeaderValue::try_from(&value.value);
            let parsed = parsed.map_err(|_| wrong(&value, "a value has characters of ASCII only"));
            Ok((header(&name, value.referenced)?, parsed?))
        });
        let headers = |names: Vec<Spanned<String>>| {
            names.iter().map(|name| header(&name.value, name.referenced)).collect::<Checked<_>>()
        };
        Ok(Route {
            matches: self.matches.check()?,
            clusters,
            hash_headers: headers(self.hash_headers)?,
            authority: authority.transpose()?,
            set_headers: set_headers.collect::<Checked<_>>()?,
            remove_headers: headers(self.remove_headers)?,
            name,
        })
    }
}

/// A name of metadata; some belong to gRPC.
fn header(name: &str, at: Location) -> Checked<HeaderName> {
    let parsed = HeaderName::try_from(name);
    let parsed = parsed.map_err(|_| Wrong(at, format!("{name:?} is no header")))?;
    let reserved = ["content-type", "te", "host", "content-length"];
    if parsed.as_str().starts_with("grpc-") || reserved.contains(&parsed.as_str()) {
        return Err(Wrong(at, format!("{parsed} belongs to gRPC")));
    }
    Ok(parsed)
}

impl MatchEntry {
    fn check(self) -> Checked<Match> {
        let path = match (self.path, self.prefix, self.service, self.method) {
            (None, None, None, None) => PathMatch::Prefix("/".into()),
            (Some(path), None, None, None) => PathMatch::Exact(rooted(path)?),
            (None, Some(prefix), None, None) => PathMatch::Prefix(rooted(prefix)?),
            (None, None, Some(service), None) => PathMatch::Prefix(format!("/{}/", service.value)),
            (None, None, Some(service), Some(method)) => {
                PathMatch::Exact(format!("/{}/{}", service.value, method.value))
            }
            (None, None, None, Some(method)) => {
                return Err(wrong(&method, "a method needs its service"));
            }
            (Some(path), ..) | (None, Some(path), ..) => {
                return Err(wrong(&path, "give one of `path`, `prefix` and `service`"));
            }
        };
        let headers = self.headers.into_iter().map(HeaderEntry::check);
        let per_million = self.percent.map(|percent| match percent.value {
            // In hundredths of a percent and finer, as xDS's denominators go.
            share if (0.0..=100.0).contains(&share) => Ok((share * 10_000.0).round() as u32),
            _ => Err(wrong(&percent, "percent is 0 to 100")),
        });
        Ok(Match {
            path,
            headers: headers.collect::<Checked<_>>()?,
            per_million: per_million.transpose()?,
        })
    }
}

fn rooted(path: Spanned<String>) -> Checked<String> {
    match path.value.starts_with('/') {
        true => Ok(path.value),
        false => Err(wrong(&path, "a path begins with `/`")),
    }
}

impl HeaderEntry {
    fn check(entry: Spanned<Self>) -> Checked<HeaderMatch> {
        let at = entry.referenced;
        let entry = entry.value;
        let name = HeaderName::try_from(&entry.name.value);
        let name = name.map_err(|_| wrong(&entry.name, "this is no header"))?;
        let regex = entry.regex.map(|regex| {
            let parsed = Regex::new(&regex.value);
            parsed.map(ValueMatch::Regex).map_err(|error| wrong(&regex, error.to_string()))
        });
        let values = [
            entry.exact.map(ValueMatch::Exact),
            entry.prefix.map(ValueMatch::Prefix),
            entry.suffix.map(ValueMatch::Suffix),
            entry.contains.map(ValueMatch::Contains),
            regex.transpose()?,
            entry.range.map(|[from, to]| ValueMatch::Range(from, to)),
            entry.present.map(ValueMatch::Present),
        ];
        let mut values = values.into_iter().flatten();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(HeaderMatch { name, value, invert: entry.invert }),
            _ => Err(Wrong(
                at,
                "give one of `exact`, `prefix`, `suffix`, `contains`, `regex`, `range` and \
                 `present`"
                    .into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::policy::Host;

    const WHOLE: &str = r#"
clusters:
  hello:
    endpoints:
    - 127.0.0.1:50051
    - {address: "hello.internal:50051", weight: 3, priority: 1}
    lb_policy: least_request
    slow_start: {window: 30s}
  next:
    endpoints: ["[::1]:1"]
virtual_hosts:
- domains: [hello, "*.cell"]
  routes:
  - match:
      service: hello.v1.HelloService
      method: SayHello
      headers: [{name: x-user, exact: ada}]
      percent: 12.5
    weighted_clusters: [{name: hello, weight: 90}, {name: next, weight: 10}]
    hash_headers: [x-user]
    authority: hello.example
    set_headers: {x-canary: "yes"}
  - cluster: hello
"#;

    #[test]
    fn everything_is_read() {
        let policy = Policy::from_yaml("mesh.yaml", WHOLE).unwrap();
        let hello = policy.clusters.get("hello").unwrap();
        assert_eq!(hello.balancing.policy, LbPolicy::LeastRequest { choices: 2 });
        assert_eq!(hello.balancing.slow_start.unwrap().min_share, 0.1);
        let named = Host::Name { name: "hello.internal".into(), port: 50051 };
        assert_eq!(
            hello.sources,
            [
                Host::Address("127.0.0.1:50051".parse().unwrap()).into(),
                Source { host: named, weight: 3, priority: 1 },
            ]
        );
        let [host] = policy.virtual_hosts.as_slice() else { panic!() };
        assert_eq!(host.domains, ["hello", "*.cell"]);
        let [canary, rest] = host.routes.as_slice() else { panic!() };
        let path = PathMatch::Exact("/hello.v1.HelloService/SayHello".into());
        assert_eq!(canary.matches.path, path);
        assert_eq!(canary.matches.per_million, Some(125_000));
        assert_eq!(canary.clusters, [("hello".to_owned(), 90), ("next".to_owned(), 10)]);
        assert_eq!(rest.name, "hello/1");
        assert_eq!(rest.matches.path, PathMatch::Prefix("/".into()));
        assert!(Policy::from_yaml("mesh.yaml", "\n# nothing\n").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            ("clusters: {a: {endpoints: []}}", "1:27: cluster a has no endpoints"),
            ("clusters:\n  a: {endpoints: [b]}", "2:19: \"b\" is not HOST:PORT"),
            ("clusters:\n  a: {endponts: [b:1]}", "2:7: unknown field `endponts`"),
            (
                "clusters: {a: {endpoints: [b:1], slow_start: {window: 3}}}",
                "\"3\" is no duration, such as 250ms, 30s, 5m or 1h",
            ),
            (
                "virtual_hosts:\n- domains: [a]\n  routes:\n  - cluster: b",
                "4:14: there is no cluster b",
            ),
            ("virtual_hosts:\n- domains: [a:1]\n  routes: []", "2:13: \"a:1\" is no domain"),
            (
                "virtual_hosts:\n- domains: [a]\n  routes:\n  - match: {method: b}",
                "one of `cluster` and `weighted_clusters`",
            ),
            ("clusters: [", "1:"),
        ] {
            let error = Policy::from_yaml("mesh.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with("mesh.yaml:"), "{error}");
            assert!(error.contains(expected), "{text}\n{error}");
        }
    }
}
