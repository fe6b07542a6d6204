//! The server's half: `connectrpc.conformance.v1.ConformanceService`, which answers each call as
//! its request says.
//!
//! It stands on HTTP, not on generated code, since answers have trailers and headers of their own,
//! also where a call fails or succeeds without a message.

mod answer;
mod bidi;
mod requests;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use ahoy::Server;
use ahoy::server::{ClientAuth, Running, ServerSettings, ServerTls};
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::{Request, Response};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::{DESCRIPTOR_SET, SERVICE, any_of, proto};
use crate::tls::{CertFiles, TestCa};
use answer::{Head, message, single, stream_of};
use requests::{Requests, Seen};

/// The service; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Conformance;

impl NamedService for Conformance {
    const NAME: &'static str = SERVICE;
}

impl Service<Request<Body>> for Conformance {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(call(request).await.unwrap_or_else(Status::into_http)) })
    }
}

async fn call(request: Request<Body>) -> Result<Response<Body>, Status> {
    let (head, body) = request.into_parts();
    let seen = Seen::of(&head.headers);
    let requests = Requests::new(body);
    match head.uri.path().rsplit('/').next().unwrap_or_default() {
        "Unary" => unary::<proto::UnaryRequest>("UnaryRequest", seen, requests).await,
        "IdempotentUnary" => {
            unary::<proto::IdempotentUnaryRequest>("IdempotentUnaryRequest", seen, requests).await
        }
        "ClientStream" => client_stream(seen, requests).await,
        "ServerStream" => server_stream(seen, requests).await,
        "BidiStream" => bidi::call(seen, requests).await,
        method => Err(Status::unimplemented(format!("{method} is not implemented"))),
    }
}

/// The requests that say what their one response is.
trait Defines: Message + Default {
    fn definition(self) -> Option<proto::UnaryResponseDefinition>;
}

impl Defines for proto::UnaryRequest {
    fn definition(self) -> Option<proto::UnaryResponseDefinition> {
        self.response_definition
    }
}

impl Defines for proto::IdempotentUnaryRequest {
    fn definition(self) -> Option<proto::UnaryResponseDefinition> {
        self.response_definition
    }
}

async fn unary<M: Defines>(
    name: &str,
    seen: Seen,
    mut requests: Requests,
) -> Result<Response<Body>, Status> {
    let (request, wire) = requests.single::<M>().await?;
    let info = seen.info(vec![any_of(name, &wire)]);
    respond(request.definition(), info).await
}

async fn client_stream(seen: Seen, mut requests: Requests) -> Result<Response<Body>, Status> {
    let mut definition = None;
    let mut received = Vec::new();
    while let Some((request, wire)) = requests.next::<proto::ClientStreamRequest>().await? {
        if received.is_empty() {
            definition = request.response_definition;
        }
        received.push(any_of("ClientStreamRequest", &wire));
    }
    respond(definition, seen.info(received)).await
}

/// One response, or an error in its place.
async fn respond(
    definition: Option<proto::UnaryResponseDefinition>,
    info: proto::conformance_payload::RequestInfo,
) -> Result<Response<Body>, Status> {
    let definition = definition.unwrap_or_default();
    wait(definition.response_delay_ms).await;
    let head = Head::new(&definition.response_headers, &definition.response_trailers);
    Ok(match definition.response {
        Some(proto::unary_response_definition::Response::Error(error)) => {
            head.failed(error, Some(&info))
        }
        Some(proto::unary_response_definition::Response::ResponseData(data)) => {
            single(head, message(data, Some(info)))
        }
        None => single(head, message(Default::default(), Some(info))),
    })
}

async fn server_stream(seen: Seen, mut requests: Requests) -> Result<Response<Body>, Status> {
    let (request, wire) = requests.single::<proto::ServerStreamRequest>().await?;
    let info = seen.info(vec![any_of("ServerStreamRequest", &wire)]);
    let definition = request.response_definition.unwrap_or_default();
    let head = Head::new(&definition.response_headers, &definition.response_trailers);
    if definition.response_data.is_empty()
        && let Some(error) = definition.error
    {
        return Ok(head.failed(error, Some(&info)));
    }
    let delay = definition.response_delay_ms;
    let messages = definition.response_data.into_iter().enumerate();
    let messages =
        stream::unfold((messages, Some(info)), move |(mut messages, mut info)| async move {
            let (_, data) = messages.next()?;
            wait(delay).await;
            let message = message(data, info.take());
            Some((message, (messages, info)))
        });
    Ok(stream_of(head, messages, definition.error))
}

async fn wait(millis: u32) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis.into())).await;
    }
}

/// A server as the suite's runner asks for it.
pub struct Serving {
    running: Running,
    // Its files are deleted with it.
    _ca: Option<TestCa>,
    certificate: Vec<u8>,
}

impl Serving {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// When a certificate cannot be made or used, or nothing can be listened on.
    pub async fn start(request: &proto::ServerCompatRequest) -> io::Result<Self> {
        let ca = request.use_tls.then(TestCa::new).transpose().map_err(io::Error::other)?;
        let mut certificate = Vec::new();
        let mut tls = None;
        if let Some(ca) = &ca {
            let files = match &request.server_creds {
                Some(creds) => CertFiles {
                    cert: file(ca, "given.pem", &creds.cert)?,
                    key: file(ca, "given.key", &creds.key)?,
                },
                None => ca
                    .issue_server("server", &["localhost", "127.0.0.1"])
                    .map_err(io::Error::other)?,
            };
            certificate = match &request.server_creds {
                Some(creds) => creds.cert.to_vec(),
                None => ca.ca_pem().into_bytes(),
            };
            let mut settings = ServerTls::new(files.cert, files.key);
            if !request.client_tls_cert.is_empty() {
                settings.client_ca = Some(file(ca, "clients.pem", &request.client_tls_cert)?);
                settings.client_auth = ClientAuth::Required;
            }
            tls = Some(settings);
        }
        let defaults = ServerSettings::default();
        let settings = ServerSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin: None,
            tls,
            max_message_bytes: match request.message_receive_limit {
                0 => defaults.max_message_bytes,
                limit => limit as usize,
            },
            ..defaults
        };
        let server = Server::new("conformance").contracts(DESCRIPTOR_SET).service(Conformance);
        let running = server.settings(settings).start().await.map_err(io::Error::other)?;
        Ok(Self { running, _ca: ca, certificate })
    }

    /// What the runner wants to know.
    pub fn response(&self) -> proto::ServerCompatResponse {
        let addr = self.running.addr();
        proto::ServerCompatResponse {
            host: addr.ip().to_string(),
            port: addr.port().into(),
            pem_cert: self.certificate.clone().into(),
        }
    }

    /// The server.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

fn file(ca: &TestCa, name: &str, content: &[u8]) -> io::Result<std::path::PathBuf> {
    let path = ca.dir().join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}
