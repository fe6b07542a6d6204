//! The service behind its generated server and client, with no network between.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::hello_service_server::HelloServiceServer;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

fn client() -> HelloServiceClient<HelloServiceServer<Greeter>> {
    HelloServiceClient::new(HelloServiceServer::new(Greeter))
}

fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn says_hello() {
    let request = SayHelloRequest { name: "Ada".to_owned(), language: "it".to_owned() };
    let response = client().say_hello(request).await.unwrap().into_inner();
    assert_eq!(response.greeting, "Ciao, Ada!");
    let response = client().say_hello(SayHelloRequest::default()).await.unwrap().into_inner();
    assert_eq!(response.greeting, "Hello, World!");
}

#[tokio::test]
async fn names_the_fields_that_are_wrong() {
    let request = SayHelloRequest { name: "n".repeat(257), language: "tlh".to_owned() };
    let status = client().say_hello(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["name", "language"]);
    for language in &LANGUAGES {
        assert!(status.message().contains(language.tag), "{}", status.message());
    }

    let name = "n".repeat(256);
    let request = SayHelloRequest { name: name.clone(), language: String::new() };
    let response = client().say_hello(request).await.unwrap().into_inner();
    assert_eq!(response.greeting, format!("Hello, {name}!"));
}

#[tokio::test(start_paused = true)]
async fn says_hello_many_times_at_the_interval() {
    let request = SayHelloManyTimesRequest {
        count: 3,
        interval: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        ..SayHelloManyTimesRequest::default()
    };
    let start = Instant::now();
    let mut stream = client().say_hello_many_times(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    while let Some(response) = stream.message().await.unwrap() {
        seen.push((response.sequence, start.elapsed().as_secs()));
    }
    assert_eq!(seen, [(1, 0), (2, 2), (3, 4)]);
}

#[tokio::test]
async fn bounds_the_count_and_the_interval() {
    let count = |count| SayHelloManyTimesRequest { count, ..Default::default() };
    for (asked, sent) in [(0, 5), (1, 1), (10_000, 10_000)] {
        let stream = client().say_hello_many_times(count(asked)).await.unwrap().into_inner();
        assert_eq!(stream.filter(Result::is_ok).fold(0, |n, _| n + 1).await, sent);
    }
    for (seconds, nanos) in [(-1, 0), (60, 1)] {
        let interval = Some(prost_types::Duration { seconds, nanos });
        let request = SayHelloManyTimesRequest { interval, ..count(10_001) };
        let status = client().say_hello_many_times(request).await.unwrap_err();
        assert_eq!(fields(&status), ["count", "interval"]);
    }
}

#[tokio::test]
async fn greets_everyone() {
    let people = [("Ada", "sv"), ("Ben", "sv-FI"), ("", "en")].map(|(name, language)| {
        GreetEveryoneRequest { name: name.to_owned(), language: language.to_owned() }
    });
    let response = client().greet_everyone(tokio_stream::iter(people)).await.unwrap().into_inner();
    assert_eq!(response.greeting, "Hej, Ada, Ben, världen!");
    assert_eq!(response.count, 3);
    let counts = [("sv".to_owned(), 2), ("en".to_owned(), 1)];
    assert_eq!(response.count_by_language, HashMap::from(counts));

    let unknown = GreetEveryoneRequest { language: "tlh".to_owned(), ..Default::default() };
    let status = client().greet_everyone(tokio_stream::once(unknown)).await.unwrap_err();
    assert_eq!(fields(&status), ["language"]);
}

#[tokio::test]
async fn chats_until_the_caller_half_closes() {
    let (requests, stream) = mpsc::channel(1);
    let mut answers = client().chat(ReceiverStream::new(stream)).await.unwrap().into_inner();
    for (sequence, (language, greeting)) in
        [("nl", "Hallo, Ada!"), ("tr", "Merhaba, Ada!")].into_iter().enumerate()
    {
        let request = ChatRequest { name: "Ada".to_owned(), language: language.to_owned() };
        requests.send(request).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.greeting, greeting);
        assert_eq!(answer.sequence, sequence as u64 + 1);
    }
    drop(requests);
    assert_eq!(answers.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_chat_ends_at_the_first_error() {
    let requests = ["en", "tlh", "en"]
        .map(|language| ChatRequest { language: language.to_owned(), ..Default::default() });
    let mut answers = client().chat(tokio_stream::iter(requests)).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let status = answers.message().await.unwrap_err();
    assert_eq!(fields(&status), ["language"]);
    assert_eq!(answers.message().await.unwrap(), None);
}
