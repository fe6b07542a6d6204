//! HTTP/1.1 clients that take nothing, and that send nothing more: the deadline ends them.

use contracts::hello::v1::SayHelloManyTimesResponse;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Guards, Scripted, greeter, scripted, settings, within};

#[tokio::test]
async fn who_never_reads_is_cut_after_the_deadline() {
    within(async {
        let (guards, mut dropped) = Guards::new();
        let hello = Scripted::default().many_times(move |_| {
            let guard = guards.guard();
            let greeting = "x".repeat(100_000);
            stream::repeat(greeting).map(move |greeting| {
                let _held = &guard;
                Ok(SayHelloManyTimesResponse { greeting, sequence: 1 })
            })
        });
        let server = scripted(hello, settings()).await;
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        let head = "GET /v1/hello:repeat HTTP/1.1\r\nhost: test\r\ngrpc-timeout: 100m\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        // Nothing is read until the call is gone.
        dropped.one().await;
        let mut rest = Vec::new();
        // A reset is as good as an end, as long as it is one.
        let _ = client.read_to_end(&mut rest).await;
        if rest.ends_with(b"0\r\n\r\n") {
            // Not all that the client's system holds was full when the time was over.
            let end = String::from_utf8_lossy(&rest[rest.len().saturating_sub(200)..]);
            assert!(end.contains("{\"error\":{\"code\":4,"), "what was cut looks whole: {end}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_reads_nothing_of_answers_that_need_no_call_is_cut_too() {
    within(async {
        let server = greeter(ahoy::server::ServerSettings {
            handshake_timeout: std::time::Duration::from_millis(500),
            ..settings()
        })
        .await;
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        let request = b"GET /nowhere HTTP/1.1\r\nhost: test\r\n\r\n".repeat(100);
        // Until the server takes no more, and then until it closes.
        while client.write_all(&request).await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_never_ends_is_answered_at_the_deadline() {
    within(async {
        let server = greeter(settings()).await;
        for (path, kind) in
            [("/v1/hello", "application/json"), ("/v1/hello:everyone", "application/x-ndjson")]
        {
            let mut client = TcpStream::connect(server.addr()).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {kind}\r\n\
                grpc-timeout: 100m\r\ncontent-length: 100\r\n\r\n{{"
            );
            client.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
            assert!(answer.contains("\"code\":4"), "{answer}");
        }
    })
    .await;
}
