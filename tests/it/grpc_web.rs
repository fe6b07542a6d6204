//! gRPC-Web, binary and text, and gRPC with JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::hello::v1::SayHelloResponse;
use http::Method;
use prost::Message;
use serde_json::Value;

use crate::connect::{frame, frames};
use crate::rest::http_client::{Answer, send, send2};
use crate::support::{greeter, named, settings, within};

const SAY_HELLO: &str = "/hello.v1.HelloService/SayHello";
const EVERYONE: &str = "/hello.v1.HelloService/GreetEveryone";
const CHAT: &str = "/hello.v1.HelloService/Chat";

const WEB: (&str, &str) = ("content-type", "application/grpc-web");
const WEB_JSON: (&str, &str) = ("content-type", "application/grpc-web+json");
const TEXT: (&str, &str) = ("content-type", "application/grpc-web-text");

/// The message, and the lines of trailers behind it.
fn one(body: &[u8]) -> (Vec<u8>, String) {
    let [(0, message), (0x80, trailers)] = &frames(body)[..] else {
        panic!("{body:?}");
    };
    (message.clone(), String::from_utf8(trailers.clone()).unwrap())
}

fn code(answer: &Answer) -> String {
    if let Some(code) = answer.header("grpc-status") {
        return code.to_owned();
    }
    let (_, trailers) = frames(&answer.body).pop().unwrap();
    let trailers = String::from_utf8(trailers).unwrap();
    trailers.lines().find_map(|line| line.strip_prefix("grpc-status: ")).unwrap().to_owned()
}

#[tokio::test]
async fn trailers_are_the_last_frame() {
    within(async {
        let server = greeter(settings()).await;
        let body = frame(0, named("Ada").encode_to_vec());
        for answer in [
            send(&server, Method::POST, SAY_HELLO, &[WEB], &body).await,
            send2(&server, Method::POST, SAY_HELLO, &[WEB], &body).await,
        ] {
            assert_eq!(answer.header("content-type"), Some("application/grpc-web+proto"));
            let (message, trailers) = one(&answer.body);
            assert_eq!(SayHelloResponse::decode(&*message).unwrap().greeting, "Hello, Ada!");
            assert_eq!(trailers, "grpc-status: 0\r\n");
        }
        let answer = send(&server, Method::POST, SAY_HELLO, &[WEB_JSON], frame(0, "{}")).await;
        let greeting: Value = serde_json::from_slice(&one(&answer.body).0).unwrap();
        assert_eq!(greeting["greeting"], "Hello, World!");
        let refused = frame(0, r#"{"language":"xx"}"#);
        let answer = send(&server, Method::POST, SAY_HELLO, &[WEB_JSON], refused).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (200, "3"));
        assert!(answer.header("grpc-status-details-bin").is_some());
    })
    .await;
}

#[tokio::test]
async fn text_is_base64_in_pieces() {
    within(async {
        let server = greeter(settings()).await;
        let requests = ["Ada", "Ben"].map(|name| frame(0, named(name).encode_to_vec()));
        // Each on its own, and cut where no message ends.
        let whole = requests.concat();
        let (first, second) = whole.split_at(7);
        for body in [
            requests.map(|request| STANDARD.encode(request)).concat(),
            STANDARD.encode(first) + &STANDARD.encode(second),
        ] {
            let answer = send(&server, Method::POST, EVERYONE, &[TEXT], body).await;
            assert_eq!(answer.header("content-type"), Some("application/grpc-web-text+proto"));
            let mut bytes = Vec::new();
            for piece in answer.body.chunks(4) {
                bytes.extend(STANDARD.decode(piece).unwrap());
            }
            assert_eq!(one(&bytes).1, "grpc-status: 0\r\n");
        }
        let answer = send(&server, Method::POST, SAY_HELLO, &[TEXT], "not base64!").await;
        assert_eq!(code(&answer), "13");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    within(async {
        let server = greeter(settings()).await;
        let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
            send(&server, Method::POST, SAY_HELLO, headers, body).await
        };
        let unknown = ("content-type", "application/grpc-web+thrift");
        assert_eq!(post(&[unknown], Vec::new()).await.status, 415);
        let answer = send(&server, Method::DELETE, SAY_HELLO, &[WEB], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
        assert_eq!(send(&server, Method::POST, CHAT, &[WEB], "").await.status, 505);

        let encoding = ("grpc-encoding", "br");
        assert_eq!(code(&post(&[WEB, encoding], Vec::new()).await), "12");
        assert_eq!(code(&post(&[WEB], Vec::new()).await), "12");
        assert_eq!(code(&post(&[WEB], [frame(0, ""), frame(0, "")].concat()).await), "12");
        assert_eq!(code(&post(&[WEB], frame(1, "")).await), "13");
        let nobody = send(&server, Method::POST, "/no.Such/Method", &[WEB], frame(0, "")).await;
        assert_eq!(code(&nobody), "12");
        let nobody = send(&server, Method::POST, "/no.Such/Method", &[WEB_JSON], "").await;
        assert_eq!(code(&nobody), "12");
    })
    .await;
}

#[tokio::test]
async fn grpc_takes_json_over_http2() {
    within(async {
        let server = greeter(settings()).await;
        let json = ("content-type", "application/grpc+json");
        let body = frame(0, r#"{"name":"Ada"}"#);
        let answer = send2(&server, Method::POST, SAY_HELLO, &[json], &body).await;
        assert_eq!(answer.header("content-type"), Some("application/grpc+json"));
        assert_eq!(answer.header("grpc-status"), Some("0"));
        let [(0, message)] = &frames(&answer.body)[..] else { panic!("{answer:?}") };
        assert_eq!(message, br#"{"greeting":"Hello, Ada!"}"#);
        assert_eq!(send(&server, Method::POST, SAY_HELLO, &[json], &body).await.status, 505);
        let unknown = ("content-type", "application/grpc+thrift");
        let answer = send2(&server, Method::POST, SAY_HELLO, &[unknown], &body).await;
        assert_eq!(answer.status, 415);
    })
    .await;
}
