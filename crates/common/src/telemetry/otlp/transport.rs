//! Sends requests to a collector, over gRPC or HTTP, on one connection that is kept.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, TE, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prost::Message;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;
use tonic_types::StatusExt;

use super::settings::{Collector, Protocol};
use crate::BoxError;
use crate::protocol::frame;
use crate::status;
use crate::telemetry::metrics::code_name;
use crate::tls::{Reloading, TlsError};

const AGENT: &str = concat!("ahoy-otlp-rust/", env!("CARGO_PKG_VERSION"));
/// The longest answer that is read. What it may say fits in some hundred bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Silence after which TCP probes the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The wait before the first retry; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Why something could not be exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error("cannot connect to {authority}")]
    Connect { authority: String, source: BoxError },
    #[error("the connection to the collector broke")]
    Broken(#[source] BoxError),
    #[error("the collector answers HTTP {status}: {message}")]
    Http { status: StatusCode, message: String, retry_after: Option<Duration> },
    #[error("the collector answers {}: {message}", code_name(*code))]
    Grpc { code: Code, message: String, retry_after: Option<Duration> },
    #[error("the collector's answer cannot be read")]
    Answer(#[source] BoxError),
    #[error("the collector refused {rejected} of them: {message}")]
    Rejected { rejected: i64, message: String },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the exporter ended")]
    Ended(#[from] tokio::task::JoinError),
}

impl ExportError {
    /// How long to wait at least until a retry, if one may help, by OTLP's "Failures".
    fn retry(&self) -> Option<Duration> {
        match self {
            Self::Connect { .. } | Self::Broken(_) => Some(Duration::ZERO),
            Self::Http { status, retry_after, .. } => {
                matches!(status.as_u16(), 429 | 502 | 503 | 504)
                    .then_some(retry_after.unwrap_or_default())
            }
            Self::Grpc { code, retry_after, .. } => match code {
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => Some(retry_after.unwrap_or_default()),
                // The collector may recover only if it says when.
                Code::ResourceExhausted => *retry_after,
                _ => None,
            },
            Self::Answer(_) | Self::Rejected { .. } | Self::Timeout(_) | Self::Ended(_) => None,
        }
    }
}

/// The way to one collector.
pub(super) struct Transport {
    collector: Collector,
    authority: String,
    host: String,
    port: u16,
    tls: Option<Secure>,
    connection: Mutex<Option<Connection>>,
    /// `true` when nothing is to be waited for any more.
    closing: watch::Receiver<bool>,
}

struct Secure {
    files: Arc<Reloading<rustls::ClientConfig>>,
    name: ServerName<'static>,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Transport {
    /// Reads the files for TLS.
    pub(super) fn new(
        collector: &Collector,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, TlsError> {
        let uri = &collector.uri;
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let default_port = if collector.tls.is_some() { 443 } else { 80 };
        let tls = match &collector.tls {
            Some(tls) => Some(Secure { files: tls.load()?, name: tls.server_name(host)? }),
            None => None,
        };
        Ok(Self {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
            tls,
            connection: Mutex::default(),
            closing,
            collector: collector.clone(),
        })
    }

    /// Sends one encoded message, and gives the one that answers it. Retries while the timeout
    /// lasts, but not once the export is closing.
    pub(super) async fn send(&self, message: Vec<u8>) -> Result<Bytes, ExportError> {
        let body = self.body(message);
        let limit = self.collector.timeout;
        let deadline = Instant::now() + limit;
        let mut closing = self.closing.clone();
        let mut wait = FIRST_WAIT;
        loop {
            let error = match timeout_at(deadline, self.attempt(body.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => return Err(ExportError::Timeout(limit)),
            };
            let Some(at_least) = error.retry() else { return Err(error) };
            let pause = wait.mul_f64(0.5 + fastrand::f64()).max(at_least);
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            wait *= 2;
            tokio::select! {
                () = sleep(pause) => {}
                _ = closing.wait_for(|closing| *closing) => return Err(error),
            }
        }
    }

    fn body(&self, message: Vec<u8>) -> Bytes {
        let message = if self.collector.gzip { gzip(&message) } else { message };
        match self.collector.protocol {
            Protocol::Http => message.into(),
            Protocol::Grpc => {
                // Far below four GiB.
                let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
                let header = frame::header(self.collector.gzip, length);
                [&header[..], &message].concat().into()
            }
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<Bytes, ExportError> {
        // Taken out: if this is cut off, a connection in an unknown state is not used again.
        let kept = self.connection.lock().await.take();
        if let Some(mut connection) = kept {
            match self.exchange(&mut connection, body.clone()).await {
                // The collector may have closed it while it was idle.
                Err(ExportError::Broken(_)) => {}
                answer => {
                    *self.connection.lock().await = Some(connection);
                    return answer;
                }
            }
        }
        let mut connection = self
            .connect()
            .await
            .map_err(|source| ExportError::Connect { authority: self.authority.clone(), source })?;
        let answer = self.exchange(&mut connection, body).await;
        if !matches!(answer, Err(ExportError::Broken(_))) {
            *self.connection.lock().await = Some(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Connection, BoxError> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        let Some(Secure { files, name }) = &self.tls else {
            return self.handshake(stream).await;
        };
        let read = Arc::clone(files);
        tokio::task::spawn_blocking(move || read.reload()).await?;
        let mut config = files.current();
        if self.collector.protocol == Protocol::Http {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let connector = tokio_rustls::TlsConnector::from(config);
        self.handshake(connector.connect(name.clone(), stream).await?).await
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        Ok(match self.collector.protocol {
            Protocol::Http => {
                let (send, connection) = http1::handshake(stream).await?;
                // How it ends is seen by what is sent on it.
                tokio::spawn(connection);
                Connection::Http1(send)
            }
            Protocol::Grpc => {
                let (send, connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .handshake(stream)
                    .await?;
                tokio::spawn(connection);
                Connection::Http2(send)
            }
        })
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        body: Bytes,
    ) -> Result<Bytes, ExportError> {
        let request = self.request(body);
        let sent = match connection {
            Connection::Http1(send) => match send.ready().await {
                Ok(()) => send.send_request(request).await,
                Err(error) => Err(error),
            },
            Connection::Http2(send) => match send.ready().await {
                Ok(()) => send.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        let response = sent.map_err(|error| ExportError::Broken(error.into()))?;
        match self.collector.protocol {
            Protocol::Http => over_http(response).await,
            Protocol::Grpc => over_grpc(response).await,
        }
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let Collector { protocol, uri, headers, gzip, timeout, .. } = &self.collector;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let map = request.headers_mut();
        map.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let mut put = |name: HeaderName, value| map.insert(name, HeaderValue::from_static(value));
        match protocol {
            Protocol::Http => {
                put(CONTENT_TYPE, "application/x-protobuf");
                // Errors are texts, which nobody decompresses here.
                put(ACCEPT_ENCODING, "identity");
                if *gzip {
                    put(CONTENT_ENCODING, "gzip");
                }
                if let Ok(host) = self.authority.parse() {
                    map.insert(HOST, host);
                }
                let path = uri.path_and_query().cloned();
                *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
            }
            Protocol::Grpc => {
                put(CONTENT_TYPE, "application/grpc");
                put(TE, "trailers");
                if *gzip {
                    put(HeaderName::from_static("grpc-encoding"), "gzip");
                }
                // At most eight digits.
                let limit = timeout.as_millis().min(99_999_999);
                if let Ok(limit) = format!("{limit}m").parse() {
                    map.insert("grpc-timeout", limit);
                }
                *request.uri_mut() = uri.clone();
            }
        }
        // What the user sets has the last word.
        request.headers_mut().extend(headers.clone());
        request
    }
}

async fn over_http(response: Response<Incoming>) -> Result<Bytes, ExportError> {
    let (head, body) = response.into_parts();
    let body = whole(body).await?.to_bytes();
    if head.status == StatusCode::OK {
        return Ok(body);
    }
    // RFC 9110 allows a date, too; the usual wait serves then.
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    // Errors have a message of their own, whatever was asked for; proxies do not know it.
    let message = tonic_types::Status::decode(body).map(|status| status.message);
    let message = message.unwrap_or_default();
    Err(ExportError::Http { status: head.status, message, retry_after })
}

async fn over_grpc(response: Response<Incoming>) -> Result<Bytes, ExportError> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        let message = String::from("not as gRPC does");
        return Err(ExportError::Http { status: head.status, message, retry_after: None });
    }
    let body = whole(body).await?;
    let status = match body.trailers() {
        Some(trailers) => status::read(trailers),
        None => status::read(&head.headers),
    };
    match status {
        None => Err(ExportError::Answer("it has no grpc-status".into())),
        Some(status) if status.code() == Code::Ok => {
            // Nothing asked for compression.
            let mut answer = body.to_bytes();
            Ok(answer.split_off(answer.len().min(frame::HEADER_LEN)))
        }
        Some(status) => Err(ExportError::Grpc {
            code: status.code(),
            retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
            message: status.message().to_owned(),
        }),
    }
}

async fn whole(body: Incoming) -> Result<Collected<Bytes>, ExportError> {
    Limited::new(body, ANSWER_LIMIT).collect().await.map_err(ExportError::Broken)
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes whatever is written to it.
    let _ = encoder.write_all(message);
    encoder.finish().unwrap_or_default()
}
