//! What our client makes of answers that no good server gives.

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use http::HeaderMap;
use proto::client_compat_response::Result as Outcome;
use proto::{Code, HttpVersion, Protocol, StreamType};
use std::io::Write;
use testkit::conformance::{client, proto};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An answer, and what the client is to say of it.
struct Case {
    name: &'static str,
    stream_type: StreamType,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    /// Of gRPC, over HTTP/2.
    trailers: Vec<(&'static str, &'static str)>,
    codes: &'static [Code],
    payloads: usize,
}

const OK: &[Code] = &[];
const INTERNAL: &[Code] = &[Code::Internal, Code::Unknown];
const UNKNOWN: &[Code] = &[Code::Unknown, Code::Internal];
const UNIMPLEMENTED: &[Code] = &[Code::Unimplemented];

fn frame(flags: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![flags];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn case(
    name: &'static str,
    stream_type: StreamType,
    content_type: &'static str,
    body: Vec<u8>,
    codes: &'static [Code],
    payloads: usize,
) -> Case {
    let headers = vec![("content-type", content_type)];
    Case { name, stream_type, status: 200, headers, body, trailers: vec![], codes, payloads }
}

fn connect() -> Vec<Case> {
    use StreamType::{ClientStream, ServerStream, Unary};
    const PROTO: &str = "application/proto";
    const JSON: &str = "application/json";
    const STREAM: &str = "application/connect+proto";
    let unary = |name, status, content_type, body: &str, codes| Case {
        status,
        ..case(name, Unary, content_type, body.into(), codes, 0)
    };
    let end = |text: &str| frame(2, text);
    let error =
        r#"{"code":"out_of_range","message":"oops","details":[{"type":"a.B","value":"AA"}]}"#;
    let mut cases = vec![
        unary("null", 401, JSON, "null", &[Code::Unauthenticated]),
        unary(
            "null-code",
            401,
            JSON,
            r#"{"code":null,"message":"oops"}"#,
            &[Code::Unauthenticated],
        ),
        unary("strange-code", 429, JSON, r#"{"code":"foobar"}"#, &[Code::Unavailable]),
        unary("more-fields", 422, JSON, r#"{"code":"out_of_range","x":1}"#, &[Code::OutOfRange]),
        unary("no-json", 403, PROTO, "", &[Code::PermissionDenied]),
        unary("type", 200, "image/jpeg", "", &[Code::Unknown]),
        unary("codec", 200, JSON, "{}", &[Code::Internal]),
        case("unary-empty", Unary, PROTO, vec![], OK, 1),
        case("none", ClientStream, STREAM, end("{}"), UNIMPLEMENTED, 0),
        case(
            "two",
            ClientStream,
            STREAM,
            [frame(0, ""), frame(0, ""), end("{}")].concat(),
            UNIMPLEMENTED,
            0,
        ),
        case("no-end", ClientStream, STREAM, frame(0, ""), INTERNAL, 0),
        case("no-end", ServerStream, STREAM, frame(0, ""), INTERNAL, 1),
        case(
            "half",
            ServerStream,
            STREAM,
            [frame(0, ""), vec![0, 0, 0, 0, 10, 0]].concat(),
            INTERNAL,
            1,
        ),
        case("half-header", ServerStream, STREAM, [frame(0, ""), vec![0; 3]].concat(), INTERNAL, 1),
        case("codec", ServerStream, "application/connect+json", end("{}"), &[Code::Internal], 0),
        case("null-error", ServerStream, STREAM, end(r#"{"error":null}"#), OK, 0),
        case(
            "no-code",
            ServerStream,
            STREAM,
            end(r#"{"error":{"message":"oops"}}"#),
            &[Code::Unknown],
            0,
        ),
        case(
            "compressed",
            ServerStream,
            STREAM,
            [frame(1, ""), end("{}")].concat(),
            &[Code::Internal],
            0,
        ),
    ];
    for (status, code) in [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (404, Code::Unimplemented),
        (409, Code::Unknown),
        (429, Code::Unavailable),
        (503, Code::Unavailable),
        (505, Code::Unknown),
        (800, Code::Unknown),
    ] {
        let codes: &'static [Code] = vec![code].leak();
        cases.push(unary("status", status, "text/plain", "", codes));
    }
    let mut strange = case("encoding", Unary, PROTO, b"x".to_vec(), &[Code::Internal], 0);
    strange.headers.push(("content-encoding", "foo"));
    let mut compressed = unary("compressed-error", 422, JSON, "", &[Code::OutOfRange]);
    compressed.headers.push(("content-encoding", "gzip"));
    compressed.body = gzip(error);
    let body = frame(3, gzip(&format!(r#"{{"error":{error}}}"#)));
    let mut ended = case("compressed-end", ServerStream, STREAM, body, &[Code::OutOfRange], 0);
    ended.headers.push(("connect-content-encoding", "gzip"));
    cases.extend([strange, compressed, ended]);
    cases
}

fn grpc_web() -> Vec<Case> {
    use StreamType::{ClientStream, ServerStream, Unary};
    const WEB: &str = "application/grpc-web";
    let ok = || frame(0x80, "grpc-status: 0\r\n");
    let with = |mut case: Case, name, value| {
        case.headers.push((name, value));
        case
    };
    let mixed = frame(0x80, "Grpc-Status: 9\r\ngRPC-Message: oops\r\nX-Trailer: a\r\n");
    vec![
        case("missing-status", Unary, WEB, frame(0x80, "grpc-message: error\r\n"), UNKNOWN, 0),
        case("none", Unary, WEB, ok(), UNIMPLEMENTED, 0),
        case("none", ClientStream, WEB, ok(), UNIMPLEMENTED, 0),
        case("two", Unary, WEB, [frame(0, ""), frame(0, ""), ok()].concat(), UNIMPLEMENTED, 0),
        case("empty", Unary, WEB, [frame(0, ""), ok()].concat(), OK, 1),
        case("no-end", ServerStream, WEB, frame(0, ""), INTERNAL, 1),
        case("mixed-case", Unary, WEB, mixed.clone(), &[Code::FailedPrecondition], 0),
        with(case("headers-only", Unary, WEB, vec![], UNIMPLEMENTED, 0), "grpc-status", "0"),
        with(
            case("headers-only", Unary, WEB, vec![], &[Code::FailedPrecondition], 0),
            "grpc-status",
            "9",
        ),
        with(
            case("body-counts", Unary, WEB, mixed, &[Code::FailedPrecondition], 0),
            "grpc-status",
            "8",
        ),
        with(
            case(
                "compressed-trailers",
                Unary,
                WEB,
                [frame(0, ""), frame(0x81, gzip("grpc-status: 0\r\n"))].concat(),
                OK,
                1,
            ),
            "grpc-encoding",
            "gzip",
        ),
        case("type", Unary, "image/jpeg", vec![], UNKNOWN, 0),
        case("codec", Unary, "application/grpc-web+json", ok(), INTERNAL, 0),
        with(
            case("encoding", Unary, WEB, [frame(1, "x"), ok()].concat(), &[Code::Internal], 0),
            "grpc-encoding",
            "foo",
        ),
        case("compressed", Unary, WEB, [frame(1, "x"), ok()].concat(), &[Code::Internal], 0),
    ]
}

fn grpc() -> Vec<Case> {
    use StreamType::{ClientStream, ServerStream, Unary};
    const GRPC: &str = "application/grpc";
    let ended = |mut case: Case| {
        case.trailers.push(("grpc-status", "0"));
        case
    };
    let with = |mut case: Case, name, value| {
        case.headers.push((name, value));
        case
    };
    let mut missing = case("missing-status", Unary, GRPC, vec![], UNKNOWN, 0);
    missing.trailers.push(("grpc-message", "error"));
    let mut trailers = with(
        case("trailers-count", Unary, GRPC, vec![], &[Code::FailedPrecondition], 0),
        "grpc-status",
        "8",
    );
    trailers.trailers.push(("grpc-status", "9"));
    vec![
        missing,
        trailers,
        ended(case("none", Unary, GRPC, vec![], UNIMPLEMENTED, 0)),
        ended(case("none", ClientStream, GRPC, vec![], UNIMPLEMENTED, 0)),
        ended(case("two", Unary, GRPC, frame(0, "").repeat(2), UNIMPLEMENTED, 0)),
        ended(case("empty", Unary, GRPC, frame(0, ""), OK, 1)),
        case("no-status", Unary, GRPC, frame(0, ""), INTERNAL, 0),
        case("no-status", ServerStream, GRPC, frame(0, ""), INTERNAL, 1),
        with(case("body-counts", Unary, GRPC, frame(0, ""), INTERNAL, 0), "grpc-status", "9"),
        ended(case(
            "half",
            ServerStream,
            GRPC,
            [frame(0, ""), vec![0, 0, 0, 0, 10, 0]].concat(),
            INTERNAL,
            1,
        )),
        ended(case(
            "half-header",
            ServerStream,
            GRPC,
            [frame(0, ""), vec![0; 3]].concat(),
            INTERNAL,
            1,
        )),
        case("type", Unary, "image/jpeg", vec![], UNKNOWN, 0),
        ended(case("codec", Unary, "application/grpc+json", frame(0, "{}"), INTERNAL, 0)),
        ended(with(
            case("encoding", Unary, GRPC, frame(1, "x"), &[Code::Internal], 0),
            "grpc-encoding",
            "foo",
        )),
        ended(case("compressed", Unary, GRPC, frame(1, "x"), &[Code::Internal], 0)),
        Case {
            status: 503,
            ..case("status", Unary, "text/plain", vec![], &[Code::Unavailable], 0)
        },
    ]
}

/// Serves one request over HTTP/1.1 with exactly this answer.
async fn answer1(listener: TcpListener, case: &Case) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut said = Vec::new();
    // Requests here are short and end before their answer begins.
    while !said.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut said).await.unwrap();
    }
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", case.status);
    for (name, value) in &case.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut answer = head.into_bytes();
    answer.extend(format!("content-length: {}\r\n\r\n", case.body.len()).bytes());
    answer.extend(&case.body);
    stream.write_all(&answer).await.unwrap();
    // Closed with bytes unread it would be reset.
    while stream.read_buf(&mut said).await.is_ok_and(|len| len > 0) {}
}

/// The same over HTTP/2, with trailers.
async fn answer2(listener: TcpListener, case: &Case) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
    let mut response = http::Response::builder().status(case.status);
    for (name, value) in &case.headers {
        response = response.header(*name, *value);
    }
    let mut stream = respond.send_response(response.body(()).unwrap(), false).unwrap();
    let last = case.trailers.is_empty();
    stream.send_data(Bytes::from(case.body.clone()), last).unwrap();
    if !last {
        let mut trailers = HeaderMap::new();
        for (name, value) in &case.trailers {
            trailers.append(*name, value.parse().unwrap());
        }
        stream.send_trailers(trailers).unwrap();
    }
    while connection.accept().await.is_some_and(|accepted| accepted.is_ok()) {}
}

async fn run(protocol: Protocol, cases: Vec<Case>) {
    for case in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (method, request) = match case.stream_type {
            StreamType::Unary => ("Unary", "UnaryRequest"),
            StreamType::ClientStream => ("ClientStream", "ClientStreamRequest"),
            _ => ("ServerStream", "ServerStreamRequest"),
        };
        let version = match protocol {
            Protocol::Grpc => HttpVersion::HttpVersion2,
            _ => HttpVersion::HttpVersion1,
        };
        let call = proto::ClientCompatRequest {
            method: Some(method.into()),
            stream_type: case.stream_type.into(),
            protocol: protocol.into(),
            http_version: version.into(),
            codec: proto::Codec::Proto.into(),
            compression: proto::Compression::Identity.into(),
            host: "127.0.0.1".into(),
            port: port.into(),
            request_messages: vec![prost_types::Any {
                type_url: format!("type.googleapis.com/connectrpc.conformance.v1.{request}"),
                value: Vec::new(),
            }],
            ..Default::default()
        };
        let server = async {
            match protocol {
                Protocol::Grpc => answer2(listener, &case).await,
                _ => answer1(listener, &case).await,
            }
        };
        let response = tokio::select! {
            response = client::run(call) => response,
            () = async { server.await; std::future::pending().await } => unreachable!(),
        };
        let Some(Outcome::Response(result)) = response.result else {
            panic!("{protocol:?} {}: {response:?}", case.name);
        };
        let code = result.error.as_ref().map(proto::Error::code);
        let fits = match code {
            None => case.codes.is_empty(),
            Some(code) => case.codes.contains(&code),
        };
        let name = format!("{protocol:?} {method}/{}", case.name);
        assert!(fits, "{name}: {code:?} instead of {:?}: {result:?}", case.codes);
        assert_eq!(result.payloads.len(), case.payloads, "{name}");
    }
}

#[tokio::test]
async fn of_connect() {
    run(Protocol::Connect, connect()).await;
}

#[tokio::test]
async fn of_grpc_web() {
    run(Protocol::GrpcWeb, grpc_web()).await;
}

#[tokio::test]
async fn of_grpc() {
    run(Protocol::Grpc, grpc()).await;
}
