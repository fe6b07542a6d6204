//! Every call has a deadline, which covers it to its last message, shrinks on its way, and ends
//! it as DEADLINE_EXCEEDED.

use std::future::pending;
use std::time::Duration;

use ahoy::server::{Running, ServerSettings};
use ahoy::{CallContext, Channel};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::{
    ChatRequest, ChatResponse, GreetEveryoneRequest, SayHelloManyTimesRequest,
    SayHelloManyTimesResponse,
};
use contracts::world::v1::{ConverseRequest, SayHelloWorldRequest, TourRequest};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use crate::support::raw::{self, CHAT, Client, EVERYONE, MANY_TIMES, SAY_HELLO};
use crate::support::{
    ANY_PORT, Dropped, Guards, Scripted, caller, get, greeting, hello, named, scripted, settings,
    settings_with_admin, within, world,
};

/// What a raw client asks for: long enough for the handler to begin, short enough to wait for.
const SHORT: (&str, &str) = ("grpc-timeout", "500m");

/// A hello service that never ends a call; what it holds of one tells when it is dropped.
async fn endless(settings: ServerSettings) -> (Running, Dropped) {
    let (guards, dropped) = Guards::new();
    let (unary, many, all, chat) = (guards.clone(), guards.clone(), guards.clone(), guards);
    let stub = Scripted::default()
        .say_hello(move |_| {
            let guard = unary.guard();
            async move {
                let _guard = guard;
                pending().await
            }
        })
        .many_times(move |request| {
            let guard = many.guard();
            let first = SayHelloManyTimesResponse { greeting: request.name, ..Default::default() };
            // With an interval it stops after the first answer, without it never does.
            let count = if request.interval.is_some() { 1 } else { usize::MAX };
            stream::repeat(first).take(count).chain(stream::pending()).map(move |answer| {
                let _ = &guard;
                Ok(answer)
            })
        })
        .everyone(move |mut requests| {
            let guard = all.guard();
            async move {
                let _guard = guard;
                while requests.message().await?.is_some() {}
                pending().await
            }
        })
        .chat(move |requests| {
            let guard = chat.guard();
            requests.map_ok(move |_| {
                let _ = &guard;
                ChatResponse::default()
            })
        });
    (scripted(stub, settings).await, dropped)
}

fn slow_stream() -> SayHelloManyTimesRequest {
    SayHelloManyTimesRequest { interval: Some(Default::default()), ..Default::default() }
}

#[tokio::test]
async fn the_server_ends_a_unary_call() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let mut client = Client::connect(server.addr()).await;
        let end = client.call(SAY_HELLO, &[SHORT], &named("")).await.end().await;
        assert_eq!(end.code(), Code::DeadlineExceeded);
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn the_server_ends_streams_in_their_trailers() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let mut client = Client::connect(server.addr()).await;

        let end = client.call(MANY_TIMES, &[SHORT], &slow_stream()).await.end().await;
        assert_eq!(end.code(), Code::DeadlineExceeded);
        assert!(end.data > 0, "the first answer came");
        dropped.one().await;

        // Their requests stay open, so nothing but the deadline can end them.
        let mut call = client.begin(EVERYONE, &[SHORT]).await;
        call.requests.send_data(raw::frame(&GreetEveryoneRequest::default()), false).unwrap();
        assert_eq!(call.end().await.code(), Code::DeadlineExceeded);
        dropped.one().await;

        let mut call = client.begin(CHAT, &[SHORT]).await;
        call.requests.send_data(raw::frame(&ChatRequest::default()), false).unwrap();
        let end = call.end().await;
        assert_eq!(end.code(), Code::DeadlineExceeded);
        assert!(end.data > 0, "the first answer came");
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn the_server_ends_a_stream_that_nobody_reads() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let mut tiny = h2::client::Builder::new();
        tiny.initial_window_size(16);
        let mut client = Client::connect_with(server.addr(), &tiny).await;
        let request = SayHelloManyTimesRequest {
            name: "x".repeat(1_000),
            ..SayHelloManyTimesRequest::default()
        };
        let call = client.call(MANY_TIMES, &[SHORT], &request).await;
        dropped.one().await;
        // There is no room to say why.
        assert_eq!(call.reset().await, Some(h2::Reason::CANCEL));
    })
    .await;
}

#[tokio::test]
async fn calls_without_a_deadline_have_the_servers() {
    within(async {
        let default_deadline = Some(Duration::from_millis(200));
        let (server, mut dropped) =
            endless(ServerSettings { default_deadline, ..settings() }).await;
        let mut client = Client::connect(server.addr()).await;
        let end = client.call(SAY_HELLO, &[], &named("")).await.end().await;
        assert_eq!(end.code(), Code::DeadlineExceeded);
        dropped.one().await;
        let end = client.call(MANY_TIMES, &[], &slow_stream()).await.end().await;
        assert_eq!(end.code(), Code::DeadlineExceeded);
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn a_deadline_that_is_over_never_reaches_the_handler() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let mut client = Client::connect(server.addr()).await;
        for zero in ["0n", "0H"] {
            let call = client.call(SAY_HELLO, &[("grpc-timeout", zero)], &named("")).await;
            assert_eq!(call.end().await.code(), Code::DeadlineExceeded, "{zero}");
        }
        let mut request = Request::new(named(""));
        request.set_timeout(Duration::ZERO);
        let status = hello(&server).say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(!dropped.any(), "a handler began");
    })
    .await;
}

#[tokio::test]
async fn a_malformed_deadline_is_refused() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let mut client = Client::connect(server.addr()).await;
        for malformed in ["", "S", "5", "5s", "-1S", "123456789S", "1.5S", "1 S"] {
            let call = client.call(SAY_HELLO, &[("grpc-timeout", malformed)], &named("")).await;
            let end = call.end().await;
            assert_eq!(end.code(), Code::Internal, "{malformed:?}");
            assert!(end.message().contains("grpc-timeout"), "{}", end.message());
        }
        assert!(!dropped.any(), "a handler began");
    })
    .await;
}

/// What a `grpc-timeout` says.
fn timeout_of(metadata: &MetadataMap) -> Duration {
    let value = metadata.get("grpc-timeout").expect("no grpc-timeout").to_str().unwrap();
    let (amount, unit) = value.split_at(value.len() - 1);
    let amount = amount.parse().unwrap();
    match unit {
        "H" => Duration::from_secs(amount) * 3600,
        "M" => Duration::from_secs(amount) * 60,
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => panic!("{value}"),
    }
}

/// A hello service that tells which deadlines its calls came with.
fn recording() -> (Scripted, mpsc::UnboundedReceiver<Duration>) {
    let (told, tells) = mpsc::unbounded_channel();
    let chats = told.clone();
    let stub = Scripted::default()
        .say_hello(move |request| {
            told.send(timeout_of(request.metadata())).unwrap();
            future::ready(Ok(greeting("")))
        })
        .chat(move |requests| {
            let left = CallContext::current().deadline.unwrap();
            chats.send(left.saturating_duration_since(std::time::Instant::now())).unwrap();
            requests.map_ok(|_| ChatResponse::default())
        });
    (stub, tells)
}

#[tokio::test]
async fn a_handlers_calls_have_what_is_left_of_its_own_deadline() {
    within(async {
        let (stub, mut told) = recording();
        let server = scripted(stub, settings()).await;
        let caller = caller(&server, settings()).await;
        let mut world = world(&caller);
        const GIVEN: Duration = Duration::from_secs(1_000);

        let mut request = Request::new(SayHelloWorldRequest::default());
        request.set_timeout(GIVEN);
        world.say_hello_world(request).await.unwrap();
        assert!(told.recv().await.unwrap() < GIVEN);

        // Calls that a stream makes as it is read.
        let mut request = Request::new(TourRequest { count: 30, ..TourRequest::default() });
        request.set_timeout(GIVEN);
        let stops = world.tour(request).await.unwrap().into_inner();
        assert_eq!(stops.count().await, 30);
        for _ in 0..30 {
            assert!(told.recv().await.unwrap() < GIVEN);
        }

        let mut request = Request::new(stream::iter([ConverseRequest::default()]));
        request.set_timeout(GIVEN);
        let answers = world.converse(request).await.unwrap().into_inner();
        assert_eq!(answers.count().await, 1);
        assert!(told.recv().await.unwrap() < GIVEN);

        // One that came with none has its server's.
        let mut client = Client::connect(caller.addr()).await;
        let path = "/world.v1.WorldService/SayHelloWorld";
        let call = client.call(path, &[], &SayHelloWorldRequest::default()).await;
        assert_eq!(call.end().await.code(), Code::Ok);
        let default = settings().default_deadline.unwrap();
        assert!(told.recv().await.unwrap() < default);
    })
    .await;
}

#[tokio::test]
async fn a_deadline_ends_the_calls_behind_the_call() {
    within(async {
        let (server, mut dropped) = endless(settings()).await;
        let caller = caller(&server, settings()).await;
        let mut client = Client::connect(caller.addr()).await;
        for path in ["SayHelloWorld", "Tour"] {
            let path = format!("/world.v1.WorldService/{path}");
            let request = TourRequest { places: vec!["Rome".into()], ..TourRequest::default() };
            let end = match path.ends_with("Tour") {
                true => client.call(&path, &[SHORT], &request).await.end().await,
                false => {
                    client.call(&path, &[SHORT], &SayHelloWorldRequest::default()).await.end().await
                }
            };
            assert_eq!(end.code(), Code::DeadlineExceeded, "{path}");
            dropped.one().await;
        }
        let mut call = client.begin("/world.v1.WorldService/Converse", &[SHORT]).await;
        call.requests.send_data(raw::frame(&ConverseRequest::default()), false).unwrap();
        assert_eq!(call.end().await.code(), Code::DeadlineExceeded);
        dropped.one().await;
    })
    .await;
}

/// A listener whose connections are accepted, and then as `answer` says.
async fn peer<F: Future<Output = ()> + Send + 'static>(
    answer: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> std::net::SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    addr
}

#[tokio::test]
async fn the_channel_ends_calls_that_nobody_answers() {
    within(async {
        // One that says nothing at all, and one that takes calls and never answers.
        let silent = peer(|stream| async move {
            let _stream = stream;
            pending().await
        });
        let unanswering = peer(|stream| async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut calls = Vec::new();
            while let Some(Ok(call)) = connection.accept().await {
                calls.push(call);
            }
        });
        for addr in [silent.await, unanswering.await] {
            let url = format!("http://{addr}");
            let channel =
                Channel::builder(&url).deadline(Duration::from_millis(100)).build().unwrap();
            let mut hello = HelloServiceClient::new(channel);
            let status = hello.say_hello(named("")).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");

            let mut hello = HelloServiceClient::new(Channel::new(url).unwrap());
            let mut request = Request::new(named(""));
            request.set_timeout(Duration::from_millis(100));
            let status = hello.say_hello(request).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");

            let mut request = Request::new(stream::pending::<ChatRequest>());
            request.set_timeout(Duration::from_millis(100));
            let status = hello.chat(request).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_channel_ends_a_stream_that_stops() {
    within(async {
        // It goes by no deadline but its client's, and tells how the call ended for it.
        let (told, mut tells) = mpsc::unbounded_channel();
        let addr = peer(move |stream| {
            let told = told.clone();
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_request, mut respond))) = connection.accept().await {
                    let response = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .body(())
                        .unwrap();
                    let mut answers = respond.send_response(response, false).unwrap();
                    let first = raw::frame(&SayHelloManyTimesResponse::default());
                    answers.send_data(first, false).unwrap();
                    let told = told.clone();
                    tokio::spawn(async move {
                        let reset = future::poll_fn(|cx| answers.poll_reset(cx)).await;
                        told.send(reset.unwrap()).unwrap();
                    });
                }
            }
        })
        .await;
        let mut hello = HelloServiceClient::new(Channel::new(format!("http://{addr}")).unwrap());
        let mut request = Request::new(SayHelloManyTimesRequest::default());
        request.set_timeout(Duration::from_millis(200));
        let mut answers = hello.say_hello_many_times(request).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());
        let status = answers.message().await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(tells.recv().await.unwrap(), h2::Reason::CANCEL);
    })
    .await;
}

#[tokio::test]
async fn the_server_ends_an_answer_of_which_a_byte_is_taken() {
    within(async {
        let stub = Scripted::default()
            .say_hello(|_| std::future::ready(Ok(greeting("x".repeat(1_000_000)))));
        let server = scripted(stub, settings_with_admin()).await;
        let mut tiny = h2::client::Builder::new();
        tiny.initial_window_size(1);
        let mut client = Client::connect_with(server.addr(), &tiny).await;
        let call = client.call(SAY_HELLO, &[SHORT], &named("")).await;
        assert_eq!(call.reset().await, Some(h2::Reason::CANCEL));
        let page = get(&server, "/metrics").await;
        let counted = "grpc_server_call_duration_seconds_count{\
                       grpc_method=\"hello.v1.HelloService/SayHello\",\
                       grpc_status=\"DEADLINE_EXCEEDED\"}";
        assert_eq!(page.sample(counted), 1.0);
    })
    .await;
}
