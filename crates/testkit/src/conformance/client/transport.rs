//! Connections: a channel for gRPC, hyper's for the rest.

use std::sync::Arc;

use ahoy::Channel;
use ahoy::client::{ChannelSettings, ClientTls};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::codec::{Codec, Encoding};
use crate::conformance::proto;

/// A connection, or what makes one.
pub(super) enum Transport {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
    Channel(Box<Channel>, Option<TempDir>),
}

impl Transport {
    /// Sends a request; the response is awaited apart.
    pub(super) async fn send(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        match self {
            Self::Http1(mut connection) => received(connection.send_request(request).await),
            Self::Http2(mut connection) => received(connection.send_request(request).await),
            Self::Channel(mut channel, _files) => {
                let Ok(response) = channel.call(request).await;
                Ok(response)
            }
        }
    }

    pub(super) async fn connect(
        request: &proto::ClientCompatRequest,
        codec: &Codec,
    ) -> Result<Self, Status> {
        let failed = |error: &dyn std::fmt::Display| Status::unavailable(error.to_string());
        let files = files(request).map_err(|error| failed(&error))?;
        if request.protocol() == proto::Protocol::Grpc {
            return channel(request, codec, files);
        }
        let addr = (request.host.as_str(), u16::try_from(request.port).unwrap_or_default());
        let stream = TcpStream::connect(addr).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let two = request.http_version() == proto::HttpVersion::HttpVersion2;
        let Some((_dir, tls)) = files else {
            return open(TokioIo::new(stream), two).await.map_err(|error| failed(&error));
        };
        let config = tls.load().map_err(|error| failed(&error))?.current();
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![if two { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let name = tls.server_name(&request.host).map_err(|error| failed(&error))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = connecting.await.map_err(|error| failed(&error))?;
        open(TokioIo::new(stream), two).await.map_err(|error| failed(&error))
    }
}

fn received(
    response: hyper::Result<Response<hyper::body::Incoming>>,
) -> Result<Response<Body>, Status> {
    let response = response.map_err(|error| ahoy::status::of_transport(&error))?;
    Ok(response.map(|body| Body::new(body.map_err(|error| ahoy::status::of_transport(&error)))))
}

async fn open<I>(io: I, two: bool) -> hyper::Result<Transport>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    if two {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Transport::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Transport::Http1(sender))
    }
}

/// Certificates as files, if there are any, in a folder that goes with what is returned.
fn files(request: &proto::ClientCompatRequest) -> std::io::Result<Option<(TempDir, ClientTls)>> {
    if request.server_tls_cert.is_empty() {
        return Ok(None);
    }
    let dir = TempDir::with_prefix("conformance-")?;
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).map(|()| Some(path))
    };
    let mut tls =
        ClientTls { ca: file("ca.pem", &request.server_tls_cert)?, ..ClientTls::default() };
    if let Some(creds) = &request.client_tls_creds {
        tls.cert = file("client.pem", &creds.cert)?;
        tls.key = file("client.key", &creds.key)?;
    }
    Ok(Some((dir, tls)))
}

fn channel(
    request: &proto::ClientCompatRequest,
    codec: &Codec,
    files: Option<(TempDir, ClientTls)>,
) -> Result<Transport, Status> {
    let (dir, tls) = files.unzip();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let settings = ChannelSettings {
        tls: tls.unwrap_or_default(),
        // A deadline that nobody asked for would be told to the server.
        default_deadline: None,
        send_compressed: codec.encoding.map(|encoding| match encoding {
            Encoding::Gzip => ahoy::Encoding::Gzip,
            Encoding::Zstd => ahoy::Encoding::Zstd,
        }),
        max_message_bytes: codec.limit,
        ..ChannelSettings::default()
    };
    let target = format!("{scheme}://{}:{}", request.host, request.port);
    let channel = Channel::builder(target).settings(settings).build();
    let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(Transport::Channel(Box::new(channel), dir))
}
