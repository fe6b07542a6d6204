//! Streams both ways: lines and events, how they end, and that nothing waits for their end.

use contracts::hello::v1::{ChatResponse, SayHelloManyTimesResponse};
use futures_util::{StreamExt, stream};
use http::Method;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

use super::http_client::{begin, get, send, send2};
use crate::support::{Guards, Scripted, greeter, scripted, settings, within};

const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
const JSON: (&str, &str) = ("content-type", "application/json");
const EVENTS: (&str, &str) = ("accept", "text/event-stream");

fn answer(sequence: u32) -> SayHelloManyTimesResponse {
    SayHelloManyTimesResponse { greeting: "Hi".into(), sequence }
}

#[tokio::test]
async fn a_server_stream_is_lines_or_events() {
    within(async {
        let server = greeter(settings()).await;
        let path = "/v1/hello/Ada:repeat?count=2";
        let line = |n| json!({ "result": { "greeting": "Hello, Ada!", "sequence": n } });
        for answer in [get(&server, path).await, send2(&server, Method::GET, path, &[], "").await] {
            assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
            assert_eq!(answer.lines(), [line(1), line(2)]);
        }
        let events = "data: {\"greeting\":\"Hello, Ada!\",\"sequence\":1}\n\n\
            data: {\"greeting\":\"Hello, Ada!\",\"sequence\":2}\n\n\
            event: end\ndata: {}\n\n";
        for accept in ["text/event-stream", "application/json;q=0.5, text/event-stream;q=0.9"] {
            let answer = send(&server, Method::GET, path, &[("accept", accept)], "").await;
            assert_eq!(answer.header("content-type"), Some("text/event-stream"));
            assert_eq!(answer.text(), events);
        }
        for accept in ["*/*", "application/x-ndjson, text/event-stream;q=0.1", "text/html"] {
            let answer = send(&server, Method::GET, path, &[("accept", accept)], "").await;
            assert_eq!(answer.header("content-type"), Some("application/x-ndjson"), "{accept}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_fails_says_so_at_its_end_or_by_the_code() {
    within(async {
        let hello = Scripted::default().many_times(|request| {
            let good = (1..=request.count).map(|n| Ok(answer(n)));
            stream::iter(good.chain([Err(Status::data_loss("gone"))]).collect::<Vec<_>>())
        });
        let server = scripted(hello, settings()).await;
        let error = json!({ "code": 15, "message": "gone", "details": [] });

        let got = get(&server, "/v1/hello:repeat?count=1").await;
        let first = json!({ "result": { "greeting": "Hi", "sequence": 1 } });
        assert_eq!(
            (got.status.as_u16(), got.lines()),
            (200, vec![first, json!({ "error": error })])
        );

        let got = send(&server, Method::GET, "/v1/hello:repeat?count=1", &[EVENTS], "").await;
        let last = "event: error\ndata: {\"code\":15,\"message\":\"gone\",\"details\":[]}\n\n";
        assert!(got.text().ends_with(last), "{}", got.text());

        for headers in [&[][..], &[EVENTS]] {
            let got = send(&server, Method::GET, "/v1/hello:repeat", headers, "").await;
            assert_eq!((got.status.as_u16(), got.json()), (500, error.clone()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_nothing_is_a_success() {
    within(async {
        let hello = Scripted::default().many_times(|_| stream::empty());
        let server = scripted(hello, settings()).await;
        let got = get(&server, "/v1/hello:repeat").await;
        assert_eq!((got.status.as_u16(), got.text()), (200, ""));
        let got = send(&server, Method::GET, "/v1/hello:repeat", &[EVENTS], "").await;
        assert_eq!(got.text(), "event: end\ndata: {}\n\n");
    })
    .await;
}

#[tokio::test]
async fn a_client_stream_is_lines_values_or_a_list() {
    within(async {
        let server = greeter(settings()).await;
        let expected = json!({
            "greeting": "Hello, A, B!", "count": "2", "countByLanguage": { "en": "2" },
        });
        for (kind, body) in [
            (LINES, "{\"name\":\"A\"}\n{\"name\":\"B\"}\n"),
            (LINES, "{\"name\":\"A\"}\r\n\r\n{\"name\":\"B\"}"),
            (JSON, "{\"name\":\"A\"}{\"name\":\"B\"}"),
            (JSON, " [ {\"name\":\"A\"} , {\"name\":\"B\"} ] "),
        ] {
            for path in ["/v1/hello:everyone", "/hello.v1.HelloService/GreetEveryone"] {
                let got = send(&server, Method::POST, path, &[kind], body).await;
                assert_eq!(got.json(), expected, "{body}");
            }
        }
        let got = send(&server, Method::POST, "/v1/hello:everyone", &[LINES], "").await;
        assert_eq!(got.json()["greeting"], "Hello, World!");
        for (body, what) in [
            ("{\"name\":\"A\"}\n{\"nmae\":\"B\"}", "nmae"),
            ("{\"name\":\"A\"}\n{\"name\":", "ends within a value"),
            ("{\"name\":\"A\"}\n!", "body"),
        ] {
            let got = send(&server, Method::POST, "/v1/hello:everyone", &[LINES], body).await;
            assert_eq!(got.status, 400, "{body}: {}", got.text());
            assert!(got.text().contains(what), "{}", got.text());
        }
        let text = [("content-type", "text/plain")];
        let got = send(&server, Method::POST, "/v1/hello:everyone", &text, "{}").await;
        assert_eq!(got.status, 415);
    })
    .await;
}

/// Each line is answered before the next is written.
#[tokio::test]
async fn both_ways_at_once() {
    within(async {
        let server = greeter(settings()).await;
        let (lines, body) = mpsc::unbounded_channel();
        let body = UnboundedReceiverStream::new(body)
            .map(|line: String| Ok::<_, std::convert::Infallible>(Frame::data(line.into())));
        let request = http::Request::post("/v1/hello:chat")
            .header("host", "test")
            .header(LINES.0, LINES.1)
            .body(StreamBody::new(body))
            .unwrap();
        lines.send("{\"name\":\"A\"}\n".to_owned()).unwrap();
        let response = begin(&server, request).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        for n in 1..=3 {
            let line = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(line["result"]["sequence"], n.to_string());
            // The first bytes of a message may come long before its last.
            lines.send("{\"name\":".to_owned()).unwrap();
            lines.send("\"A\"}\n".to_owned()).unwrap();
        }
        drop(lines);
        let rest = body.collect().await.unwrap().to_bytes();
        assert!(rest.ends_with(b"}\n"));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    within(async {
        let (guards, mut dropped) = Guards::new();
        let streaming = guards.clone();
        let (begin, mut begun) = mpsc::unbounded_channel();
        let hello = Scripted::default()
            .say_hello(move |_| {
                let guard = guards.guard();
                begin.send(()).unwrap();
                async move {
                    let _guard = guard;
                    std::future::pending().await
                }
            })
            .many_times(move |_| {
                let guard = streaming.guard();
                stream::once(async { Ok(answer(1)) }).chain(stream::pending()).map(move |answer| {
                    let _held = &guard;
                    answer
                })
            });
        let server = scripted(hello, settings()).await;
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        client.write_all(b"GET /v1/hello:repeat HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"}\n\r\n") {
            client.read_buf(&mut got).await.unwrap();
        }
        assert!(!dropped.any());
        drop(client);
        dropped.one().await;

        // While it waits for the answer.
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        client.write_all(b"GET /v1/hello HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        begun.recv().await.unwrap();
        drop(client);
        dropped.one().await;
    })
    .await;
}

/// A request that is cut off is not one that has ended.
#[tokio::test]
async fn a_body_that_is_cut_off_is_an_error() {
    within(async {
        let (ends, mut ended) = mpsc::unbounded_channel();
        let hello = Scripted::default().chat(move |mut requests| {
            let ends = ends.clone();
            async_stream(async move {
                let first = requests.message().await.unwrap().unwrap();
                assert_eq!(first.name, "A");
                ends.send(requests.message().await.map(|_| ())).unwrap();
            })
        });
        let server = scripted(hello, settings()).await;
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let body = "{\"name\":\"A\"}\n";
        let head = format!(
            "POST /v1/hello:chat HTTP/1.1\r\nhost: test\r\n{}: {}\r\ncontent-length: 100\r\n\r\n{body}",
            LINES.0, LINES.1
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // The call is dropped, or its handler is told; it never takes this for the end.
        if let Some(end) = ended.recv().await {
            assert!(end.is_err());
        }
    })
    .await;
}

fn async_stream(
    work: impl Future<Output = ()> + Send + 'static,
) -> impl futures_util::Stream<Item = Result<ChatResponse, Status>> + Send + 'static {
    stream::once(work).filter_map(|()| std::future::ready(None))
}
