//! The four kinds of call, on the greeter and through the caller: messages, errors, half-close,
//! cancellation and back-pressure. Each on both runtimes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ahoy::server::{Runtime, ServerSettings};
use bytes::Bytes;
use contracts::hello::v1::{
    ChatRequest, ChatResponse, GreetEveryoneRequest, SayHelloManyTimesRequest,
    SayHelloManyTimesResponse, SayHelloRequest,
};
use contracts::world::v1::{
    ConverseRequest, GreetPlacesRequest, SayHelloWorldRequest, TourRequest,
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    self, Guards, Scripted, caller, greeter, hello, named, scripted, within, world,
};

/// Runs each case on a worker per core and on the shared runtime.
macro_rules! on_each_runtime {
    ($($case:ident,)*) => {
        mod on_a_worker_per_core {
            $(#[tokio::test]
            async fn $case() {
                super::within(super::$case(super::settings(super::Runtime::PerCore))).await;
            })*
        }
        mod on_the_shared_runtime {
            $(#[tokio::test]
            async fn $case() {
                super::within(super::$case(super::settings(super::Runtime::Shared))).await;
            })*
        }
    };
}

on_each_runtime![
    the_greeter_answers_all_four_kinds,
    the_caller_answers_all_four_kinds,
    a_status_crosses_the_caller_with_its_details,
    a_status_after_answers_comes_after_them,
    metadata_of_a_failure_arrives,
    a_half_close_crosses_the_caller,
    a_dropped_call_drops_its_handler,
    a_dropped_call_with_open_requests_drops_its_handler,
    a_dropped_call_drops_the_handler_behind_the_caller,
    a_dropped_call_with_open_requests_drops_the_handler_behind_the_caller,
    a_cancelled_request_stream_is_not_a_half_close,
    requests_wait_for_a_server_that_does_not_read,
    answers_wait_for_a_client_that_does_not_read,
];

fn settings(runtime: Runtime) -> ServerSettings {
    ServerSettings { runtime, ..support::settings() }
}

/// Large enough that windows and buffers, a few MiB in all, hold far fewer than [`MANY`].
const LARGE: usize = 64 * 1024;
const MANY: usize = 1_000;

fn everyone(name: &str, language: &str) -> GreetEveryoneRequest {
    GreetEveryoneRequest { name: name.into(), language: language.into() }
}

fn chat(name: &str, language: &str) -> ChatRequest {
    ChatRequest { name: name.into(), language: language.into() }
}

fn converse(place: &str, language: &str) -> ConverseRequest {
    ConverseRequest { place: place.into(), language: language.into() }
}

fn tour(places: &[&str]) -> TourRequest {
    let places = places.iter().map(|place| (*place).to_owned()).collect();
    TourRequest { places, ..TourRequest::default() }
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

async fn the_greeter_answers_all_four_kinds(settings: ServerSettings) {
    let server = greeter(settings).await;
    let mut hello = hello(&server);

    let one = hello.say_hello(named("Ada")).await.unwrap().into_inner();
    assert_eq!(one.greeting, "Hello, Ada!");

    let request =
        SayHelloManyTimesRequest { name: "Ada".into(), count: 1_000, ..Default::default() };
    let many = hello.say_hello_many_times(request).await.unwrap().into_inner();
    let many: Vec<_> = many.map_ok(|answer| answer.sequence).try_collect().await.unwrap();
    assert_eq!(many, (1..=1_000).collect::<Vec<_>>());

    let requests = stream::iter((0..1_000).map(|_| everyone("Ada", "de-AT")));
    let common = hello.greet_everyone(requests).await.unwrap().into_inner();
    assert_eq!(common.count, 1_000);
    assert_eq!(common.count_by_language["de"], 1_000);

    let requests = stream::iter([chat("Ada", "fr"), chat("Ben", "it"), chat("", "de")]);
    let answers = hello.chat(requests).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map_ok(|answer| answer.greeting).try_collect().await.unwrap();
    assert_eq!(answers, ["Bonjour, Ada\u{a0}!", "Ciao, Ben!", "Hallo, Welt!"]);
}

async fn the_caller_answers_all_four_kinds(settings: ServerSettings) {
    let greeter = greeter(settings.clone()).await;
    let caller = caller(&greeter, settings).await;
    let mut world = world(&caller);

    let request = SayHelloWorldRequest { place: "Rome".into(), language: "it".into() };
    let one = world.say_hello_world(request).await.unwrap().into_inner();
    assert_eq!(one.greeting, "Ciao, Rome!");

    let request = TourRequest { count: 500, ..TourRequest::default() };
    let stops = world.tour(request).await.unwrap().into_inner();
    let stops: Vec<_> = stops.map_ok(|stop| stop.sequence).try_collect().await.unwrap();
    assert_eq!(stops, (1..=500).collect::<Vec<_>>());

    let place = GreetPlacesRequest { place: "Rome".into(), language: "it".into() };
    let common = world.greet_places(stream::iter(vec![place; 500])).await.unwrap().into_inner();
    assert_eq!(common.count, 500);

    let requests = stream::iter((0..500).map(|_| converse("Rome", "it")));
    let answers = world.converse(requests).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map_ok(|answer| answer.sequence).try_collect().await.unwrap();
    assert_eq!(answers, (1..=500).collect::<Vec<_>>());
}

async fn a_status_crosses_the_caller_with_its_details(settings: ServerSettings) {
    let greeter = greeter(settings.clone()).await;
    let caller = caller(&greeter, settings).await;
    let mut world = world(&caller);
    let language = || "tlh".to_owned();

    let request = SayHelloWorldRequest { language: language(), ..Default::default() };
    let status = world.say_hello_world(request).await.unwrap_err();
    assert_eq!(fields(&status), ["language"]);
    assert!(status.message().starts_with("language: not a known language"), "{status:?}");

    let request = TourRequest { language: language(), ..Default::default() };
    let mut stops = world.tour(request).await.unwrap().into_inner();
    assert_eq!(fields(&stops.message().await.unwrap_err()), ["language"]);

    let request = GreetPlacesRequest { language: language(), ..Default::default() };
    // It stays open, so only the error can end it.
    let requests = stream::iter([request]).chain(stream::pending());
    let status = world.greet_places(requests).await.unwrap_err();
    assert_eq!(fields(&status), ["language"]);

    let requests = stream::iter([converse("", "tlh")]).chain(stream::pending());
    let mut answers = world.converse(requests).await.unwrap().into_inner();
    assert_eq!(fields(&answers.message().await.unwrap_err()), ["language"]);
}

async fn a_status_after_answers_comes_after_them(settings: ServerSettings) {
    let greeter = greeter(settings.clone()).await;
    let caller = caller(&greeter, settings).await;
    let mut world = world(&caller);

    let mut stops =
        world.tour(tour(&["Rome", &"R".repeat(257), "Oslo"])).await.unwrap().into_inner();
    assert_eq!(stops.message().await.unwrap().unwrap().greeting, "Hello, Rome!");
    assert_eq!(fields(&stops.message().await.unwrap_err()), ["name"]);

    let requests = stream::iter([converse("Rome", "it"), converse("Rome", "tlh")]);
    let mut answers = world.converse(requests).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().greeting, "Ciao, Rome!");
    assert_eq!(fields(&answers.message().await.unwrap_err()), ["language"]);
    assert!(answers.message().await.unwrap().is_none());
}

async fn metadata_of_a_failure_arrives(settings: ServerSettings) {
    let refuse = || {
        let why = Bytes::from_static(b"why");
        let mut status = Status::with_details(Code::Aborted, "enough: größer", why);
        status.metadata_mut().insert("x-why", MetadataValue::from_static("because"));
        status
    };
    let stub = Scripted::default()
        .say_hello(move |_| future::ready(Err(refuse())))
        .many_times(move |_| stream::iter([Err(refuse())]));
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let mut hello = hello(&server);
    let unary = hello.say_hello(named("")).await.unwrap_err();
    let through = world(&caller).say_hello_world(SayHelloWorldRequest::default()).await;
    let request = SayHelloManyTimesRequest::default();
    let mut stream = hello.say_hello_many_times(request).await.unwrap().into_inner();
    for status in [unary, through.unwrap_err(), stream.message().await.unwrap_err()] {
        assert_eq!((status.code(), status.message()), (Code::Aborted, "enough: größer"));
        assert_eq!(status.details(), b"why");
        assert_eq!(status.metadata().get("x-why").unwrap(), "because");
    }
}

async fn a_half_close_crosses_the_caller(settings: ServerSettings) {
    let greeter = greeter(settings.clone()).await;
    let caller = caller(&greeter, settings).await;
    let (requests, stream) = mpsc::channel(1);
    let answers = world(&caller).converse(ReceiverStream::new(stream)).await;
    let mut answers = answers.unwrap().into_inner();
    for sequence in 1..=10 {
        // Each answer comes while the requests are still open.
        requests.send(converse("Rome", "it")).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().sequence, sequence);
    }
    drop(requests);
    assert!(answers.message().await.unwrap().is_none());
}

/// A hello service that never ends a call, and tells when one has begun and when it is dropped.
fn endless() -> (Scripted, mpsc::UnboundedReceiver<()>, support::Dropped) {
    let (guards, dropped) = Guards::new();
    let (begun, begins) = mpsc::unbounded_channel();
    let begin = move || {
        begun.send(()).unwrap();
        guards.guard()
    };
    let begin = Arc::new(begin);
    let (unary, many, all, chat) = (begin.clone(), begin.clone(), begin.clone(), begin);
    let stub = Scripted::default()
        .say_hello(move |_| {
            let guard = unary();
            async move {
                let _guard = guard;
                future::pending().await
            }
        })
        .many_times(move |_| {
            let guard = many();
            let first = SayHelloManyTimesResponse::default();
            stream::iter([Ok(first)]).chain(stream::pending()).map(move |answer| {
                let _ = &guard;
                answer
            })
        })
        .everyone(move |mut requests| {
            let guard = all();
            async move {
                let _guard = guard;
                while requests.message().await?.is_some() {}
                future::pending().await
            }
        })
        .chat(move |requests| {
            let guard = chat();
            let answers = requests.map_ok(move |_| {
                let _ = &guard;
                ChatResponse::default()
            });
            answers.chain(stream::pending())
        });
    (stub, begins, dropped)
}

async fn a_dropped_call_drops_its_handler(settings: ServerSettings) {
    let (stub, mut begun, mut dropped) = endless();
    let server = scripted(stub, settings).await;
    let mut hello = hello(&server);
    {
        let mut hello = hello.clone();
        let call = tokio::spawn(async move { hello.say_hello(named("")).await });
        begun.recv().await.unwrap();
        assert!(!dropped.any());
        call.abort();
        dropped.one().await;
    }
    {
        let request = SayHelloManyTimesRequest::default();
        let mut answers = hello.say_hello_many_times(request).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());
        begun.recv().await.unwrap();
        assert!(!dropped.any());
        drop(answers);
        dropped.one().await;
    }
}

async fn a_dropped_call_with_open_requests_drops_its_handler(settings: ServerSettings) {
    let (stub, mut begun, mut dropped) = endless();
    let server = scripted(stub, settings).await;
    let mut hello = hello(&server);
    {
        let mut hello = hello.clone();
        let requests = stream::iter([everyone("", "")]).chain(stream::pending());
        let call = tokio::spawn(async move { hello.greet_everyone(requests).await });
        begun.recv().await.unwrap();
        assert!(!dropped.any());
        call.abort();
        dropped.one().await;
    }
    {
        let requests = stream::iter([chat("", "")]).chain(stream::pending());
        let mut answers = hello.chat(requests).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());
        assert!(!dropped.any());
        drop(answers);
        dropped.one().await;
    }
}

async fn a_dropped_call_drops_the_handler_behind_the_caller(settings: ServerSettings) {
    let (stub, mut begun, mut dropped) = endless();
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let mut world = world(&caller);
    {
        let mut world = world.clone();
        let call = tokio::spawn(async move {
            world.say_hello_world(SayHelloWorldRequest::default()).await.unwrap();
        });
        begun.recv().await.unwrap();
        assert!(!dropped.any());
        call.abort();
        dropped.one().await;
    }
    {
        let stops = world.tour(tour(&["Rome", "Oslo"])).await.unwrap();
        for _ in 0..2 {
            begun.recv().await.unwrap();
        }
        assert!(!dropped.any());
        drop(stops);
        for _ in 0..2 {
            dropped.one().await;
        }
    }
}

async fn a_dropped_call_with_open_requests_drops_the_handler_behind_the_caller(
    settings: ServerSettings,
) {
    let (stub, mut begun, mut dropped) = endless();
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let mut world = world(&caller);
    {
        let mut world = world.clone();
        let requests = stream::iter([GreetPlacesRequest::default()]).chain(stream::pending());
        let call = tokio::spawn(async move { world.greet_places(requests).await });
        begun.recv().await.unwrap();
        assert!(!dropped.any());
        call.abort();
        dropped.one().await;
    }
    {
        let requests = stream::iter([converse("", "")]).chain(stream::pending());
        let mut answers = world.converse(requests).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());
        assert!(!dropped.any());
        drop(answers);
        dropped.one().await;
    }
}

async fn a_cancelled_request_stream_is_not_a_half_close(settings: ServerSettings) {
    let (told, mut tells) = mpsc::unbounded_channel();
    let stub = Scripted::default().everyone(move |mut requests| {
        let told = told.clone();
        async move {
            // Ends only by a message that says so, so that a handler dropped halfway says nothing.
            let end = loop {
                match requests.message().await {
                    Ok(Some(_)) => told.send(Ok(())).unwrap(),
                    Ok(None) => break Ok(()),
                    Err(status) => break Err(status),
                }
            };
            told.send(end.clone().map(|()| panic!("half of the requests passed for all"))).unwrap();
            end.map(|()| Default::default())
        }
    });
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let place = GreetPlacesRequest::default();
    let requests = stream::iter([place]).chain(stream::pending());
    let call = tokio::spawn(async move { world(&caller).greet_places(requests).await });
    assert!(tells.recv().await.unwrap().is_ok());
    call.abort();
    // Either the handler is dropped or it reads an error: what it must not see is an end.
    if let Some(end) = tells.recv().await {
        assert!(end.is_err(), "{end:?}");
    }
}

/// Makes so many calls on the way of a stream that waits that it would have been over by then.
async fn others_are_answered(calls: impl AsyncFn()) {
    for _ in 0..200 {
        calls().await;
    }
}

async fn requests_wait_for_a_server_that_does_not_read(settings: ServerSettings) {
    let stub = Scripted::default().everyone(|requests| async move {
        let _unread = requests;
        future::pending().await
    });
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let (hello, world) = (hello(&server), world(&caller));

    let pulled = Arc::new(AtomicUsize::new(0));
    let large = "x".repeat(LARGE);
    let messages = {
        let pulled = pulled.clone();
        move || {
            let (pulled, large) = (pulled.clone(), large.clone());
            stream::iter(0..MANY).map(move |_| {
                pulled.fetch_add(1, Relaxed);
                large.clone()
            })
        }
    };

    let requests = messages().map(|name| GreetEveryoneRequest { name, ..Default::default() });
    let call = tokio::spawn({
        let mut hello = hello.clone();
        async move { hello.greet_everyone(requests).await }
    });
    others_are_answered(async || drop(hello.clone().say_hello(named("")).await.unwrap())).await;
    let direct = pulled.swap(0, Relaxed);
    assert!(direct > 0 && direct < MANY / 4, "{direct} messages were pulled");
    call.abort();

    let requests = messages().map(|place| GreetPlacesRequest { place, ..Default::default() });
    let call = tokio::spawn({
        let mut world = world.clone();
        async move { world.greet_places(requests).await }
    });
    let other = SayHelloWorldRequest::default();
    others_are_answered(async || {
        drop(world.clone().say_hello_world(other.clone()).await.unwrap());
    })
    .await;
    let through = pulled.load(Relaxed);
    assert!(through > 0 && through < MANY / 4, "{through} messages were pulled");
    call.abort();
}

async fn answers_wait_for_a_client_that_does_not_read(settings: ServerSettings) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let large = || "x".repeat(LARGE);
    let pull = {
        let pulled = pulled.clone();
        move || {
            pulled.fetch_add(1, Relaxed);
            large()
        }
    };
    let (many, chat, unary) = (pull.clone(), pull.clone(), pull);
    let stub = Scripted::default()
        .say_hello(move |request: tonic::Request<SayHelloRequest>| {
            // A tour's; the others have no name.
            let stop = !request.into_inner().name.is_empty();
            future::ready(Ok(support::greeting(if stop { unary() } else { String::new() })))
        })
        .many_times(move |_| {
            let many = many.clone();
            stream::iter(0..MANY).map(move |_| {
                Ok(SayHelloManyTimesResponse { greeting: many(), ..Default::default() })
            })
        })
        .chat(move |_| {
            let chat = chat.clone();
            stream::iter(0..MANY)
                .map(move |_| Ok(ChatResponse { greeting: chat(), ..Default::default() }))
        });
    let server = scripted(stub, settings.clone()).await;
    let caller = caller(&server, settings).await;
    let (mut hello, mut world) = (hello(&server), world(&caller));

    let request = SayHelloManyTimesRequest::default();
    let unread = hello.say_hello_many_times(request).await.unwrap();
    others_are_answered(async || drop(hello.clone().say_hello(named("")).await.unwrap())).await;
    let direct = pulled.swap(0, Relaxed);
    assert!(direct > 0 && direct < MANY / 4, "{direct} messages were pulled");
    drop(unread);

    let other = SayHelloWorldRequest::default();
    let unread = world.converse(stream::pending()).await.unwrap();
    others_are_answered(async || {
        drop(world.clone().say_hello_world(other.clone()).await.unwrap());
    })
    .await;
    let through = pulled.swap(0, Relaxed);
    assert!(through > 0 && through < MANY / 4, "{through} messages were pulled");
    drop(unread);

    let request = TourRequest { count: MANY as u32, ..TourRequest::default() };
    let unread = world.tour(request).await.unwrap();
    others_are_answered(async || {
        drop(world.clone().say_hello_world(other.clone()).await.unwrap());
    })
    .await;
    let toured = pulled.load(Relaxed);
    assert!(toured > 0 && toured < MANY / 4, "{toured} calls were made");
    drop(unread);
}

/// However a client ends a call in the middle of its request, half of it is not taken for all.
#[tokio::test]
async fn a_request_that_is_reset_does_not_look_complete() {
    within(async {
        let (tell, mut told) = mpsc::unbounded_channel();
        let stub = Scripted::default().everyone(move |mut requests| {
            let tell = tell.clone();
            async move {
                loop {
                    let message = requests.message().await;
                    let _ = tell.send(message.as_ref().map(Option::is_some).map_err(Status::code));
                    if !matches!(message, Ok(Some(_))) {
                        return Ok(contracts::hello::v1::GreetEveryoneResponse::default());
                    }
                }
            }
        });
        let server = scripted(stub, crate::support::settings()).await;
        for reason in [h2::Reason::CANCEL, h2::Reason::NO_ERROR] {
            let mut client = crate::support::raw::Client::connect(server.addr()).await;
            let path = "/hello.v1.HelloService/GreetEveryone";
            let mut call = client.begin(path, &[]).await;
            let one = crate::support::raw::frame(&GreetEveryoneRequest::default());
            call.requests.send_data(one, false).unwrap();
            assert_eq!(told.recv().await, Some(Ok(true)));
            call.requests.send_reset(reason);
            assert_eq!(told.recv().await, Some(Err(Code::Aborted)), "{reason:?}");
        }
    })
    .await;
}
