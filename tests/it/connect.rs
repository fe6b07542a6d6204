//! Connect: unary calls, GETs and streams, what they are refused with, and how they end.

use ahoy::server::{Running, ServerSettings};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::hello::v1::{SayHelloManyTimesResponse, SayHelloRequest, SayHelloResponse};
use futures_util::stream::{self, StreamExt};
use http::Method;
use prost::Message;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::rest::http_client::{Answer, send, send2};
use crate::support::{Dropped, Guards, Scripted, greeter, named, scripted, settings, within};

const SAY_HELLO: &str = "/hello.v1.HelloService/SayHello";
const MANY_TIMES: &str = "/hello.v1.HelloService/SayHelloManyTimes";
const EVERYONE: &str = "/hello.v1.HelloService/GreetEveryone";
const CHAT: &str = "/hello.v1.HelloService/Chat";

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/proto");
const VERSION: (&str, &str) = ("connect-protocol-version", "1");
const WEB: (&str, &str) = ("content-type", "application/grpc-web");
const STREAM: (&str, &str) = ("content-type", "application/connect+json");

pub(crate) fn frame(flags: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![flags];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame
}

/// Flags and payloads.
pub(crate) fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [flags, a, b, c, d, rest @ ..] = body {
        let (payload, after) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        found.push((*flags, payload.to_vec()));
        body = after;
    }
    assert!(body.is_empty());
    found
}

async fn post(server: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(server, Method::POST, path, headers, body).await
}

fn error(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned())
}

/// The messages of a stream, and its end.
fn stream_of(answer: &Answer) -> (Vec<Value>, Value) {
    assert_eq!(answer.status, 200);
    let mut found = frames(&answer.body);
    let (flags, end) = found.pop().unwrap();
    assert_eq!(flags, 2);
    let parse = |payload: &[u8]| serde_json::from_slice(payload).unwrap();
    let messages = found.iter().map(|(flags, payload)| {
        assert_eq!(*flags, 0);
        parse(payload)
    });
    (messages.collect(), parse(&end))
}

#[tokio::test]
async fn a_unary_call_in_both_codecs_over_both_versions() {
    within(async {
        let server = greeter(settings()).await;
        let json = post(&server, SAY_HELLO, &[JSON, VERSION], r#"{"name":"Ada","more":1}"#).await;
        assert_eq!((json.status.as_u16(), json.json()), (200, json!({"greeting":"Hello, Ada!"})));
        assert_eq!(json.header("content-type"), Some("application/json"));

        let body = named("Ada").encode_to_vec();
        for proto in [
            send(&server, Method::POST, SAY_HELLO, &[PROTO], &body).await,
            send2(&server, Method::POST, SAY_HELLO, &[PROTO], &body).await,
        ] {
            assert_eq!(proto.header("content-type"), Some("application/proto"));
            let response = SayHelloResponse::decode(proto.body).unwrap();
            assert_eq!(response.greeting, "Hello, Ada!");
        }
        // Nothing is a message, too.
        let empty = send(&server, Method::POST, SAY_HELLO, &[PROTO], "").await;
        assert_eq!(empty.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_get_of_a_method_without_side_effects() {
    within(async {
        let server = greeter(settings()).await;
        let get = async |query: &str| {
            send(&server, Method::GET, &format!("{SAY_HELLO}?{query}"), &[], "").await
        };
        let json = get("connect=v1&encoding=json&message=%7B%22name%22:%22Ada%22%7D").await;
        assert_eq!(json.json(), json!({"greeting":"Hello, Ada!"}));
        let message = URL_SAFE_NO_PAD.encode(named("Ada").encode_to_vec());
        let proto = get(&format!("message={message}&base64=1&encoding=proto")).await;
        let response = SayHelloResponse::decode(proto.body).unwrap();
        assert_eq!(response.greeting, "Hello, Ada!");

        assert_eq!(error(&get("connect=v1&encoding=json").await), (400, "invalid_argument".into()));
        assert_eq!(
            error(&get("connect=v2&encoding=json&message=%7B%7D").await),
            (400, "invalid_argument".into())
        );
        assert_eq!(
            error(&get("connect=v1&encoding=json&message=%7B%7D&compression=br").await),
            (501, "unimplemented".into())
        );
        let unknown = get("connect=v1&encoding=thrift&message=").await;
        assert_eq!(unknown.status, 415);
        // A stream has no GET.
        let path = format!("{MANY_TIMES}?connect=v1&encoding=json&message=%7B%7D");
        let stream = send(&server, Method::GET, &path, &[], "").await;
        assert_eq!((stream.status.as_u16(), stream.header("allow")), (405, Some("POST")));
    })
    .await;
}

#[tokio::test]
async fn an_error_is_json_with_its_details_and_an_http_status() {
    within(async {
        let server = greeter(settings()).await;
        let refused = post(&server, SAY_HELLO, &[JSON, VERSION], r#"{"language":"xx"}"#).await;
        assert_eq!(error(&refused), (400, "invalid_argument".into()));
        let detail = &refused.json()["details"][0];
        assert_eq!(detail["type"], "google.rpc.BadRequest");
        assert!(!detail["value"].as_str().unwrap().ends_with('='));
        assert_eq!(detail["debug"]["fieldViolations"][0]["field"], "language");

        let not_json = post(&server, SAY_HELLO, &[JSON, VERSION], "{").await;
        assert_eq!(error(&not_json), (400, "invalid_argument".into()));
        let nobody = post(&server, "/no.Such/Method", &[JSON, VERSION], "{}").await;
        assert_eq!(error(&nobody), (404, "unimplemented".into()));
        let nobody = post(&server, "/no.Such/Method", &[PROTO], "").await;
        assert_eq!(error(&nobody), (404, "unimplemented".into()));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_call_is_refused_as_http_has_it() {
    within(async {
        let server = greeter(settings()).await;
        let image = ("content-type", "image/jpeg");
        let answer = post(&server, SAY_HELLO, &[image], "x").await;
        // A client of Connect would take what is exactly JSON's type for an error of its own.
        assert_ne!((answer.status.as_u16(), answer.header("content-type")), (415, Some(JSON.1)));
        assert_eq!(answer.status, 415);
        let answer = post(&server, SAY_HELLO, &[image, VERSION], "x").await;
        assert_eq!(answer.status, 415);
        assert_eq!(answer.header("accept-post"), Some("application/proto, application/json"));
        let answer = post(&server, SAY_HELLO, &[STREAM], "").await;
        assert_eq!(answer.status, 415);
        let answer = post(&server, MANY_TIMES, &[PROTO], "").await;
        assert_eq!(answer.status, 415);
        let accepted = "application/connect+proto, application/connect+json";
        assert_eq!(answer.header("accept-post"), Some(accepted));
        let answer = send(&server, Method::DELETE, SAY_HELLO, &[PROTO], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, POST")));
        let answer = post(&server, CHAT, &[STREAM], "").await;
        assert_eq!(answer.status, 505);

        let version = ("connect-protocol-version", "2");
        let answer = post(&server, SAY_HELLO, &[JSON, version], "{}").await;
        assert_eq!(error(&answer), (400, "invalid_argument".into()));
        for timeout in ["-1", "soon", "12345678901"] {
            let timeout = ("connect-timeout-ms", timeout);
            let answer = post(&server, SAY_HELLO, &[JSON, VERSION, timeout], "{}").await;
            assert_eq!(error(&answer), (400, "invalid_argument".into()));
        }
        let encoding = ("content-encoding", "br");
        let answer = post(&server, SAY_HELLO, &[JSON, VERSION, encoding], "{}").await;
        assert_eq!(error(&answer), (501, "unimplemented".into()));
        assert!(answer.json()["message"].as_str().unwrap().contains("gzip and zstd"));
        let now = ("connect-timeout-ms", "0");
        let answer = post(&server, SAY_HELLO, &[JSON, VERSION, now], "{}").await;
        assert_eq!(error(&answer), (504, "deadline_exceeded".into()));
    })
    .await;
}

#[tokio::test]
async fn streams_end_with_a_frame_that_says_how() {
    within(async {
        let server = greeter(settings()).await;
        let twice = frame(0, r#"{"name":"Ada","count":2,"interval":"0s"}"#);
        let answer = send(&server, Method::POST, MANY_TIMES, &[STREAM], twice).await;
        assert_eq!(answer.header("content-type"), Some(STREAM.1));
        let (messages, end) = stream_of(&answer);
        assert_eq!(messages.len(), 2);
        assert_eq!((&messages[0]["greeting"], end), (&json!("Hello, Ada!"), json!({})));

        let three = ["Ada", "Ben", "Cleo"].map(|name| frame(0, json!({"name": name}).to_string()));
        let answer = send(&server, Method::POST, EVERYONE, &[STREAM], three.concat()).await;
        assert_eq!(stream_of(&answer).0[0]["greeting"], "Hello, Ada, Ben, Cleo!");

        let answer = send2(&server, Method::POST, CHAT, &[STREAM], three.concat()).await;
        assert_eq!(stream_of(&answer).0.len(), 3);

        let code = async |path, body: Vec<u8>| {
            let (messages, end) =
                stream_of(&send2(&server, Method::POST, path, &[STREAM], body).await);
            assert!(messages.is_empty());
            end["error"]["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(code(MANY_TIMES, frame(0, r#"{"language":"xx"}"#)).await, "invalid_argument");
        // One message is what this method takes.
        assert_eq!(code(MANY_TIMES, Vec::new()).await, "unimplemented");
        assert_eq!(
            code(MANY_TIMES, [frame(0, "{}"), frame(0, "{}")].concat()).await,
            "unimplemented"
        );
        // Compressed, and nobody said how; a flag of responses; half a message; no JSON.
        assert_eq!(code(EVERYONE, frame(1, "{}")).await, "internal");
        assert_eq!(code(EVERYONE, frame(2, "{}")).await, "internal");
        assert_eq!(code(EVERYONE, frame(0, "{}")[..6].to_vec()).await, "internal");
        assert_eq!(code(EVERYONE, frame(0, "[]")).await, "invalid_argument");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_in_every_shape() {
    within(async {
        let server = greeter(ServerSettings { max_message_bytes: 1_000, ..settings() }).await;
        let long = json!({"name": "x".repeat(1_000)}).to_string();
        let answer = post(&server, SAY_HELLO, &[JSON, VERSION], &long).await;
        assert_eq!(error(&answer), (429, "resource_exhausted".into()));
        let proto = SayHelloRequest { name: "x".repeat(1_000), ..Default::default() };
        let answer = send2(&server, Method::POST, SAY_HELLO, &[PROTO], proto.encode_to_vec()).await;
        assert_eq!(error(&answer), (429, "resource_exhausted".into()));
        let answer = send2(&server, Method::POST, EVERYONE, &[STREAM], frame(0, &long)).await;
        assert_eq!(stream_of(&answer).1["error"]["code"], "resource_exhausted");
    })
    .await;
}

/// A hello service whose calls never end, and what tells when one has begun and when it is dropped.
fn endless() -> (Scripted, mpsc::UnboundedReceiver<()>, Dropped) {
    let (guards, dropped) = Guards::new();
    let (begun, begins) = mpsc::unbounded_channel();
    let begin = move || {
        begun.send(()).unwrap();
        guards.guard()
    };
    let (unary, many) = (begin.clone(), begin);
    let stub = Scripted::default()
        .say_hello(move |_| {
            let guard = unary();
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        })
        .many_times(move |_| {
            let guard = many();
            let first = SayHelloManyTimesResponse::default();
            stream::iter([Ok(first)]).chain(stream::pending()).map(move |answer| {
                let _ = &guard;
                answer
            })
        });
    (stub, begins, dropped)
}

#[tokio::test]
async fn a_deadline_ends_a_call_in_every_shape() {
    within(async {
        let (stub, _begins, mut dropped) = endless();
        let server = scripted(stub, settings()).await;
        let soon = ("connect-timeout-ms", "100");
        let answer = post(&server, SAY_HELLO, &[JSON, VERSION, soon], "{}").await;
        assert_eq!(error(&answer), (504, "deadline_exceeded".into()));
        dropped.one().await;
        let answer = send(&server, Method::POST, MANY_TIMES, &[STREAM, soon], frame(0, "{}")).await;
        let (messages, end) = stream_of(&answer);
        assert_eq!(messages.len(), 1);
        assert_eq!(end["error"]["code"], "deadline_exceeded");
        dropped.one().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_call() {
    within(async {
        let (stub, mut begins, mut dropped) = endless();
        let server = scripted(stub, settings()).await;
        for (path, content_type) in [(SAY_HELLO, PROTO), (MANY_TIMES, WEB)] {
            let mut client = TcpStream::connect(server.addr()).await.unwrap();
            let body = if content_type == WEB { frame(0, "") } else { Vec::new() };
            let (name, value) = content_type;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client.write_all(head.as_bytes()).await.unwrap();
            client.write_all(&body).await.unwrap();
            begins.recv().await.unwrap();
            drop(client);
            dropped.one().await;
        }
    })
    .await;
}
