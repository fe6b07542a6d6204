//! From starting to stopped: what health and the admin port say, what a drain waits for and what
//! it cuts, and how connections that grow old are replaced.

use std::sync::Arc;
use std::time::Duration;

use ahoy::CallContext;
use ahoy::server::{Phase, Running, ServerSettings};
use contracts::hello::v1::{ChatRequest, GreetEveryoneRequest, SayHelloManyTimesRequest};
use futures_util::stream;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::raw::{Client, SAY_HELLO};
use crate::support::{
    Scripted, channel, get, greeter, greeting, hello, named, scripted, settings,
    settings_with_admin, within,
};

/// A hello service whose `SayHello` tells that it has begun and waits for a permit.
fn gated() -> (Scripted, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let (begun, begins) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let stub = Scripted::default().say_hello(move |_| {
        let (begun, permits) = (begun.clone(), permits.clone());
        async move {
            begun.send(()).unwrap();
            permits.acquire().await.unwrap().forget();
            Ok(greeting("late"))
        }
    });
    (stub, begins, gate)
}

/// Resolves when the server takes no more connections.
async fn refuses(server: &Running) {
    while TcpStream::connect(server.addr()).await.is_ok() {}
}

#[tokio::test]
async fn the_admin_port_answers_the_operator() {
    within(async {
        let server = greeter(settings_with_admin()).await;
        assert_eq!(server.phase(), Phase::Ready);
        let mut client = hello(&server);
        client.say_hello(named("Ada")).await.unwrap();

        let page = get(&server, "/livez").await;
        assert_eq!((page.status, &*page.body), (200, "alive\n"));
        let page = get(&server, "/readyz").await;
        assert_eq!((page.status, &*page.body), (200, "ready\n"));
        let page = get(&server, "/metrics").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.sample("ahoy_server_connections"), 1.0);
        assert_eq!(get(&server, "/nothing").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_drain_waits_for_calls_in_flight_and_then_stops() {
    within(async {
        let (stub, mut begun, gate) = gated();
        let server = Arc::new(scripted(stub, settings_with_admin()).await);
        let mut client = hello(&server);
        let unary = tokio::spawn(async move { client.say_hello(named("")).await });
        begun.recv().await.unwrap();
        let (requests, stream) = mpsc::channel(1);
        requests.send(ChatRequest::default()).await.unwrap();
        let answers = hello(&server).chat(ReceiverStream::new(stream)).await;
        let mut answers = answers.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());

        let draining = tokio::spawn({
            let server = server.clone();
            async move { server.drain().await }
        });
        refuses(&server).await;
        assert_eq!(server.phase(), Phase::Draining);
        assert!(!draining.is_finished());
        let page = get(&server, "/readyz").await;
        assert_eq!((page.status, &*page.body), (503, "draining\n"));
        assert_eq!(get(&server, "/livez").await.status, 200);

        // Both go on as if nothing had happened.
        gate.add_permits(1);
        assert_eq!(unary.await.unwrap().unwrap().into_inner().greeting, "late");
        assert!(!draining.is_finished());
        requests.send(ChatRequest::default()).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().sequence, 2);
        drop(requests);
        assert!(answers.message().await.unwrap().is_none());
        draining.await.unwrap();
        assert_eq!(server.phase(), Phase::Stopped);
    })
    .await;
}

#[tokio::test]
async fn a_drain_cuts_what_takes_longer_than_its_limit() {
    within(async {
        let (stub, mut begun, _gate) = gated();
        let drain_timeout = Duration::from_millis(100);
        let server = scripted(stub, ServerSettings { drain_timeout, ..settings() }).await;
        let mut client = hello(&server);
        let call = tokio::spawn(async move { client.say_hello(named("")).await });
        begun.recv().await.unwrap();
        server.drain().await;
        assert_eq!(server.phase(), Phase::Stopped);
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn a_cut_ends_a_drain() {
    within(async {
        let (stub, mut begun, _gate) = gated();
        let drain_timeout = Duration::from_secs(3600);
        let settings = ServerSettings { drain_timeout, ..settings() };
        let server = Arc::new(scripted(stub, settings).await);
        let mut client = hello(&server);
        let call = tokio::spawn(async move { client.say_hello(named("")).await });
        begun.recv().await.unwrap();
        let draining = tokio::spawn({
            let server = server.clone();
            async move { server.drain().await }
        });
        refuses(&server).await;
        assert!(!draining.is_finished());
        server.cut();
        draining.await.unwrap();
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn a_drain_ends_idle_connections_and_silent_ones() {
    within(async {
        let server = greeter(settings()).await;
        let mut idle = Client::connect(server.addr()).await;
        let end = idle.call(SAY_HELLO, &[], &named("Ada")).await.end().await;
        assert_eq!(end.code(), Code::Ok);
        // One that has not said what it speaks.
        let _silent = TcpStream::connect(server.addr()).await.unwrap();
        server.drain().await;
        // By GOAWAY, which is no error.
        idle.ended.await.unwrap().unwrap();
    })
    .await;
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

const HELLO: &str = "hello.v1.HelloService";

#[tokio::test]
async fn health_tells_of_the_server_and_each_service() {
    within(async {
        let server = greeter(settings()).await;
        let mut health = HealthClient::new(channel(&server));
        for service in ["", HELLO] {
            let answer = health.check(of(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
        let status = health.check(of("nobody.v1.Knows")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);

        // The generated client does not have List yet; its request has no fields.
        let mut client = Client::connect(server.addr()).await;
        let call = client.call("/grpc.health.v1.Health/List", &[], &of("")).await;
        let end = call.end().await;
        assert_eq!(end.code(), Code::Ok);
        assert!(end.data > HELLO.len());
    })
    .await;
}

#[tokio::test]
async fn a_drain_tells_who_watches_and_ends_the_watch() {
    within(async {
        let server = Arc::new(greeter(settings()).await);
        let mut health = HealthClient::new(channel(&server));
        let mut unknown = health.watch(of("nobody.v1.Knows")).await.unwrap().into_inner();
        let mut known = health.watch(of(HELLO)).await.unwrap().into_inner();
        let first = unknown.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);
        let first = known.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);

        server.drain().await;
        let next = known.message().await.unwrap().unwrap();
        assert_eq!(next.status(), ServingStatus::NotServing);
        assert!(known.message().await.unwrap().is_none());
        assert!(unknown.message().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn health_says_so_before_the_listener_closes() {
    within(async {
        let drain_delay = Duration::from_secs(3600);
        let settings = ServerSettings { drain_delay, ..settings_with_admin() };
        let server = Arc::new(greeter(settings).await);
        let mut health = HealthClient::new(channel(&server));
        let mut watch = health.watch(of("")).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        let draining = tokio::spawn({
            let server = server.clone();
            async move { server.drain().await }
        });
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert_eq!(get(&server, "/readyz").await.status, 503);
        // Still served, on a new connection too.
        hello(&server).say_hello(named("Ada")).await.unwrap();
        assert!(!draining.is_finished());
        server.cut();
        draining.abort();
    })
    .await;
}

#[tokio::test]
async fn an_aged_connection_is_replaced_and_no_call_fails() {
    within(async {
        let max_connection_age = Some(Duration::from_millis(50));
        let settings = ServerSettings { max_connection_age, ..settings() };
        // Says through which connection it was asked.
        let stub = Scripted::default().say_hello(|_| {
            let peer = CallContext::current().peer.unwrap();
            std::future::ready(Ok(greeting(peer.addr.to_string())))
        });
        let server = scripted(stub, settings).await;
        let client = hello(&server);
        let mut connections = std::collections::BTreeSet::new();
        // Streams too, so that some are always in flight when the GOAWAY comes.
        while connections.len() < 5 {
            let (mut unary, mut many, mut all) = (client.clone(), client.clone(), client.clone());
            let request = SayHelloManyTimesRequest { count: 100, ..Default::default() };
            let requests = stream::iter(vec![GreetEveryoneRequest::default(); 20]);
            let (one, answers, everyone) = tokio::join!(
                unary.say_hello(named("Ada")),
                many.say_hello_many_times(request),
                all.greet_everyone(requests),
            );
            connections.insert(one.unwrap().into_inner().greeting);
            let mut answers = answers.unwrap().into_inner();
            let mut count = 0;
            while answers.message().await.unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 100);
            assert_eq!(everyone.unwrap().into_inner().count, 20);
        }
    })
    .await;
}
