//! A service whose answer is its request, for contracts that a test writes itself: what REST made
//! of an HTTP request is then in its response, as JSON.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use ahoy::Server;
use ahoy::body::Body;
use ahoy::server::{Running, ServerError, ServerSettings};
use ahoy::telemetry::Metrics;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::support;

/// Serves the methods of `service example.v1.Messaging` in this source, whose responses have to be
/// of the type of their requests.
pub(super) async fn serve(source: &str) -> Running {
    try_serve(source, support::settings()).await.unwrap()
}

pub(super) async fn try_serve(
    source: &str,
    settings: ServerSettings,
) -> Result<Running, ServerError> {
    let contracts: &'static [u8] = Vec::leak(compile(source));
    let server = Server::new("echo").contracts(contracts).service(Echo);
    server.settings(settings).metrics(Metrics::new()).start().await
}

fn compile(source: &str) -> Vec<u8> {
    let folder = tempfile::TempDir::new().unwrap();
    let whole = format!(
        "syntax = \"proto3\";\npackage example.v1;\nimport \"google/api/annotations.proto\";\n\
        import \"google/api/httpbody.proto\";\nimport \"google/protobuf/duration.proto\";\n\
        import \"google/protobuf/field_mask.proto\";\nimport \"google/protobuf/timestamp.proto\";\n\
        import \"google/protobuf/wrappers.proto\";\n{source}"
    );
    std::fs::write(folder.path().join("example.proto"), whole).unwrap();
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let mut compiler = protox::Compiler::new([folder.path(), proto.as_ref()]).unwrap();
    compiler.include_imports(true).open_file("example.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "example.v1.Messaging";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let mut response = Response::new(Body::new(Echoed(Some(body))));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("x-path", head.uri.path().parse().unwrap());
        for name in ["x-echo", "x-echo-bin", "grpc-timeout", "if-none-match"] {
            if let Some(value) = head.headers.get(name) {
                headers.insert(
                    format!("got-{name}").parse::<http::HeaderName>().unwrap(),
                    value.clone(),
                );
            }
        }
        headers.insert("etag", HeaderValue::from_static("\"7\""));
        headers.insert("x-twice", HeaderValue::from_static("first"));
        // It means what came to it over another connection.
        headers.insert("connection", HeaderValue::from_static("close"));
        headers.insert("transfer-encoding", HeaderValue::from_static("gzip"));
        ready(Ok(response))
    }
}

struct Echoed(Option<Body>);

impl http_body::Body for Echoed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let status = match std::task::ready!(http_body::Body::poll_frame(Pin::new(body), cx)) {
            Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
            Some(Err(status)) => status,
            _ => Status::ok(""),
        };
        self.0 = None;
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        trailers.insert("x-trailer", HeaderValue::from_static("last"));
        trailers.insert("x-twice", HeaderValue::from_static("last"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
