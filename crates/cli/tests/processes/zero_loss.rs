//! A greeter is drained and restarted again and again under load, and no call fails.
//!
//! Two greeters and a caller run as processes of their own, as they would in production, and one
//! of the greeters gets SIGTERM and starts again on its port while all four kinds of call go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ahoy::Channel;
use contracts::hello::v1::SayHelloManyTimesRequest;
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::world::v1::world_service_client::WorldServiceClient;
use contracts::world::v1::{
    ConverseRequest, GreetPlacesRequest, SayHelloWorldRequest, TourRequest,
};
use futures_util::stream;
use prost_types::Duration as Interval;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::service::{ANY_PORT, Service};

const RESTARTS: usize = 10;
const CALLS: u64 = 100_000;

/// Bounds the whole test, which takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of the calls.
#[derive(Default)]
struct Tally {
    /// Whether all restarts are done.
    restarted: AtomicBool,
    calls: AtomicU64,
    failures: Mutex<Vec<Status>>,
}

type World = WorldServiceClient<Channel>;
type Hello = HelloServiceClient<Channel>;

/// A call, and one of the greeter's behind it.
async fn unary(mut world: World) -> Result<u64, Status> {
    world.say_hello_world(SayHelloWorldRequest::default()).await?;
    Ok(2)
}

/// A stream of answers, and a call of the greeter for each.
async fn tour(mut world: World) -> Result<u64, Status> {
    let request = TourRequest { count: 50, ..TourRequest::default() };
    let mut stops = world.tour(request).await?.into_inner();
    let mut calls = 1;
    while stops.message().await?.is_some() {
        calls += 1;
    }
    assert_eq!(calls, 51, "a tour ended with OK before its end");
    Ok(calls)
}

/// A stream of requests, and the greeter's behind it.
async fn places(mut world: World) -> Result<u64, Status> {
    let requests = vec![GreetPlacesRequest::default(); 10];
    let answer = world.greet_places(stream::iter(requests)).await?.into_inner();
    assert_eq!(answer.count, 10);
    Ok(2)
}

/// Both streams, message by message, and the greeter's behind them.
async fn conversation(mut world: World) -> Result<u64, Status> {
    let (requests, stream) = mpsc::channel(1);
    let mut answers = world.converse(ReceiverStream::new(stream)).await?.into_inner();
    for sequence in 1..=10 {
        // Should the call have failed, the answer says so.
        let _ = requests.send(ConverseRequest::default()).await;
        let answer = answers.message().await?;
        assert_eq!(answer.expect("ended with OK before its end").sequence, sequence);
    }
    drop(requests);
    assert!(answers.message().await?.is_none());
    Ok(2)
}

/// A stream of a greeter itself, which takes a while: a drain waits for it.
async fn many_times(mut hello: Hello) -> Result<u64, Status> {
    let interval = Some(Interval { seconds: 0, nanos: 20_000_000 });
    let request = SayHelloManyTimesRequest { count: 20, interval, ..Default::default() };
    let mut answers = hello.say_hello_many_times(request).await?.into_inner();
    let mut count = 0;
    while answers.message().await?.is_some() {
        count += 1;
    }
    assert_eq!(count, 20, "a stream ended with OK before its end");
    Ok(1)
}

/// Makes calls, `at_once` of them at a time, until all restarts are done and the calls are enough.
fn press<C: Clone + Send + 'static, F: Future<Output = Result<u64, Status>> + Send + 'static>(
    load: &mut JoinSet<()>,
    tally: &Arc<Tally>,
    at_once: usize,
    client: &C,
    call: fn(C) -> F,
) {
    for _ in 0..at_once {
        let (tally, client) = (tally.clone(), client.clone());
        load.spawn(async move {
            while !tally.restarted.load(Relaxed) || tally.calls.load(Relaxed) < CALLS {
                match call(client.clone()).await {
                    Ok(calls) => drop(tally.calls.fetch_add(calls, Relaxed)),
                    Err(status) => tally.failures.lock().unwrap().push(status),
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_a_greeter_fail_no_call() {
    tokio::time::timeout(PATIENCE, restarts()).await.expect("it hangs");
}

async fn restarts() {
    let steady = Service::start("greeter", ANY_PORT, &[]);
    let mut restarted = Service::start("greeter", ANY_PORT, &[]);
    let greeters = format!("http://{},http://{}", steady.addr, restarted.addr);
    let caller = Service::start("caller", ANY_PORT, &["--hello", &greeters]);
    let world = World::new(Channel::new(format!("http://{}", caller.addr)).unwrap());
    let hello = Hello::new(Channel::new(greeters).unwrap());

    let (mut load, tally) = (JoinSet::new(), Arc::<Tally>::default());
    press(&mut load, &tally, 16, &world, unary);
    press(&mut load, &tally, 8, &world, tour);
    press(&mut load, &tally, 4, &world, places);
    press(&mut load, &tally, 4, &world, conversation);
    press(&mut load, &tally, 4, &hello, many_times);

    for _ in 0..RESTARTS {
        restarted = spawn_blocking(move || {
            // Only one that serves has something to lose.
            while restarted.calls() == 0.0 {
                // To ask all the time would slow down what is asked about.
                std::thread::sleep(Duration::from_millis(20));
            }
            let addr = restarted.addr.to_string();
            restarted.terminate();
            assert!(restarted.wait().success());
            Service::start("greeter", &addr, &[])
        })
        .await
        .unwrap();
    }
    tally.restarted.store(true, Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    let calls = tally.calls.load(Relaxed);
    let failures = tally.failures.lock().unwrap();
    println!("{calls} calls, {} failures", failures.len());
    assert!(
        failures.is_empty(),
        "{} of {calls} calls failed: {:?}",
        failures.len(),
        failures.first()
    );
}
