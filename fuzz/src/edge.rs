//! The door: requests in other protocols than gRPC, and what becomes of them.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use ahoy::body::Body;
use ahoy::protocol::contracts::Contracts;
use ahoy::protocol::edge::{EdgeLayer, Parts};
use ahoy::protocol::frame::{HEADER_LEN, Splitter};
use ahoy::protocol::rest::{Rest, RestSettings};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use tonic::Status;
use tower::{Layer as _, ServiceExt as _, service_fn};

const ONCE: &str = "/fuzz.v1.Echo/Once";
const STREAM: &str = "/fuzz.v1.Echo/Stream";

static CONTRACTS: LazyLock<Arc<Contracts>> = LazyLock::new(|| {
    let root = env!("CARGO_MANIFEST_DIR");
    let folders = [format!("{root}/proto"), format!("{root}/../crates/formats/tests/proto")];
    let files = protox::compile(["echo.proto"], folders).unwrap().encode_to_vec();
    Arc::new(Contracts::new([files.as_slice()], |_| true).unwrap())
});

static EDGE: LazyLock<EdgeLayer> = LazyLock::new(|| {
    EdgeLayer::new(Parts {
        contracts: Arc::clone(&CONTRACTS),
        rest: Rest::new(&CONTRACTS, RestSettings::default()).unwrap(),
        max_message_bytes: 1 << 20,
        docs: None,
        cors: None,
    })
});

/// Any bytes as a request of Connect. The first says of which kind, the second how it arrives. Gives
/// back whether it was a call that ended well.
pub fn connect_request(data: &[u8]) -> bool {
    let [kind, chunks, rest @ ..] = data else { return false };
    let (path, content_type) = match kind % 5 {
        0 => (ONCE, "application/proto"),
        1 => (ONCE, "application/json"),
        2 => (STREAM, "application/connect+proto"),
        3 => (STREAM, "application/connect+json"),
        _ => return connect_get(rest),
    };
    let mut request = request(path, content_type, *chunks, rest);
    if kind & 0x80 != 0 {
        let gzip = HeaderValue::from_static("gzip");
        request.headers_mut().insert(CONTENT_ENCODING, gzip.clone());
        request.headers_mut().insert("connect-content-encoding", gzip);
    }
    let (status, body) = answer(request);
    match (content_type, status) {
        ("application/proto", StatusCode::OK) => true,
        ("application/proto" | "application/json", _) => {
            json(&body);
            status == StatusCode::OK
        }
        (_, StatusCode::OK) => {
            let (messages, end) = frames(&body, 2);
            if content_type.ends_with("json") {
                messages.into_iter().for_each(|message| drop(json(message)));
            }
            json(end).get("error").is_none()
        }
        _ => false,
    }
}

/// Any text as the query of Connect's GET.
fn connect_get(query: &[u8]) -> bool {
    let query = String::from_utf8_lossy(query);
    let uri = format!("{ONCE}?connect=v1&encoding=json&message={query}");
    let Ok(request) = Request::get(uri).body(Body::default()) else { return false };
    let (status, body) = answer(request);
    json(&body);
    status == StatusCode::OK
}

/// Any bytes as a request of gRPC-Web, or of gRPC with JSON. Gives back whether it was a call that
/// ended well, if that is in a frame.
pub fn grpc_web_request(data: &[u8]) -> bool {
    let [kind, chunks, rest @ ..] = data else { return false };
    let content_type = match kind % 5 {
        0 => "application/grpc-web+proto",
        1 => "application/grpc-web+json",
        2 => "application/grpc-web-text+proto",
        3 => "application/grpc-web-text+json",
        _ => "application/grpc+json",
    };
    let path = if kind & 0x40 == 0 { ONCE } else { STREAM };
    let mut request = request(path, content_type, *chunks, rest);
    if kind & 0x80 != 0 {
        request.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    let (status, body) = answer(request);
    assert_eq!(status, StatusCode::OK);
    // What fails before it begins has its trailers in the headers.
    if body.is_empty() || !content_type.starts_with("application/grpc-web+") {
        return false;
    }
    let (messages, trailers) = frames(&body, 0x80);
    assert!(trailers.starts_with(b"grpc-status:"), "{trailers:?}");
    if content_type.ends_with("json") {
        messages.into_iter().for_each(|message| drop(json(message)));
    }
    trailers.starts_with(b"grpc-status:0") || trailers.starts_with(b"grpc-status: 0")
}

/// A POST whose body comes in chunks of so many bytes.
fn request(path: &str, content_type: &str, chunks: u8, body: &[u8]) -> Request<Body> {
    let body = body.chunks(usize::from(chunks).max(1)).map(Bytes::copy_from_slice);
    let frames: Vec<_> = body.map(|chunk| Ok::<_, Status>(Frame::data(chunk))).collect();
    Request::post(path)
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, content_type)
        .body(Body::new(StreamBody::new(stream::iter(frames))))
        .unwrap()
}

/// The door's answer, which waits for nothing.
fn answer(request: Request<Body>) -> (StatusCode, Bytes) {
    let answered = async {
        let Ok(response) = EDGE.layer(service_fn(echo)).oneshot(request).await;
        let status = response.status();
        (status, response.into_body().collect().await.map(|body| body.to_bytes()))
    };
    let (status, body) = answered.now_or_never().expect("everything is there");
    (status, body.unwrap_or_else(|error| panic!("{error}")))
}

/// What is behind the door sees gRPC, and answers with what it is sent.
async fn echo(
    request: Request<ahoy::protocol::edge::EdgeRequest<Body>>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    assert!(content_type.is_some_and(|name| name.starts_with(b"application/grpc")));
    let mut splitter = Splitter::with_limit(1 << 20);
    let mut frames = Vec::new();
    let mut data = body.into_data_stream();
    while let Some(chunk) = data.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return Ok(Status::internal(error.to_string()).into_http()),
        };
        splitter.feed(chunk);
        loop {
            match splitter.next_message() {
                Ok(Some(message)) => frames.push(Ok(Frame::data(message.frame))),
                Ok(None) => break,
                Err(error) => return Ok(Status::from(error).into_http()),
            }
        }
    }
    let mut trailers = HeaderMap::new();
    let end = if splitter.is_empty() { Status::ok("") } else { Status::internal("cut") };
    end.add_header(&mut trailers).unwrap();
    frames.push(Ok::<_, Status>(Frame::trailers(trailers)));
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    if let Some(encoding) = head.headers.get("grpc-encoding") {
        response.headers_mut().insert("grpc-encoding", encoding.clone());
    }
    Ok(response)
}

/// The messages of a body, which ends with a frame of that flag.
fn frames(mut body: &[u8], end: u8) -> (Vec<&[u8]>, &[u8]) {
    let mut messages = Vec::new();
    loop {
        let (header, rest) = body.split_at(HEADER_LEN);
        let length = u32::from_be_bytes(header[1..].try_into().unwrap());
        let (payload, rest) = rest.split_at(length as usize);
        if header[0] == end {
            assert!(rest.is_empty(), "something follows the end");
            return (messages, payload);
        }
        if header[0] == 0 {
            messages.push(payload);
        }
        body = rest;
    }
}

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}
