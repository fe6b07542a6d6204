//! hyper's client, over either version of HTTP.

use ahoy::server::Running;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The lines, each as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A GET over HTTP/1.1.
pub(crate) async fn get(server: &Running, path: &str) -> Answer {
    send(server, Method::GET, path, &[], "").await
}

/// A request with JSON as its body.
pub(crate) async fn json(server: &Running, method: Method, path: &str, body: &str) -> Answer {
    send(server, method, path, &[("content-type", "application/json")], body).await
}

/// A request over HTTP/1.1, to the end of its answer.
pub(crate) async fn send(
    server: &Running,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    whole(
        begin(server, request(method, path, headers, Bytes::copy_from_slice(body.as_ref()))).await,
    )
    .await
}

/// The same over HTTP/2.
pub(crate) async fn send2(
    server: &Running,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let path = format!("http://test{path}");
    let request = request(method, &path, headers, Bytes::copy_from_slice(body.as_ref()));
    whole(client.send_request(request).await.unwrap()).await
}

/// A request over HTTP/1.1, to the beginning of its answer.
pub(crate) async fn begin<B>(server: &Running, request: Request<B>) -> Response<Incoming>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client.send_request(request).await.unwrap()
}

/// A request with a body that is here.
pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if !path.starts_with("http://") {
        request = request.header("host", "test");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body)).unwrap()
}

async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let mut headers = head.headers;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    Answer { status: head.status, headers, body: body.to_bytes() }
}
