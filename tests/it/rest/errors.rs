//! What a client is told when it does not get what it asked for, and headers both ways.

use std::convert::Infallible;
use std::io::Write;

use ahoy::Server;
use ahoy::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, Request, Response};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::echo::serve;
use super::http_client::{get, json as send_json, send};
use crate::support::{Guards, Scripted, greeter, scripted, settings, start, within};

#[tokio::test]
async fn who_is_lost_is_told_what_is_near() {
    within(async {
        let server = greeter(settings()).await;
        let answer = get(&server, "/v1/helo").await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json()["code"], 5);
        assert!(answer.text().contains("GET /v1/hello,"), "{}", answer.text());

        let answer = send(&server, Method::DELETE, "/v1/hello", &[], "").await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), Some("GET, POST, HEAD, OPTIONS"));
        assert_eq!(answer.json()["code"], 12);

        let answer = send(&server, Method::OPTIONS, "/v1/hello", &[], "").await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("allow"), Some("GET, POST, HEAD, OPTIONS"));

        let answer = send(&server, Method::HEAD, "/v1/hello/Ada", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-length"), Some("26"));

        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = send(&server, Method::POST, "/v1/hello", &form, "name=Ada").await;
        assert_eq!(answer.status, 415);
        assert!(answer.text().contains("takes content-type application/json"), "{}", answer.text());
        for (path, encoding, takes) in [
            ("/v1/hello", "br", "gzip, zstd"),
            ("/v1/hello", "gzip, gzip", "gzip, zstd"),
            ("/v1/hello:everyone", "gzip", "identity"),
        ] {
            let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
            let answer = send(&server, Method::POST, path, &headers, "{}").await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("accept-encoding")),
                (415, Some(takes))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    within(async {
        let server = greeter(settings()).await;
        let violation = async |method: Method, path: &str, body: &str| {
            let answer = send_json(&server, method, path, body).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
            let json = answer.json();
            assert_eq!(json["code"], 3);
            let detail = &json["details"][0];
            assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
            let violation = &detail["fieldViolations"][0];
            let text = |name: &str| violation[name].as_str().unwrap().to_owned();
            (text("field"), text("description"), json["message"].as_str().unwrap().to_owned())
        };
        let (field, what, _) = violation(Method::GET, "/v1/hello?langage=de", "").await;
        assert_eq!(field, "langage");
        assert!(what.contains("did you mean `language`?"), "{what}");
        let (field, what, _) = violation(Method::POST, "/v1/hello", r#"{"nmae": "x"}"#).await;
        assert_eq!(field, "nmae");
        assert!(what.contains("did you mean \"name\"?"), "{what}");
        let (_, _, message) = violation(Method::POST, "/v1/hello", "{\n  \"name\": x}").await;
        assert!(message.contains("line 2"), "{message}");
        // From the handler: the same form.
        let (field, _, _) = violation(Method::GET, "/v1/hello?language=xx", "").await;
        assert_eq!(field, "language");
        // What is too long is refused before it is read.
        let head = "POST /v1/hello HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
            content-length: 5000000\r\n\r\n";
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\"code\":8"), "{answer}");
    })
    .await;
}

/// RFC 9112, sections 3.2 and 7.1.
#[tokio::test]
async fn what_is_no_http_is_the_clients_fault() {
    within(async {
        let server = greeter(settings()).await;
        for request in [
            "GET /v1/hello HTTP/1.1\r\n\r\n",
            "GET /v1/hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "POST /v1/hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "POST /v1/hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                fffffffffffffffff\r\n",
        ] {
            let mut stream = TcpStream::connect(server.addr()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = [0; 13];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 400 ", "{request}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_may_be_compressed_as_far_as_the_limit_goes() {
    within(async {
        let server = greeter(settings()).await;
        let gzip = |text: &[u8]| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(text).unwrap();
            gzip.finish().unwrap()
        };
        let post = async |body: &[u8]| {
            let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
            send(&server, Method::POST, "/v1/hello", &headers, body).await
        };
        let answer = post(&gzip(br#"{"name":"Ada"}"#)).await;
        assert_eq!(answer.json(), json!({ "greeting": "Hello, Ada!" }));
        assert_eq!(post(b"").await.status, 200);
        let damaged = post(b"{}").await;
        assert_eq!((damaged.status.as_u16(), &damaged.json()["code"]), (400, &json!(3)));
        let bomb = gzip(&vec![b' '; 64 << 20]);
        let answer = post(&bomb).await;
        assert_eq!(answer.json()["code"], 8, "{} bytes: {}", bomb.len(), answer.text());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_sees_why_it_was_refused() {
    within(async {
        let server = greeter(settings()).await;
        let head = "POST /v1/hello HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
            content-length: 5000000\r\n\r\n";
        for _ in 0..20 {
            let mut stream = TcpStream::connect(server.addr()).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&[b' '; 5_000_000]).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_code_has_its_http_code() {
    within(async {
        let hello = Scripted::default().say_hello(|request| async move {
            let code = request.into_inner().name.parse::<i32>().unwrap();
            let mut details = ErrorDetails::new();
            details.set_error_info("WHY", "example.org", [("key".to_owned(), "value".to_owned())]);
            details.set_retry_info(Some(std::time::Duration::from_millis(1500)));
            Err(Status::with_error_details(Code::from_i32(code), "what happened, é", details))
        });
        let server = scripted(hello, settings()).await;
        let http = [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        for (code, http) in (1..).zip(http) {
            let answer = get(&server, &format!("/v1/hello/{code}")).await;
            let expected = json!({
                "code": code,
                "message": "what happened, é",
                "details": [
                    { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" },
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "WHY",
                        "domain": "example.org",
                        "metadata": { "key": "value" },
                    },
                ],
            });
            assert_eq!((answer.status.as_u16(), answer.json()), (http, expected));
            assert_eq!(answer.header("retry-after"), Some("2"));
        }
    })
    .await;
}

const ECHO: &str = r#"
    service Messaging {
        rpc Say(Q) returns (Q) { option (google.api.http) = { get: "/v1/say" }; }
    }
    message Q { string s = 1; }
"#;

#[tokio::test]
async fn headers_are_metadata_both_ways() {
    within(async {
        let server = serve(ECHO).await;
        let headers = [
            ("x-echo", "there"),
            ("x-echo-bin", "AAE="),
            ("if-none-match", "\"7\""),
            ("grpc-timeout", "20S"),
            ("x-request-timeout", "1.5"),
            // Were it true, the answer could not be read.
            ("grpc-accept-encoding", "gzip"),
            ("grpc-encoding", "gzip"),
        ];
        let answer = send(&server, Method::GET, "/v1/say?s=x", &headers, "").await;
        assert_eq!(answer.json(), json!({ "s": "x" }));
        assert_eq!(answer.header("got-x-echo"), Some("there"));
        assert_eq!(answer.header("got-x-echo-bin"), Some("AAE="));
        assert_eq!(answer.header("got-if-none-match"), Some("\"7\""));
        assert!(answer.header("got-grpc-timeout").is_some());
        assert_eq!(answer.header("etag"), Some("\"7\""));
        assert_eq!(answer.header("x-trailer"), Some("last"));
        let twice: Vec<_> = answer.headers.get_all("x-twice").iter().collect();
        assert_eq!(twice, ["first", "last"]);
        for name in ["grpc-status", "connection", "transfer-encoding"] {
            assert_eq!(answer.header(name), None, "{name}");
        }

        let answer = send(&server, Method::GET, "/v1/say", &[("grpc-timeout", "soon")], "").await;
        assert_eq!(answer.status, 400);
    })
    .await;
}

/// A service without generated code passes on what it was told, whatever that is.
#[tokio::test]
async fn details_that_are_none_are_left_out() {
    within(async {
        let broken = tower::service_fn(|_: Request<Body>| async {
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.header("grpc-status", "5").header("grpc-message", "gone");
            let response = response.header("grpc-status-details-bin", "!");
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        });
        let server = Server::new("broken").contracts(contracts::FILE_DESCRIPTOR_SET);
        let server = start(server.route("hello.v1.HelloService", broken), settings()).await;
        let answer = get(&server, "/v1/hello").await;
        let expected = json!({ "code": 5, "message": "gone", "details": [] });
        assert_eq!((answer.status.as_u16(), answer.json()), (404, expected));
    })
    .await;
}

#[tokio::test]
async fn a_timeout_ends_the_call() {
    within(async {
        let (guards, mut dropped) = Guards::new();
        let hello = Scripted::default().say_hello(move |_| {
            let guard = guards.guard();
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        });
        let server = scripted(hello, settings()).await;
        for header in [("grpc-timeout", "50m"), ("x-request-timeout", "50ms")] {
            let answer = send(&server, Method::GET, "/v1/hello", &[header], "").await;
            assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (504, &json!(4)));
            dropped.one().await;
        }
    })
    .await;
}
