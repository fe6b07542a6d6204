//! gRPC's own metrics (gRFC A66): what is counted for each method.
//!
//! Counting a call costs one look-up by path and seven relaxed additions to memory that only
//! this worker writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tonic::Code;

use super::histogram::{Counts, DURATION_BOUNDS, Durations, SIZE_BOUNDS, Sizes};
use super::shards::Sharded;
use super::snapshot::{Family, Kind, Labels, Series, Value};
use super::table::{MethodId, Table};

/// A66: what stands for a method, or a target, that is not known in advance.
pub(super) const OTHER: &str = "other";

/// Pairs of target and method of one registry; what comes beyond is counted as "other". Each
/// takes some KiB a worker, and one more for each status that occurs.
const MAX_CLIENT_PAIRS: usize = 1_024;

const CODES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

/// The name of a status as metrics, logs and the documents of gRPC write it: `NOT_FOUND`.
pub(crate) fn code_name(code: Code) -> &'static str {
    CODES.get(code as usize).map_or("UNKNOWN", |(_, name)| name)
}

/// What is known of a call when it has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Code,
    pub(crate) duration: Duration,
    /// Payload as it was on the wire, compressed if it was; without the framing.
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl Outcome {
    fn nanos(&self) -> u64 {
        u64::try_from(self.duration.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The calls that a server answers.
#[derive(Debug)]
pub struct ServerCalls {
    table: Table<Arc<Method>>,
}

impl ServerCalls {
    pub(crate) fn find(&self, path: &str) -> MethodId {
        self.table.find(path).unwrap_or(MethodId::OTHER)
    }

    pub(crate) fn started(&self, method: MethodId) {
        self.table.get(method).attempts.mine().started.fetch_add(1, Relaxed);
    }

    pub(crate) fn finished(&self, method: MethodId, outcome: &Outcome) {
        self.table.get(method).attempts.mine().finished(outcome);
    }
}

/// The calls that are made through one channel.
#[derive(Debug)]
pub struct ClientCalls {
    target: Arc<str>,
    known: Arc<ClientMethods>,
    table: ArcSwap<Table<Arc<ClientMethod>>>,
}

impl ClientCalls {
    /// `generated`: the call comes from a stub, so that its method is one of finitely many, and
    /// may be counted under its name although it was not registered.
    pub(crate) fn find(&self, path: &str, generated: bool) -> MethodId {
        match self.table.load().find(path) {
            Some(id) => id,
            None if generated => self.learn(path),
            None => MethodId::OTHER,
        }
    }

    pub(crate) fn started(&self, method: MethodId) {
        self.table.load().get(method).attempt.attempts.mine().started.fetch_add(1, Relaxed);
    }

    pub(crate) fn finished(&self, method: MethodId, outcome: &Outcome) {
        let table = self.table.load();
        let method = table.get(method);
        method.attempt.attempts.mine().finished(outcome);
        if let Some(durations) = method.calls.mine().of(outcome.code) {
            durations.record(&DURATION_BOUNDS, outcome.nanos());
        }
    }

    pub(crate) fn target(&self) -> &Arc<str> {
        &self.target
    }

    #[cold]
    fn learn(&self, path: &str) -> MethodId {
        self.table.rcu(|table| {
            let mut table = Table::clone(table);
            if table.find(path).is_none() {
                table.add(path, |method| self.known.entry(&self.target, method));
            }
            table
        });
        self.table.load().find(path).unwrap_or(MethodId::OTHER)
    }
}

/// Everything that A66 counts, of every server and channel that shares a registry.
#[derive(Debug, Default)]
pub(super) struct Calls {
    server: Mutex<BTreeMap<Arc<str>, Arc<Method>>>,
    client: Arc<ClientMethods>,
}

impl Calls {
    pub(super) fn server<'a>(&self, methods: impl Iterator<Item = &'a str>) -> ServerCalls {
        let mut known = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = |name: &str| Arc::clone(known.entry(Arc::from(name)).or_default());
        let mut table = Table::new(entry(OTHER));
        methods.for_each(|path| table.add(path, &mut entry));
        ServerCalls { table }
    }

    pub(super) fn client<'a>(
        &self,
        target: &str,
        methods: impl Iterator<Item = &'a str>,
    ) -> ClientCalls {
        let entry = |name: &str| self.client.entry(target, name);
        let mut table = Table::new(entry(OTHER));
        methods.for_each(|path| table.add(path, entry));
        ClientCalls {
            target: target.into(),
            known: Arc::clone(&self.client),
            table: ArcSwap::from_pointee(table),
        }
    }

    pub(super) fn snapshot(&self, families: &mut Vec<Family>) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let server = server
            .into_iter()
            .map(|(name, method)| (vec![("grpc.method", name.to_string())], method));
        attempts(server.collect(), &SERVER, families);

        let client = self.client.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client: Vec<(Labels, Arc<ClientMethod>)> = client
            .into_iter()
            .map(|((target, method), entry)| {
                let labels =
                    vec![("grpc.method", method.to_string()), ("grpc.target", target.to_string())];
                (labels, entry)
            })
            .collect();
        let attempt = client
            .iter()
            .map(|(labels, entry)| (labels.clone(), Arc::clone(&entry.attempt)))
            .collect();
        attempts(attempt, &CLIENT, families);
        let durations = client.iter().flat_map(|(labels, entry)| {
            by_status(labels, |code| {
                let mut counts = Counts::default();
                entry
                    .calls
                    .iter()
                    .filter_map(|by| by.seen(code))
                    .for_each(|d| d.add_to(&mut counts));
                counts
            })
        });
        families.push(durations_family(
            "grpc.client.call.duration",
            "Time that a call took from the application's view, retries included.",
            durations.collect(),
        ));
    }
}

#[derive(Debug, Default)]
struct ClientMethods(Mutex<BTreeMap<TargetAndMethod, Arc<ClientMethod>>>);

type TargetAndMethod = (Arc<str>, Arc<str>);

impl ClientMethods {
    fn entry(&self, target: &str, method: &str) -> Arc<ClientMethod> {
        let mut pairs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = pairs.len() >= MAX_CLIENT_PAIRS;
        let mut pair: TargetAndMethod = (target.into(), method.into());
        if full && !pairs.contains_key(&pair) {
            pair.1 = OTHER.into();
        }
        if full && !pairs.contains_key(&pair) {
            pair.0 = OTHER.into();
        }
        Arc::clone(pairs.entry(pair).or_default())
    }
}

/// Calls on a server, attempts on a client: they are counted alike.
#[derive(Debug, Default)]
struct Method {
    attempts: Sharded<Shard>,
}

#[derive(Debug, Default)]
struct ClientMethod {
    attempt: Arc<Method>,
    calls: Sharded<ByStatus<Durations>>,
}

#[derive(Debug, Default)]
struct Shard {
    started: AtomicU64,
    ended: ByStatus<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    duration: Durations,
    sent: Sizes,
    received: Sizes,
}

impl Shard {
    fn finished(&self, outcome: &Outcome) {
        if let Some(ended) = self.ended.of(outcome.code) {
            ended.duration.record(&DURATION_BOUNDS, outcome.nanos());
            ended.sent.record(&SIZE_BOUNDS, outcome.sent_bytes);
            ended.received.record(&SIZE_BOUNDS, outcome.received_bytes);
        }
    }
}

/// A value a status, there once the status has occurred.
#[derive(Debug)]
struct ByStatus<T>([OnceLock<Box<T>>; CODES.len()]);

impl<T> Default for ByStatus<T> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; CODES.len()])
    }
}

impl<T: Default> ByStatus<T> {
    fn of(&self, code: Code) -> Option<&T> {
        Some(self.0.get(code as usize)?.get_or_init(Box::default))
    }

    fn seen(&self, code: Code) -> Option<&T> {
        self.0.get(code as usize)?.get().map(|value| &**value)
    }
}

/// How the metrics of one side are called.
struct Names {
    started: (&'static str, &'static str, &'static str),
    duration: (&'static str, &'static str),
    sent: (&'static str, &'static str),
    received: (&'static str, &'static str),
}

const SERVER: Names = Names {
    started: ("grpc.server.call.started", "{call}", "Calls started, finished or not."),
    duration: ("grpc.server.call.duration", "Time that a call took, seen from the transport."),
    sent: (
        "grpc.server.call.sent_total_compressed_message_size",
        "Compressed bytes of all response messages of a call.",
    ),
    received: (
        "grpc.server.call.rcvd_total_compressed_message_size",
        "Compressed bytes of all request messages of a call.",
    ),
};

const CLIENT: Names = Names {
    started: ("grpc.client.attempt.started", "{attempt}", "Attempts started, finished or not."),
    duration: (
        "grpc.client.attempt.duration",
        "Time that an attempt took, the choice of a connection included.",
    ),
    sent: (
        "grpc.client.attempt.sent_total_compressed_message_size",
        "Compressed bytes of all request messages of an attempt.",
    ),
    received: (
        "grpc.client.attempt.rcvd_total_compressed_message_size",
        "Compressed bytes of all response messages of an attempt.",
    ),
};

fn attempts(methods: Vec<(Labels, Arc<Method>)>, names: &Names, families: &mut Vec<Family>) {
    let started = methods.iter().filter_map(|(labels, method)| {
        let count: u64 = method.attempts.iter().map(|shard| shard.started.load(Relaxed)).sum();
        (count > 0).then(|| Series { labels: labels.clone(), value: Value::from(count) })
    });
    let (name, unit, help) = names.started;
    families.push(Family {
        name: name.into(),
        unit: unit.into(),
        help: help.into(),
        kind: Kind::Counter,
        series: started.collect(),
    });
    let ended = |add: fn(&Ended, &mut Counts)| -> Vec<(Labels, Counts)> {
        let of_method = |(labels, method): &(Labels, Arc<Method>)| {
            by_status(labels, |code| {
                let mut counts = Counts::default();
                let shards = method.attempts.iter();
                shards.filter_map(|s| s.ended.seen(code)).for_each(|e| add(e, &mut counts));
                counts
            })
        };
        methods.iter().flat_map(of_method).collect()
    };
    let sent = ended(|ended, counts| ended.sent.add_to(counts));
    families.push(sizes_family(names.sent, sent));
    let received = ended(|ended, counts| ended.received.add_to(counts));
    families.push(sizes_family(names.received, received));
    let duration = ended(|ended, counts| ended.duration.add_to(counts));
    families.push(durations_family(names.duration.0, names.duration.1, duration));
}

/// The labels of each status that occurred, with its counts.
fn by_status(labels: &Labels, counts: impl Fn(Code) -> Counts) -> Vec<(Labels, Counts)> {
    let status = |(code, name): &(Code, &str)| {
        let counts = counts(*code);
        let mut labels = labels.clone();
        labels.push(("grpc.status", (*name).to_owned()));
        (!counts.buckets.is_empty()).then_some((labels, counts))
    };
    CODES.iter().filter_map(status).collect()
}

fn durations_family(name: &str, help: &str, series: Vec<(Labels, Counts)>) -> Family {
    const NANOS: f64 = 1e9;
    histograms(name, "s", help, &DURATION_BOUNDS, NANOS, series)
}

fn sizes_family((name, help): (&str, &str), series: Vec<(Labels, Counts)>) -> Family {
    histograms(name, "By", help, &SIZE_BOUNDS, 1.0, series)
}

fn histograms(
    name: &str,
    unit: &str,
    help: &str,
    bounds: &[u64],
    scale: f64,
    series: Vec<(Labels, Counts)>,
) -> Family {
    let bounds: Arc<[f64]> = bounds.iter().map(|&bound| bound as f64 / scale).collect();
    let series = series.into_iter().map(|(labels, counts)| Series {
        labels,
        value: Value::Histogram {
            bounds: Arc::clone(&bounds),
            buckets: counts.buckets,
            sum: counts.sum as f64 / scale,
        },
    });
    Family {
        name: name.to_owned().into(),
        unit: unit.to_owned().into(),
        help: help.to_owned().into(),
        kind: Kind::Histogram,
        series: series.collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    fn series(calls: &Calls, name: &str) -> Vec<Series> {
        let mut families = Vec::new();
        calls.snapshot(&mut families);
        families.into_iter().find(|family| family.name == name).unwrap().series
    }

    #[test]
    fn codes_stand_at_their_numbers() {
        for (number, (code, _)) in CODES.iter().enumerate() {
            assert_eq!(*code as usize, number);
        }
        assert_eq!(code_name(Code::Unauthenticated), "UNAUTHENTICATED");
    }

    #[test]
    fn a_method_outside_of_the_contract_is_other() {
        let calls = Calls::default();
        let server = calls.server(["/a.B/C"].into_iter());
        for path in ["/a.B/C", "/a.B/D", "/x", ""] {
            server.started(server.find(path));
        }
        let started = series(&calls, "grpc.server.call.started");
        let found: Vec<_> = started.iter().map(|s| (s.labels[0].1.as_str(), &s.value)).collect();
        assert_eq!(found, [("a.B/C", &Value::from(1)), ("other", &Value::from(3))]);
    }

    #[test]
    fn two_servers_of_a_registry_share_the_entry_of_a_method() {
        let calls = Calls::default();
        for server in [calls.server(["a.B/C"].into_iter()), calls.server(["/a.B/C"].into_iter())] {
            server.started(server.find("/a.B/C"));
        }
        let started = series(&calls, "grpc.server.call.started");
        assert_eq!(started.len(), 1);
        assert_eq!(started[0].value, Value::from(2));
    }

    #[test]
    fn only_a_generated_stub_adds_a_method_and_only_so_many() {
        let calls = Calls::default();
        let client = calls.client("dns:///a:1", std::iter::empty());
        client.started(client.find("/a.B/C", true));
        client.started(client.find("/a.B/C", false));
        client.started(client.find("/made.Up/Path", false));
        for number in 0..2 * MAX_CLIENT_PAIRS {
            client.started(client.find(&format!("/a.B/M{number}"), true));
        }
        let late = calls.client("dns:///b:1", std::iter::empty());
        late.started(late.find("/a.B/C", true));

        let started = series(&calls, "grpc.client.attempt.started");
        assert!(started.len() <= MAX_CLIENT_PAIRS + 1);
        let count = |method: &str, target: &str| {
            let labels =
                vec![("grpc.method", method.to_owned()), ("grpc.target", target.to_owned())];
            started.iter().find(|s| s.labels == labels).map(|s| s.value.clone())
        };
        assert_eq!(count("a.B/C", "dns:///a:1"), Some(Value::from(2)));
        assert_eq!(count("other", "other"), Some(Value::from(1)));
        assert!(count("other", "dns:///a:1").is_some());
    }
}
