//! Unary calls, made by `h2load` of nghttp2.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use bench::client::{self, NAME};
use contracts::hello::v1::{SayHelloRequest, SayHelloResponse};
use prost::Message;
use testkit::interop::proto::test_service_client::TestServiceClient;
use testkit::interop::proto::{Payload, SimpleRequest, SimpleResponse};
use tonic::transport::Endpoint;

use crate::load::{Counting, Outcome};
use crate::programs::output;

/// The payload of a large message, in bytes.
pub(crate) const LARGE: usize = 10 * 1024;

/// What unary calls are made to.
#[derive(Clone, Copy)]
pub(crate) enum Method {
    /// A short message each way.
    SayHello,
    /// [`LARGE`] each way.
    Echo,
}

impl Method {
    fn path(self) -> &'static str {
        match self {
            Self::SayHello => "/hello.v1.HelloService/SayHello",
            Self::Echo => "/grpc.testing.TestService/UnaryCall",
        }
    }

    /// The request's and the response's message, as they travel.
    fn messages(self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::SayHello => {
                let request = SayHelloRequest { name: NAME.to_owned(), ..Default::default() };
                let response = SayHelloResponse { greeting: format!("Hello, {NAME}!") };
                (frame(&request), frame(&response))
            }
            Self::Echo => {
                let response = SimpleResponse { payload: payload(), ..Default::default() };
                (frame(&echo()), frame(&response))
            }
        }
    }

    /// Makes one call with a client that reads the trailers, and sees that it is answered well.
    pub(crate) async fn check(self, addr: SocketAddr) -> anyhow::Result<()> {
        let channel = Endpoint::new(format!("http://{addr}"))?.connect().await?;
        match self {
            Self::SayHello => client::check(channel).await,
            Self::Echo => {
                let answer = TestServiceClient::new(channel).unary_call(echo()).await?;
                ensure!(answer.into_inner().payload == payload(), "the echo is not the request");
                Ok(())
            }
        }
    }
}

fn echo() -> SimpleRequest {
    SimpleRequest { response_size: LARGE as i32, payload: payload(), ..Default::default() }
}

fn payload() -> Option<Payload> {
    Some(Payload { body: vec![0; LARGE].into(), ..Default::default() })
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn frame(message: &impl Message) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.encoded_len() as u32).to_be_bytes());
    message.encode_raw(&mut framed);
    framed
}

/// Unary calls to a server.
pub(crate) struct H2load<'a> {
    pub(crate) method: Method,
    pub(crate) addr: SocketAddr,
    pub(crate) connections: u64,
    /// Calls at a time on each connection.
    pub(crate) streams: u64,
    /// For what `h2load` reads and writes.
    pub(crate) folder: &'a Path,
}

impl H2load<'_> {
    /// Makes `count` calls, and sees that each is answered in full.
    pub(crate) async fn run(
        &self,
        count: u64,
        counting: Option<&Counting>,
    ) -> anyhow::Result<Outcome> {
        let (request, response) = self.method.messages();
        let (body, log) = (self.folder.join("request"), self.folder.join("latencies"));
        std::fs::write(&body, request)?;
        let mut h2load = Counting::command(counting, Path::new("h2load"));
        h2load
            .args(["--clients", &self.connections.to_string()])
            .args(["--max-concurrent-streams", &self.streams.to_string()])
            .args(["--requests", &count.to_string()])
            .args(["--header", "content-type: application/grpc", "--header", "te: trailers"])
            .arg("--data")
            .arg(&body);
        // The latency of calls that wait for each other says little, and noting it takes time.
        let alone = self.connections * self.streams == 1;
        if alone {
            // It is appended to.
            let _ = std::fs::remove_file(&log);
            h2load.arg("--log-file").arg(&log);
        }
        h2load.arg(format!("http://{}{}", self.addr, self.method.path()));
        let report = output(h2load.stderr(Stdio::piped())).await?;
        let summary = Summary::read(&report)
            .with_context(|| format!("the report of h2load cannot be read:\n{report}"))?;
        // h2load does not know trailers; but a call that fails has no message, which leaves a gap.
        let data = count * response.len() as u64;
        ensure!(
            summary.succeeded == count && summary.data == data,
            "not every call succeeded: expected {count} with {data} bytes of messages\n{report}"
        );
        let latencies = if alone { latencies(&std::fs::read_to_string(&log)?)? } else { vec![] };
        Ok(Outcome { count, elapsed: summary.elapsed, latencies, ..Outcome::default() })
    }
}

/// What is of interest in `h2load`'s report.
#[derive(Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) elapsed: Duration,
    pub(crate) succeeded: u64,
    /// Bytes of all DATA frames.
    data: u64,
}

impl Summary {
    pub(crate) fn read(report: &str) -> Option<Self> {
        let line = |start: &str| report.lines().find_map(|line| line.strip_prefix(start));
        let (elapsed, _) = line("finished in ")?.split_once(',')?;
        let succeeded = line("requests: ")?.split(", ").find_map(|n| n.strip_suffix(" succeeded"));
        let (_, data) = line("traffic: ")?.rsplit_once('(')?;
        Some(Self {
            elapsed: duration(elapsed)?,
            succeeded: succeeded?.parse().ok()?,
            data: data.strip_suffix(") data")?.parse().ok()?,
        })
    }
}

/// `1.25s`, `83.10ms` or `500us`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match text.get(digits.len()..)? {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(digits.parse::<f64>().ok()? * unit))
}

/// Of each line: when the call began, its status, how long it took.
fn latencies(log: &str) -> anyhow::Result<Vec<u64>> {
    let latency = |line: &str| line.split_whitespace().nth(2)?.parse().ok();
    let latencies: Option<Vec<u64>> = log.lines().map(latency).collect();
    let mut latencies = latencies.context("the log of h2load cannot be read")?;
    latencies.sort_unstable();
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_report_of_h2load_is_read() {
        let report = "\
finished in 83.10ms, 12034.21 req/s, 1.13MB/s
requests: 1000 total, 1000 started, 1000 done, 999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 999 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 96.05KB (98354) total, 18.51KB (18954) headers (space savings 89.99%), 17.58KB (18000) data
";
        let summary = Summary::read(report).unwrap();
        let elapsed = Duration::from_micros(83_100);
        assert_eq!(summary, Summary { elapsed, succeeded: 999, data: 18_000 });
        assert_eq!(Summary::read("finished in 1.00s"), None);
    }

    #[test]
    fn latencies_are_sorted() {
        assert_eq!(latencies("17\t200\t90\n18\t200\t70\n").unwrap(), [70, 90]);
        assert!(latencies("17 200").is_err());
    }

    #[test]
    fn a_framed_message_has_its_length_before_it() {
        let (request, response) = Method::SayHello.messages();
        assert_eq!(request, b"\0\0\0\0\x05\x0a\x03Ada");
        assert_eq!(response.len(), 5 + 2 + 11);
    }
}
