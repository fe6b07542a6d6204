//! Messages are compressed in both directions, in each encoding, for all four kinds of call.

use ahoy::{Channel, Encoding};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::{ChatRequest, ChatResponse, GreetEveryoneRequest};
use contracts::hello::v1::{SayHelloManyTimesRequest, SayHelloManyTimesResponse};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use tonic::Request;

use crate::support::{
    Page, Scripted, get, greeting, named, scripted, settings_with_admin, url, within,
};

/// Compresses well.
const LONG: usize = 1_000_000;

/// Answers with as much as it is asked, and sees the messages as they were before compression.
fn echoing() -> Scripted {
    Scripted::default()
        .say_hello(|request: Request<_>| future::ready(Ok(greeting(request.into_inner().name))))
        .many_times(|request| {
            let answer = SayHelloManyTimesResponse { greeting: request.name, ..Default::default() };
            stream::repeat(answer).take(3).map(Ok)
        })
        .everyone(|requests| async move {
            let names: Vec<_> = requests.map_ok(|request| request.name).try_collect().await?;
            Ok(contracts::hello::v1::GreetEveryoneResponse {
                greeting: names.concat(),
                ..Default::default()
            })
        })
        .chat(|requests| {
            requests.map_ok(|request| ChatResponse { greeting: request.name, ..Default::default() })
        })
}

async fn all_four_kinds(channel: Channel) {
    let mut hello = HelloServiceClient::new(channel);
    let long = || "x".repeat(LONG);

    let answer = hello.say_hello(named(long())).await.unwrap().into_inner();
    assert!(answer.greeting == long());

    let request = SayHelloManyTimesRequest { name: long(), ..Default::default() };
    let answers = hello.say_hello_many_times(request).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map_ok(|answer| answer.greeting).try_collect().await.unwrap();
    assert!(answers == vec![long(); 3]);

    let requests = vec![GreetEveryoneRequest { name: long(), ..Default::default() }; 3];
    let answer = hello.greet_everyone(stream::iter(requests)).await.unwrap().into_inner();
    assert!(answer.greeting == "x".repeat(3 * LONG));

    let requests = vec![ChatRequest { name: long(), ..Default::default() }; 3];
    let answers = hello.chat(stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map_ok(|answer| answer.greeting).try_collect().await.unwrap();
    assert!(answers == vec![long(); 3]);
}

/// What the server's calls took on the wire, received and sent.
fn wire_bytes(page: &Page) -> (f64, f64) {
    let size = |direction| {
        page.sample(&format!(
            "grpc_server_call_{direction}_total_compressed_message_size_bytes_sum"
        ))
    };
    (size("rcvd"), size("sent"))
}

async fn compressed(encoding: Encoding) {
    let server = scripted(echoing(), settings_with_admin()).await;
    let channel = Channel::builder(url(&server)).send_compressed(encoding).build().unwrap();
    all_four_kinds(channel).await;
    let (received, sent) = wire_bytes(&get(&server, "/metrics").await);
    for bytes in [received, sent] {
        assert!(bytes > 0.0 && bytes < LONG as f64 / 10.0, "{received} and {sent} bytes");
    }
}

#[tokio::test]
async fn gzip_both_ways() {
    within(compressed(Encoding::Gzip)).await;
}

#[tokio::test]
async fn zstd_both_ways() {
    within(compressed(Encoding::Zstd)).await;
}

#[tokio::test]
async fn nothing_is_compressed_unless_asked_for() {
    within(async {
        let server = scripted(echoing(), settings_with_admin()).await;
        all_four_kinds(Channel::new(url(&server)).unwrap()).await;
        let (received, sent) = wire_bytes(&get(&server, "/metrics").await);
        // The last call may not be counted yet.
        assert!(received > 4.0 * LONG as f64, "{received}");
        assert!(sent > 6.0 * LONG as f64, "{sent}");
    })
    .await;
}
