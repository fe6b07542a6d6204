//! Bad peers against our server, and bad servers against our channel.
//!
//! Each attack meets a server in a process of its own with one worker, so that nobody else can
//! serve for the one under attack. While it goes on a good client calls, and none of its calls
//! may fail; the server's memory stays within what the test says; and the peer is told what it
//! did wrong, which is read from raw frames.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod floods;
mod garbage;
mod headers;
mod hoarders;
mod messages;
mod rest;
mod servers;
mod slow;
mod streams;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ahoy::Channel;
use testkit::bad::Victim;
use testkit::interop::proto::Empty;
use testkit::interop::proto::test_service_client::TestServiceClient;
use tokio::task::JoinHandle;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What any server may grow by while it serves: buffers that the allocator keeps, and code and
/// stacks that are touched for the first time.
const SLACK: u64 = 8 * MIB;

/// The headers of a call of `grpc.testing.TestService`.
fn call(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "victim"),
        (":path", path),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
}

const EMPTY_CALL: &str = "/grpc.testing.TestService/EmptyCall";
const UNARY_CALL: &str = "/grpc.testing.TestService/UnaryCall";
const STREAMING_INPUT: &str = "/grpc.testing.TestService/StreamingInputCall";
const STREAMING_OUTPUT: &str = "/grpc.testing.TestService/StreamingOutputCall";
const FULL_DUPLEX: &str = "/grpc.testing.TestService/FullDuplexCall";

fn victim(env: &[(&str, &str)]) -> Victim {
    let env = [&[("AHOY_WORKERS", "1")], env].concat();
    Victim::start(env!("CARGO_BIN_EXE_victim"), &env).unwrap()
}

/// Attacks while a good client calls; the victim may grow by `growth` bytes at most.
async fn under_attack<A>(victim: &Victim, growth: u64, attack: impl Future<Output = A>) -> A {
    let good = GoodClient::start(victim.addr()).await;
    let before = victim.memory().unwrap();
    let result = attack.await;
    let (calls, slowest) = good.finish().await;
    let grown = victim.peak_memory().unwrap().saturating_sub(before);
    println!("grown by {} KiB; {calls} good calls, the slowest {slowest:?}", grown / KIB);
    assert!(grown <= growth, "grown by {grown} bytes, of {growth}");
    result
}

/// Calls again and again on a connection of its own.
struct GoodClient {
    enough: Arc<AtomicBool>,
    calling: JoinHandle<(u32, Duration)>,
}

impl GoodClient {
    async fn start(addr: SocketAddr) -> Self {
        let channel = Channel::new(format!("http://{addr}")).unwrap();
        let mut client = TestServiceClient::new(channel);
        client.empty_call(Empty {}).await.unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let stop = enough.clone();
        let calling = tokio::spawn(async move {
            let (mut calls, mut slowest) = (0, Duration::ZERO);
            loop {
                let last = stop.load(Ordering::Relaxed);
                let start = Instant::now();
                let mut request = tonic::Request::new(Empty {});
                request.set_timeout(Duration::from_secs(30));
                client.empty_call(request).await.expect("a good client's call");
                slowest = slowest.max(start.elapsed());
                calls += 1;
                if last {
                    return (calls, slowest);
                }
                // Not the load itself: the attack is to have the machine.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { enough, calling }
    }

    /// Makes one more call, and says how many there were and how long the slowest took.
    async fn finish(self) -> (u32, Duration) {
        self.enough.store(true, Ordering::Relaxed);
        self.calling.await.unwrap()
    }
}
