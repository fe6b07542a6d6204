//! WebSocket, driven by tungstenite's client.

use ahoy::server::{Phase, Running};
use contracts::hello::v1::SayHelloManyTimesResponse;
use futures_util::{SinkExt, StreamExt, stream};
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::http_client::send;
use crate::support::{Guards, Scripted, caller, greeter, scripted, settings, within};

type Client = WebSocketStream<TcpStream>;

async fn connect(server: &Running, path: &str, headers: &[(&'static str, &str)]) -> Client {
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let mut request = format!("ws://{}{path}", server.addr()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client_async(request, stream).await.unwrap().0
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

async fn hear(client: &mut Client) -> Value {
    match client.next().await.unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("expected text, not {other:?}"),
    }
}

/// How the server closes.
async fn closed(client: &mut Client) -> (u16, String) {
    match client.next().await.unwrap().unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("expected a close, not {other:?}"),
    }
}

#[tokio::test]
async fn both_ways_at_once_until_the_client_has_no_more() {
    within(async {
        let greeter = greeter(settings()).await;
        let caller = caller(&greeter, settings()).await;
        for (server, path, field) in [
            (&greeter, "/v1/hello:chat", "name"),
            (&greeter, "/hello.v1.HelloService/Chat", "name"),
            (&caller, "/v1/world:converse", "place"),
        ] {
            let mut client = connect(server, path, &[]).await;
            for n in 1..=3 {
                say(&mut client, &json!({ field: "Ada" }).to_string()).await;
                let expected = json!({ "greeting": "Hello, Ada!", "sequence": n.to_string() });
                assert_eq!(hear(&mut client).await, json!({ "result": expected }));
            }
            client.send(Message::Ping("are you there".into())).await.unwrap();
            assert_eq!(
                client.next().await.unwrap().unwrap(),
                Message::Pong("are you there".into())
            );
            say(&mut client, "").await;
            assert_eq!(closed(&mut client).await, (1000, String::new()));
        }
    })
    .await;
}

#[tokio::test]
async fn calls_of_every_kind() {
    within(async {
        let server = greeter(settings()).await;
        let mut client = connect(&server, "/v1/hello:repeat?count=2&name=Ada", &[]).await;
        for n in 1..=2 {
            let expected = json!({ "greeting": "Hello, Ada!", "sequence": n });
            assert_eq!(hear(&mut client).await, json!({ "result": expected }));
        }
        assert_eq!(closed(&mut client).await.0, 1000);

        let mut client = connect(&server, "/hello.v1.HelloService/SayHello", &[]).await;
        say(&mut client, r#"{"name":"Ada"}"#).await;
        assert_eq!(hear(&mut client).await, json!({ "result": { "greeting": "Hello, Ada!" } }));
        assert_eq!(closed(&mut client).await.0, 1000);

        let mut client = connect(&server, "/v1/hello:everyone", &[]).await;
        say(&mut client, r#"{"name":"A"}"#).await;
        say(&mut client, r#"{"name":"B"}"#).await;
        say(&mut client, "").await;
        assert_eq!(hear(&mut client).await["result"]["greeting"], "Hello, A, B!");
        assert_eq!(closed(&mut client).await.0, 1000);
    })
    .await;
}

#[tokio::test]
async fn where_there_is_a_route_for_get_it_is_taken() {
    within(async {
        let greeter = greeter(settings()).await;
        let caller = caller(&greeter, settings()).await;
        // POST has this path too, and takes no parameters.
        let mut client = connect(&caller, "/v1/world:tour?count=2", &[]).await;
        for n in 1..=2 {
            assert_eq!(hear(&mut client).await["result"]["sequence"], n);
        }
        assert_eq!(closed(&mut client).await.0, 1000);
    })
    .await;
}

#[tokio::test]
async fn errors_are_a_message_and_the_close() {
    within(async {
        let server = greeter(settings()).await;
        for (message, field) in [(r#"{"language":"xx"}"#, "language"), (r#"{"nmae":1}"#, "nmae")] {
            let mut client = connect(&server, "/v1/hello:chat", &[]).await;
            say(&mut client, message).await;
            let error = hear(&mut client).await;
            assert_eq!(error["error"]["code"], 3);
            let violation = &error["error"]["details"][0]["fieldViolations"][0];
            assert_eq!(violation["field"], field);
            let (code, reason) = closed(&mut client).await;
            assert_eq!(code, 4003);
            assert!(error["error"]["message"].as_str().unwrap().starts_with(&reason));
        }
        let mut client = connect(&server, "/v1/hello:chat", &[("grpc-timeout", "50m")]).await;
        assert_eq!(hear(&mut client).await["error"]["code"], 4);
        assert_eq!(closed(&mut client).await.0, 4004);
    })
    .await;
}

#[tokio::test]
async fn who_breaks_the_rules_is_told() {
    within(async {
        let mut small = settings();
        small.max_message_bytes = 1000;
        let server = greeter(small).await;
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        say(&mut client, &format!("{{\"name\":\"{}\"}}", "x".repeat(2000))).await;
        assert_eq!(closed(&mut client).await.0, 1009);
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        client.send(Message::binary(vec![1, 2])).await.unwrap();
        assert_eq!(closed(&mut client).await.0, 1003);
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        let no_text = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
        client.send(Message::Frame(no_text)).await.unwrap();
        assert_eq!(closed(&mut client).await.0, 1007);
    })
    .await;
}

/// More than the server reads before it says that it is too long.
#[tokio::test]
async fn who_sends_far_too_much_is_told_all_the_same() {
    within(async {
        let mut small = settings();
        small.max_message_bytes = 1000;
        let server = greeter(small).await;
        for _ in 0..20 {
            let mut client = connect(&server, "/v1/hello:chat", &[]).await;
            client.send(Message::text("x".repeat(2_000_000))).await.unwrap();
            assert_eq!(closed(&mut client).await.0, 1009);
        }
    })
    .await;
}

/// Answers are not gathered for it: it is the one that has to wait.
#[tokio::test]
async fn who_only_pings_and_never_reads_is_read_no_more() {
    within(async {
        let server = greeter(settings()).await;
        let client = connect(&server, "/v1/hello:chat", &[("grpc-timeout", "5S")]).await;
        let mut client = client.into_inner();
        // Masked with zeros.
        let pings = [&[0x89, 0x80 | 100, 0, 0, 0, 0][..], &[b'x'; 100]].concat().repeat(1000);
        let mut sent = 0;
        // Until the deadline.
        while client.write_all(&pings).await.is_ok() {
            sent += pings.len();
            // More than the system holds of both ways.
            assert!(sent < 50_000_000, "all of it was read");
        }
    })
    .await;
}

/// RFC 6455, section 5.5.1.
#[tokio::test]
async fn a_close_is_answered_with_one() {
    within(async {
        let server = greeter(settings()).await;
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        let bye = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
        client.close(Some(bye)).await.unwrap();
        assert_eq!(closed(&mut client).await, (1001, "bye".to_owned()));
        assert!(client.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_cannot_be_is_refused_over_http() {
    within(async {
        let server = greeter(settings()).await;
        let handshake = async |path: &str, change: &[(&'static str, &'static str)]| {
            let mut headers = vec![
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            headers.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
            headers.extend_from_slice(change);
            let answer = send(&server, Method::GET, path, &headers, "").await;
            (answer.status.as_u16(), answer.header("sec-websocket-version").map(str::to_owned))
        };
        let path = "/v1/hello:chat";
        assert_eq!(handshake("/v1/nowhere/at/all", &[]).await, (404, None));
        let old = [("sec-websocket-version", "8")];
        assert_eq!(handshake(path, &old).await, (426, Some("13".to_owned())));
        assert_eq!(handshake(path, &[("sec-websocket-key", "short")]).await, (400, None));
        assert_eq!(handshake(path, &[("connection", "keep-alive")]).await, (400, None));
        // Pages of other origins, unless they are allowed.
        assert_eq!(handshake(path, &[("origin", "https://evil.example.org")]).await, (403, None));
        connect(&server, path, &[("origin", &format!("http://{}", server.addr()))]).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    within(async {
        let (guards, mut dropped) = Guards::new();
        let hello = Scripted::default().chat(move |mut requests| {
            let guard = guards.guard();
            stream::once(async move {
                let _guard = guard;
                // No end, but an error, if anything.
                requests.message().await.unwrap();
                assert!(requests.message().await.is_err());
                Err(tonic::Status::aborted("told"))
            })
        });
        let server = scripted(hello, settings()).await;
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        say(&mut client, "{}").await;
        client.close(None).await.unwrap();
        dropped.one().await;

        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        say(&mut client, "{}").await;
        drop(client);
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn who_never_reads_is_cut_after_the_deadline() {
    within(async {
        let (guards, mut dropped) = Guards::new();
        let hello = Scripted::default().many_times(move |_| {
            let guard = guards.guard();
            stream::repeat("x".repeat(100_000)).map(move |greeting| {
                let _held = &guard;
                Ok(SayHelloManyTimesResponse { greeting, sequence: 1 })
            })
        });
        let server = scripted(hello, settings()).await;
        let _client = connect(&server, "/v1/hello:repeat", &[("grpc-timeout", "100m")]).await;
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn a_drain_waits_for_the_call() {
    within(async {
        let server = greeter(settings()).await;
        let mut client = connect(&server, "/v1/hello:chat", &[]).await;
        say(&mut client, "{}").await;
        hear(&mut client).await;
        let drain = server.drain();
        let rest = async {
            while server.phase() < Phase::Draining {
                tokio::task::yield_now().await;
            }
            say(&mut client, "{}").await;
            hear(&mut client).await;
            say(&mut client, "").await;
            assert_eq!(closed(&mut client).await.0, 1000);
            drop(client);
        };
        tokio::join!(drain, rest);
    })
    .await;
}
