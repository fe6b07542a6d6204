//! The service behind its generated server and client, with no network between, over the real
//! greeter or over a hello service that does what a test tells it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use contracts::hello::v1::hello_service_server::{HelloService, HelloServiceServer};
use contracts::hello::v1::{
    ChatResponse, GreetEveryoneResponse, SayHelloManyTimesRequest, SayHelloManyTimesResponse,
    SayHelloResponse,
};
use contracts::world::v1::world_service_client::WorldServiceClient;
use contracts::world::v1::world_service_server::WorldServiceServer;
use greeter::Greeter;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http;
use tonic::metadata::MetadataValue;
use tower::util::MapRequest;

use super::*;

type Reset<S> = MapRequest<S, fn(http::Request<Body>) -> http::Request<Body>>;
type World<H> = WorldServiceClient<Reset<WorldServiceServer<Caller<Reset<HelloServiceServer<H>>>>>>;

fn world<H: HelloService>(hello: H) -> World<H> {
    let hello = HelloServiceClient::new(reset(HelloServiceServer::new(hello)));
    WorldServiceClient::new(reset(WorldServiceServer::new(Caller::new(hello))))
}

/// Gives a cancelled request stream another code, as a server has to: `Streaming` takes CANCELLED
/// for a half-close.
fn reset<S>(service: S) -> Reset<S> {
    MapRequest::new(service, |request| {
        request.map(|body| Body::new(body.map_err(|_| Status::aborted("reset"))))
    })
}

fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

/// Hands what it receives to the test, and answers what the test hands it.
#[derive(Clone)]
struct Scripted {
    /// A permit lets one `SayHello` go on.
    hellos: Arc<Semaphore>,
    /// A message for each `SayHello` that has begun, with its name.
    begun: mpsc::Sender<String>,
    /// The request streams of `GreetEveryone` and `Chat`.
    streams: mpsc::Sender<Stream>,
}

enum Stream {
    Everyone(Streaming<GreetEveryoneRequest>),
    Chat(Streaming<ChatRequest>, mpsc::Sender<Result<ChatResponse, Status>>),
}

fn scripted() -> (Scripted, mpsc::Receiver<String>, mpsc::Receiver<Stream>) {
    let (begun, begun_rx) = mpsc::channel(100);
    let (streams, streams_rx) = mpsc::channel(1);
    (Scripted { hellos: Arc::new(Semaphore::new(0)), begun, streams }, begun_rx, streams_rx)
}

#[tonic::async_trait]
impl HelloService for Scripted {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let greeting = request.into_inner().name;
        self.begun.send(greeting.clone()).await.unwrap();
        self.hellos.acquire().await.unwrap().forget();
        Ok(Response::new(SayHelloResponse { greeting }))
    }

    type SayHelloManyTimesStream = BoxStream<SayHelloManyTimesResponse>;

    async fn say_hello_many_times(
        &self,
        _: Request<SayHelloManyTimesRequest>,
    ) -> Result<Response<Self::SayHelloManyTimesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn greet_everyone(
        &self,
        request: Request<Streaming<GreetEveryoneRequest>>,
    ) -> Result<Response<GreetEveryoneResponse>, Status> {
        self.streams.send(Stream::Everyone(request.into_inner())).await.unwrap();
        std::future::pending().await
    }

    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let (answers, stream) = mpsc::channel(1);
        self.streams.send(Stream::Chat(request.into_inner(), answers)).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

fn converse(place: &str, language: &str) -> ConverseRequest {
    ConverseRequest { place: place.to_owned(), language: language.to_owned() }
}

#[tokio::test]
async fn greets_a_place_in_the_words_of_hello() {
    let request = SayHelloWorldRequest { place: "Rome".to_owned(), language: "it".to_owned() };
    let response = world(Greeter).say_hello_world(request).await.unwrap().into_inner();
    assert_eq!(response.greeting, "Ciao, Rome!");
}

#[tokio::test]
async fn an_error_of_hello_is_passed_on_as_it_is() {
    let request = SayHelloWorldRequest { language: "tlh".to_owned(), ..Default::default() };
    let status = world(Greeter).say_hello_world(request).await.unwrap_err();
    let request = SayHelloRequest { language: "tlh".to_owned(), ..Default::default() };
    let hello = Greeter.say_hello(Request::new(request)).await.unwrap_err();
    assert_eq!(status.code(), hello.code());
    assert_eq!(status.message(), hello.message());
    assert_eq!(status.details(), hello.details());
}

#[tokio::test]
async fn a_tour_keeps_its_order_and_bounds_its_calls() {
    let (hello, mut begun, _streams) = scripted();
    let hellos = hello.hellos.clone();
    let places: Vec<_> = (0..50).map(|n| format!("place {n}")).collect();
    let request = TourRequest { places: places.clone(), ..Default::default() };
    let mut tour = world(hello).tour(request).await.unwrap().into_inner();

    // All calls that fit are begun before the first is answered, and no other.
    {
        let mut first = std::pin::pin!(tour.message());
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let names: Vec<_> = std::iter::from_fn(|| begun.try_recv().ok()).collect();
        assert_eq!(names, places[..TOUR_CALLS]);
        hellos.add_permits(places.len());
        assert_eq!(first.await.unwrap().unwrap().sequence, 1);
    }
    let mut visited = vec![places[0].clone()];
    while let Some(stop) = tour.message().await.unwrap() {
        assert_eq!(stop.greeting, stop.place);
        visited.push(stop.place);
        assert_eq!(stop.sequence as usize, visited.len());
    }
    assert_eq!(visited, places);
}

#[tokio::test]
async fn a_tour_that_is_too_long_is_refused() {
    let request =
        TourRequest { places: vec![String::new(); 1_001], count: 10_001, ..Default::default() };
    let status = world(Greeter).tour(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["places", "count"]);

    let request = TourRequest { count: 10_000, ..Default::default() };
    let tour = world(Greeter).tour(request).await.unwrap().into_inner();
    assert_eq!(tour.filter(|stop| std::future::ready(stop.is_ok())).count().await, 10_000);
}

#[tokio::test]
async fn a_tour_ends_at_the_first_error() {
    let places = vec!["Rome".to_owned(), "R".repeat(257), "Oslo".to_owned()];
    let request = TourRequest { places, ..Default::default() };
    let mut tour = world(Greeter).tour(request).await.unwrap().into_inner();
    assert_eq!(tour.message().await.unwrap().unwrap().place, "Rome");
    assert_eq!(fields(&tour.message().await.unwrap_err()), ["name"]);
    assert!(tour.message().await.unwrap().is_none());
}

#[tokio::test]
async fn greets_many_places_at_once() {
    let request =
        |place: &str| GreetPlacesRequest { place: place.to_owned(), ..Default::default() };
    let requests = tokio_stream::iter([request("Rome"), request("Oslo")]);
    let response = world(Greeter).greet_places(requests).await.unwrap().into_inner();
    assert_eq!(response.greeting, "Hello, Rome, Oslo!");
    assert_eq!(response.count, 2);
    assert_eq!(response.count_by_language["en"], 2);
}

#[tokio::test]
async fn a_conversation_crosses_message_by_message() {
    let (requests, stream) = mpsc::channel(1);
    let mut answers =
        world(Greeter).converse(ReceiverStream::new(stream)).await.unwrap().into_inner();
    for (sequence, language) in (1..).zip(["en", "de"]) {
        requests.send(converse("Ada", language)).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.sequence, sequence);
    }
    // The half-close crosses, and so does the end that it brings.
    drop(requests);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn an_error_in_a_conversation_comes_with_its_details_and_trailers() {
    let requests = tokio_stream::iter([converse("Ada", "en"), converse("Ada", "tlh")]);
    let mut answers = world(Greeter).converse(requests).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert_eq!(fields(&answers.message().await.unwrap_err()), ["language"]);

    let (hello, _begun, mut streams) = scripted();
    let requests = tokio_stream::pending();
    let mut answers = world(hello).converse(requests).await.unwrap().into_inner();
    let Some(Stream::Chat(_requests, chat)) = streams.recv().await else { panic!("no chat") };
    let mut status = Status::with_details(Code::Aborted, "enough", Bytes::from_static(b"why"));
    status.metadata_mut().insert("x-why", MetadataValue::from_static("because"));
    status.metadata_mut().insert("date", MetadataValue::from_static("today"));
    chat.send(Err(status)).await.unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "enough"));
    assert_eq!(status.details(), b"why");
    assert_eq!(status.metadata().get("x-why").unwrap(), "because");
    assert!(!status.metadata().contains_key("date"));
}

/// A request whose stream sends one message, then stays open until it is cancelled.
fn open<M: Send + 'static>(
    message: M,
) -> (Request<impl tokio_stream::Stream<Item = M> + Send>, tonic::CancellationHandle) {
    let mut request = Request::new(stream::iter([message]).chain(stream::pending()));
    let cancel = request.cancellation_handle();
    (request, cancel)
}

#[tokio::test]
async fn an_inbound_error_cancels_the_chat_and_is_the_answer() {
    let (hello, _begun, mut streams) = scripted();
    let (request, cancel) = open(converse("Ada", "en"));
    let mut answers = world(hello).converse(request).await.unwrap().into_inner();
    let Some(Stream::Chat(mut requests, chat)) = streams.recv().await else { panic!("no chat") };
    assert_eq!(requests.message().await.unwrap().unwrap().name, "Ada");

    let (seen, status) = {
        let seen = async {
            cancel.cancel();
            requests.message().await
        };
        tokio::join!(seen, answers.message())
    };
    // An error, where a half-close would be the end of the stream.
    assert_eq!(seen.unwrap_err().code(), Code::Aborted);
    assert_eq!(status.unwrap_err().code(), Code::Aborted);
    drop(answers);
    chat.closed().await;
}

#[tokio::test]
async fn an_inbound_error_cancels_the_call_that_has_not_answered() {
    let (hello, _begun, mut streams) = scripted();
    let (request, cancel) = open(GreetPlacesRequest::default());
    let mut world = world(hello);
    let seen = async {
        let Some(Stream::Everyone(mut requests)) = streams.recv().await else { panic!("no call") };
        assert!(requests.message().await.unwrap().is_some());
        cancel.cancel();
        requests.message().await
    };
    let (seen, status) = tokio::join!(seen, world.greet_places(request));
    assert_eq!(seen.unwrap_err().code(), Code::Aborted);
    assert_eq!(status.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_the_chat() {
    let (hello, _begun, mut streams) = scripted();
    let (request, _cancel) = open(converse("Ada", "en"));
    let answers = world(hello).converse(request).await.unwrap();
    let Some(Stream::Chat(mut requests, chat)) = streams.recv().await else { panic!("no chat") };
    drop(answers);
    chat.closed().await;
    assert_eq!(requests.message().await.unwrap_err().code(), Code::Aborted);
}
