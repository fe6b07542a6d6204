//! REST's requests: a method, a path, a query and a body, which together are gRPC's messages.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use ahoy::body::Body;
use ahoy::protocol::contracts::Contracts;
use ahoy::protocol::edge::{EdgeLayer, EdgeRequest, Parts};
use ahoy::protocol::frame::Splitter;
use ahoy::protocol::rest::{Rest, RestSettings};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tower::{Layer, Service, service_fn};

use crate::formats::{oracle_json, same};

/// In bytes: fuzzers should find what is longer.
const LIMIT: usize = 512;

static EDGE: LazyLock<(Arc<Contracts>, EdgeLayer)> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let mut compiler = protox::Compiler::new([folder, root]).unwrap();
    compiler.include_imports(true).open_file("library.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    let contracts = Contracts::new([&*set], |name| name == "library.v1.Library").unwrap();
    let contracts = Arc::new(contracts);
    let parts = Parts {
        contracts: Arc::clone(&contracts),
        rest: Rest::new(&contracts, RestSettings::default()).unwrap(),
        max_message_bytes: LIMIT,
        docs: None,
        cors: None,
    };
    (contracts, EdgeLayer::new(parts))
});

/// What a service was sent.
type Sent = Arc<Mutex<Option<(String, Bytes)>>>;

/// Any text as a request, `METHOD TARGET` and behind the first line the body: it is refused as HTTP
/// and JSON have it, or becomes messages that the oracle reads, and that come back as JSON.
pub fn request(data: &[u8]) {
    let Some((method, target, body)) = parts(data) else { return };
    let request = Request::builder().method(&method).uri(target);
    let request = request.header("content-type", "application/json");
    let body = Full::new(Bytes::copy_from_slice(body));
    let Ok(request) = request.body(body) else { return };
    let sent = Sent::default();
    let (contracts, layer) = &*EDGE;
    let mut edge = layer.layer(service_fn(|request| echo(Arc::clone(&sent), request)));
    // Nothing waits, since all of it is here.
    let Ok(response) = edge.call(request).now_or_never().expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().now_or_never().expect("a whole answer").expect("no error");
    let (status, body) = (head.status, body.to_bytes());
    assert!(status.is_success() || status.is_client_error(), "{status}: {body:?}");
    if status == StatusCode::NO_CONTENT {
        return;
    }
    if !status.is_success() {
        if method != Method::HEAD || !body.is_empty() {
            let error: Value = serde_json::from_slice(&body).expect("JSON");
            assert!(error["code"].as_i64().is_some_and(|code| (1..=16).contains(&code)));
            assert!(error["message"].is_string() && error["details"].is_array(), "{error}");
        }
        return;
    }

    let (path, frames) = sent.lock().unwrap().take().expect("a call");
    let method_of = contracts.method(&path).expect("a method");
    let mut splitter = Splitter::with_limit(LIMIT);
    splitter.feed(frames);
    let mut count = 0;
    while let Some(message) = splitter.next_message().unwrap() {
        count += 1;
        let descriptor = method_of.descriptor.input();
        let bytes = descriptor.full_name() == "google.api.HttpBody";
        let oracle = match DynamicMessage::decode(descriptor, message.payload()) {
            Ok(oracle) => oracle,
            // It takes less depth.
            Err(error) => {
                assert!(error.to_string().contains("recursion"), "{error}");
                continue;
            }
        };
        let whole = !method_of.server_streaming && !bytes;
        // PUT answers with a field, and `$alt` changes how enums are written.
        let plain = method != Method::PUT && !target.contains(['$', '%']);
        if whole && plain && method != Method::HEAD {
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            same(&answer, &oracle_json(&oracle).expect("it has a JSON form"));
        }
    }
    assert!(splitter.is_empty(), "half a message");
    assert!(count == 1 || method_of.client_streaming, "{count} messages");
}

fn parts(data: &[u8]) -> Option<(Method, &str, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(end);
    let (method, target) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((method.parse().ok()?, target, body.get(1..).unwrap_or_default()))
}

/// Answers with the request, and notes it.
async fn echo(
    sent: Sent,
    request: Request<EdgeRequest<Full<Bytes>>>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let frames = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(status) => return Ok(status.into_http()),
    };
    *sent.lock().unwrap() = Some((head.uri.path().to_owned(), frames.clone()));
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = HeaderMap::from_iter([status]);
    let body = Full::new(frames).with_trailers(async { Some(Ok(trailers)) });
    Ok(Response::new(Body::new(body)))
}
