//! What is measured: the loads, and what is noted of each side under them.

use std::path::PathBuf;

use bench::procfs;
use tempfile::TempDir;

use crate::h2load::{H2load, Method};
use crate::load::{Counting, Load, Outcome};
use crate::programs::{Programs, Server};
use crate::report::Sample;
use crate::rest::{Envoy, Rest};

/// A load, and what is under it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    kind: Kind,
    /// Calls or messages.
    count: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Unary calls to a server; their latency too where they are made one at a time.
    Unary { method: Method, connections: u64, streams: u64 },
    /// Streams to a server, with this load of `stream-load`.
    Streams { load: &'static [&'static str] },
    /// REST calls, to the server or to Envoy before it.
    Rest { method: Method, http1: bool },
    /// A client with this load of its own; the server is the peer's for both sides.
    Client { load: &'static [&'static str] },
}

#[rustfmt::skip]
pub(crate) const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "server, unary, 10 connections × 20 calls",
        kind: Kind::Unary { method: Method::SayHello, connections: 10, streams: 20 },
        count: 200_000,
    },
    Scenario {
        name: "server, unary, 100 connections × 1 call",
        kind: Kind::Unary { method: Method::SayHello, connections: 100, streams: 1 },
        count: 200_000,
    },
    Scenario {
        name: "server, unary, 1 connection × 1 call",
        kind: Kind::Unary { method: Method::SayHello, connections: 1, streams: 1 },
        count: 40_000,
    },
    Scenario {
        name: "server, unary, 10 KB each way, 10 × 20",
        kind: Kind::Unary { method: Method::Echo, connections: 10, streams: 20 },
        count: 100_000,
    },
    Scenario {
        name: "server, streams, 20 messages in flight",
        kind: Kind::Streams { load: &["--channels=4", "chat", "--streams=20", "--in-flight=20"] },
        count: 400_000,
    },
    Scenario {
        name: "server, streams, 1 message in flight",
        kind: Kind::Streams { load: &["--channels=4", "chat", "--streams=20", "--in-flight=1"] },
        count: 200_000,
    },
    Scenario {
        name: "client, 20 calls at once",
        kind: Kind::Client { load: &["calls", "--at-once=20"] },
        count: 200_000,
    },
    Scenario {
        name: "client, stream, 1 message in flight",
        kind: Kind::Client { load: &["chat", "--streams=1", "--in-flight=1"] },
        count: 40_000,
    },
    Scenario {
        name: "REST beside Envoy, HTTP/1.1, small",
        kind: Kind::Rest { method: Method::SayHello, http1: true },
        count: 50_000,
    },
    Scenario {
        name: "REST beside Envoy, HTTP/2, small",
        kind: Kind::Rest { method: Method::SayHello, http1: false },
        count: 50_000,
    },
    Scenario {
        name: "REST beside Envoy, HTTP/1.1, 10 KB each way",
        kind: Kind::Rest { method: Method::Echo, http1: true },
        count: 20_000,
    },
    Scenario {
        name: "REST beside Envoy, HTTP/2, 10 KB each way",
        kind: Kind::Rest { method: Method::Echo, http1: false },
        count: 20_000,
    },
];

impl Scenario {
    /// Whether it takes Envoy.
    pub(crate) fn needs_envoy(&self) -> bool {
        matches!(self.kind, Kind::Rest { .. })
    }
}

/// The two that are compared.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Peer,
    Ours,
}

/// What it takes to run scenarios.
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    /// Where Envoy is.
    pub(crate) envoy: Option<PathBuf>,
    /// For logs, and for what loads read and write.
    pub(crate) folder: TempDir,
    /// Whether `perf` counts instructions.
    pub(crate) instructions: bool,
    /// How many times smaller than meant each load is.
    pub(crate) divisor: u64,
}

impl Bench {
    /// Runs a scenario once on one side, with a server started for it.
    pub(crate) async fn measure(&self, scenario: &Scenario, side: Side) -> anyhow::Result<Sample> {
        let count = scenario.count / self.divisor;
        match scenario.kind {
            Kind::Unary { method, connections, streams } => {
                let server = self.serve(side, method).await?;
                let (addr, folder) = (server.addr, self.folder.path());
                let h2load = H2load { method, addr, connections, streams, folder };
                let load = Load::Unary(h2load);
                self.server(server, method, &load, count).await
            }
            Kind::Streams { load } => {
                let server = self.serve(side, Method::SayHello).await?;
                let load = self.load("stream-load", &server, 0, load)?;
                self.server(server, Method::SayHello, &load, count).await
            }
            Kind::Rest { method, http1 } => self.rest(method, http1, side, count).await,
            Kind::Client { load } => {
                let client = match side {
                    Side::Peer => "tonic-client",
                    Side::Ours => "ahoy-client",
                };
                let server = self.serve(Side::Peer, Method::SayHello).await?;
                let load = self.load(client, &server, count / WARM_UP, load)?;
                self.client(server, &load, count).await
            }
        }
    }

    /// Starts a side's server for a method.
    async fn serve(&self, side: Side, method: Method) -> anyhow::Result<Server> {
        let command: &[&str] = match (side, method) {
            (Side::Peer, Method::SayHello) => &["tonic-server", "hello"],
            (Side::Peer, Method::Echo) => &["tonic-server", "echo"],
            (Side::Ours, Method::SayHello) => {
                &["ahoy", "greeter", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"]
            }
            (Side::Ours, Method::Echo) => &["ahoy-echo"],
        };
        self.programs.serve(command, self.folder.path()).await
    }

    /// A client of this package with this load for a server.
    fn load(
        &self,
        client: &str,
        server: &Server,
        warm_up: u64,
        load: &[&str],
    ) -> anyhow::Result<Load<'_>> {
        let mut args =
            vec![format!("--url=http://{}", server.addr), format!("--warm-up={warm_up}")];
        args.extend(load.iter().map(|&arg| arg.to_owned()));
        Ok(Load::Client(self.programs.path(client)?, args))
    }

    fn counting(&self, pid: Option<u32>) -> Option<Counting> {
        self.instructions.then(|| Counting { pid, file: self.folder.path().join("instructions") })
    }

    /// What a load costs a server that has just been started.
    async fn server(
        &self,
        server: Server,
        method: Method,
        load: &Load<'_>,
        count: u64,
    ) -> anyhow::Result<Sample> {
        let idle = procfs::memory(server.pid)?.resident;
        method.check(server.addr).await?;
        load.run(count / WARM_UP, None).await?;
        let counting = self.counting(Some(server.pid));
        let before = procfs::cpu_time(server.pid)?;
        let mut outcome = load.run(count, counting.as_ref()).await?;
        outcome.cpu = procfs::cpu_time(server.pid)? - before;
        let peak = procfs::memory(server.pid)?.peak;
        server.stop().await?;

        let mut sample = figures(load.unit(), &outcome);
        if let Some(counting) = counting {
            sample.push(instructions(load.unit(), counting.instructions()?, count));
        }
        if outcome.latencies.is_empty() {
            sample.push(("memory idle, MiB".to_owned(), idle as f64 / 1024.0));
            sample.push(("memory peak, MiB".to_owned(), peak as f64 / 1024.0));
        }
        sample.extend(latencies(&outcome.latencies));
        Ok(sample)
    }

    /// What REST calls cost: the peer is Envoy before our server, whose own cost is given too.
    async fn rest(
        &self,
        method: Method,
        http1: bool,
        side: Side,
        count: u64,
    ) -> anyhow::Result<Sample> {
        let folder = self.folder.path();
        let server = self.serve(Side::Ours, method).await?;
        let envoy = match (side, &self.envoy) {
            (Side::Ours, _) => None,
            (Side::Peer, None) => anyhow::bail!("--envoy says where Envoy is"),
            (Side::Peer, Some(program)) => {
                Some(Envoy::start(program, server.addr, method, folder).await?)
            }
        };
        let addr = envoy.as_ref().map_or(server.addr, |envoy| envoy.addr);
        let load = Rest { method, http1, addr, folder };
        load.check()?;
        load.run(count / WARM_UP, None).await?;
        let front = envoy.as_ref().map_or(server.pid, |envoy| envoy.pid);
        let (front_before, server_before) =
            (procfs::cpu_time(front)?, procfs::cpu_time(server.pid)?);
        let mut outcome = load.run(count, None).await?;
        outcome.cpu = procfs::cpu_time(front)? - front_before;
        let server_cpu = procfs::cpu_time(server.pid)? - server_before;
        let memory = procfs::memory(front)?.peak;

        let mut sample = figures("call", &outcome);
        let whole = match &envoy {
            Some(_) => outcome.cpu + server_cpu,
            None => outcome.cpu,
        };
        let per_call = whole.as_secs_f64() * 1e6 / count as f64;
        sample.push(("CPU with the server behind, µs per call".to_owned(), per_call));
        sample.push(("memory peak, MiB".to_owned(), memory as f64 / 1024.0));
        if let Some(envoy) = envoy {
            envoy.stop().await?;
        }
        server.stop().await?;
        Ok(sample)
    }

    /// What a load costs the client that makes it.
    async fn client(&self, server: Server, load: &Load<'_>, count: u64) -> anyhow::Result<Sample> {
        let counting = self.counting(None);
        let outcome = load.run(count, counting.as_ref()).await?;
        server.stop().await?;

        let mut sample = figures(load.unit(), &outcome);
        if let Some(counting) = counting {
            // `perf` sees the warm-up too.
            let count = count + count / WARM_UP;
            sample.push(instructions(load.unit(), counting.instructions()?, count));
        }
        Ok(sample)
    }
}

/// A load is preceded by this part of itself, which is not measured.
const WARM_UP: u64 = 10;

fn figures(unit: &str, outcome: &Outcome) -> Sample {
    let (count, cpu) = (outcome.count as f64, outcome.cpu.as_secs_f64());
    let mut figures = vec![(format!("CPU, µs per {unit}"), cpu * 1e6 / count)];
    if unit == "message" {
        figures.push(("messages per CPU second".to_owned(), count / cpu));
    }
    figures.push((format!("{unit}s per second"), count / outcome.elapsed.as_secs_f64()));
    figures
}

fn instructions(unit: &str, instructions: u64, count: u64) -> (String, f64) {
    (format!("instructions in user space per {unit}"), instructions as f64 / count as f64)
}

/// Of latencies in microseconds, the shortest first.
fn latencies(sorted: &[u64]) -> Sample {
    let at = |percent: usize| {
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).map(|latency| *latency as f64)
    };
    let mean = sorted.iter().sum::<u64>() as f64 / sorted.len() as f64;
    at(50)
        .zip(at(99))
        .map(|(half, most)| {
            vec![
                ("latency mean, µs".to_owned(), mean),
                ("latency p50, µs".to_owned(), half),
                ("latency p99, µs".to_owned(), most),
            ]
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_sorted() {
        let sorted: Vec<u64> = (1..=1000).collect();
        let values: Vec<f64> = latencies(&sorted).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [500.5, 501.0, 991.0]);
        assert_eq!(latencies(&[]), []);
    }
}
