//! Metrics: gRPC's own (gRFC A66), those of the process, and counters and gauges that parts of
//! the toolkit and services register.
//!
//! A [`Metrics`] is a registry. A server has one of its own unless it is given another; a channel
//! uses [`Metrics::global`] unless it is given another. Every worker writes memory of its own, and
//! a scrape adds up.

mod calls;
mod histogram;
mod process;
mod shards;
pub(crate) mod snapshot;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub use calls::{ClientCalls, ServerCalls};
pub(crate) use calls::{Outcome, code_name};
pub(crate) use table::MethodId;

use shards::Sharded;
use snapshot::{Family, Kind, Labels, Series, Value};

/// A registry. Clones are the same registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    calls: calls::Calls,
    own: Mutex<BTreeMap<String, Own>>,
}

/// The series of one name that were registered here.
#[derive(Debug)]
struct Own {
    unit: &'static str,
    help: &'static str,
    kind: Kind,
    series: Vec<(Labels, Source)>,
}

#[derive(Clone)]
enum Source {
    Cells(Arc<Sharded<AtomicI64>>),
    Read(Arc<dyn Fn() -> f64 + Send + Sync>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cells(_) => "Cells",
            Self::Read(_) => "Read",
        })
    }
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The registry of the process.
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Metrics> = LazyLock::new(Metrics::new);
        &GLOBAL
    }

    /// Registers the methods that a server knows from its contracts, as
    /// `/package.Service/Method` (the slash in front may be left out). Calls of any other method
    /// are counted as `other`, so that nobody outside can make memory grow.
    pub fn server_calls<'a>(&self, methods: impl IntoIterator<Item = &'a str>) -> Arc<ServerCalls> {
        Arc::new(self.0.calls.server(methods.into_iter()))
    }

    /// Registers a channel: its target as a URI (`dns:///orders:50051`) and the methods that are
    /// known in advance. Methods that generated stubs call are added when they are first called,
    /// up to 1,024 pairs of target and method in a registry; whatever is beyond is `other`.
    pub fn client_calls<'a>(
        &self,
        target: &str,
        methods: impl IntoIterator<Item = &'a str>,
    ) -> Arc<ClientCalls> {
        Arc::new(self.0.calls.client(target, methods.into_iter()))
    }

    /// A value that only grows. Names are OpenTelemetry's, with dots and without the unit
    /// (`ahoy.server.connections`); units are UCUM (`By`, `s`, `{connection}`). The same name and
    /// labels give the same counter again.
    pub fn counter(
        &self,
        name: &str,
        unit: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        Counter(self.cells(name, unit, help, Kind::Counter, labels))
    }

    /// A value that grows and shrinks; otherwise as [`Metrics::counter`].
    pub fn gauge(
        &self,
        name: &str,
        unit: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        Gauge(self.cells(name, unit, help, Kind::Gauge, labels))
    }

    /// A gauge whose value is asked for at each scrape. Registering the same name and labels
    /// again replaces the function.
    pub fn gauge_fn(
        &self,
        name: &str,
        unit: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.put(name, unit, help, Kind::Gauge, labels, |_| Source::Read(Arc::new(read)));
    }

    /// The text of a Prometheus scrape, version 0.0.4.
    pub fn render(&self) -> String {
        super::prometheus::render(&self.snapshot())
    }

    pub(crate) fn snapshot(&self) -> Vec<Family> {
        let mut families = Vec::new();
        self.0.calls.snapshot(&mut families);
        {
            let own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
            families.extend(own.iter().map(|(name, own)| own.family(name)));
        }
        process::snapshot(&mut families);
        families.retain(|family| !family.series.is_empty());
        families
    }

    fn cells(
        &self,
        name: &str,
        unit: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[(&'static str, &str)],
    ) -> Arc<Sharded<AtomicI64>> {
        let fresh = Arc::default();
        let source = self.put(name, unit, help, kind, labels, |known| match known {
            Some(Source::Cells(cells)) => Source::Cells(Arc::clone(cells)),
            _ => Source::Cells(Arc::clone(&fresh)),
        });
        match source {
            Source::Cells(cells) => cells,
            Source::Read(_) => fresh,
        }
    }

    fn put(
        &self,
        name: &str,
        unit: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[(&'static str, &str)],
        source: impl FnOnce(Option<&Source>) -> Source,
    ) -> Source {
        let labels: Labels = labels.iter().map(|&(key, value)| (key, value.to_owned())).collect();
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = own.entry(name.to_owned()).or_insert(Own { unit, help, kind, series: vec![] });
        match own.series.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, known)) => {
                *known = source(Some(known));
                known.clone()
            }
            None => {
                let source = source(None);
                own.series.push((labels, source.clone()));
                source
            }
        }
    }
}

impl Own {
    fn family(&self, name: &str) -> Family {
        let series = self.series.iter().map(|(labels, source)| {
            let value = match source {
                Source::Cells(cells) => {
                    cells.iter().map(|cell| cell.load(Relaxed)).sum::<i64>() as f64
                }
                Source::Read(read) => read(),
            };
            Series { labels: labels.clone(), value: Value::Number(value) }
        });
        Family {
            name: name.to_owned().into(),
            unit: self.unit.into(),
            help: self.help.into(),
            kind: self.kind,
            series: series.collect(),
        }
    }
}

/// A value that only grows. Clones are the same counter.
#[derive(Clone, Debug)]
pub struct Counter(Arc<Sharded<AtomicI64>>);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.mine().fetch_add(count.try_into().unwrap_or(i64::MAX), Relaxed);
    }
}

/// A value that grows and shrinks. Clones are the same gauge.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<Sharded<AtomicI64>>);

impl Gauge {
    /// Adds `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.0.mine().fetch_add(change, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn workers_write_apart_and_a_scrape_adds_up() {
        let metrics = Metrics::new();
        let gauge = metrics.gauge("ahoy.test", "", "A test.", &[]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let gauge = &gauge;
                scope.spawn(move || {
                    crate::worker::enroll();
                    gauge.add(10);
                    gauge.add(-3);
                });
            }
        });
        gauge.add(1);
        let again = metrics.gauge("ahoy.test", "", "A test.", &[]);
        again.add(1);
        let families = metrics.snapshot();
        let family = families.iter().find(|family| family.name == "ahoy.test").unwrap();
        assert_eq!(family.series.len(), 1);
        assert_eq!(family.series[0].value, Value::Number(30.0));
    }
}
