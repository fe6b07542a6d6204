//! A server on port 0 that serves the contract under `proto/` and its reflection, for tests.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use ahoy::Encoding;
use ahoy::layers::compression::{InboundCompressionLayer, Reply};
use ahoy::server::{ServerSettings, ServerTls};
use ahoy::telemetry::Metrics;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use prost_types::Any;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::server::{NamedService, StreamingService};
use tonic::{Code, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service, ServiceExt};

use crate::call::codec::DynamicCodec;

/// The length of the text in a large answer: above the 4 MiB that services take.
pub(crate) const LARGE: usize = 5 << 20;

/// The folder of the test contract.
pub(crate) fn proto_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/call/tests/proto"))
}

/// The test contract, compiled.
pub(crate) fn contract() -> DescriptorPool {
    let mut compiler = protox::Compiler::new([proto_folder()]).unwrap();
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(["shop/v1/shop.proto", "shop/v1/parcel.proto"])
        .unwrap();
    compiler.descriptor_pool()
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    _running: Running,
}

enum Running {
    Ours { _running: ahoy::server::Running },
    Other(AbortHandle),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Other(accepting) = self {
            accepting.abort();
        }
    }
}

/// Starts a server of ours, in plaintext or with TLS.
pub(crate) async fn start(tls: Option<ServerTls>) -> Server {
    static CONTRACT: LazyLock<Vec<u8>> = LazyLock::new(|| contract().encode_to_vec());
    let settings = ServerSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        admin: None,
        workers: 1,
        tls,
        ..ServerSettings::default()
    };
    let running = ahoy::Server::new("shop")
        .contracts(CONTRACT.as_slice())
        .service(Shown::<0>)
        .service(Shown::<1>)
        .settings(settings)
        .metrics(Metrics::new())
        .start()
        .await
        .unwrap();
    let address = running.addr().to_string();
    Server { address, _running: Running::Ours { _running: running } }
}

/// The reflection that a server of another make offers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Offer {
    V1,
    V1Alpha,
    Nothing,
}

/// Starts a server of another make, in plaintext: ours always offers all of reflection.
pub(crate) async fn start_other(offer: Offer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accepting = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request| serve_other(offer, request));
            let connection = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(tcp), service);
            tokio::spawn(connection);
        }
    });
    Server { address, _running: Running::Other(accepting.abort_handle()) }
}

async fn serve_other(
    offer: Offer,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let request = request.map(Body::new);
    let path = request.uri().path();
    let reflection = || {
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(
            Box::leak(contract().encode_to_vec().into_boxed_slice()),
        )
    };
    if path.starts_with("/grpc.reflection.v1.") && offer == Offer::V1 {
        return reflection().build_v1().unwrap().oneshot(request).await;
    }
    if path.starts_with("/grpc.reflection.v1alpha.") && offer == Offer::V1Alpha {
        return reflection().build_v1alpha().unwrap().oneshot(request).await;
    }
    Ok(serve(request).await)
}

/// One of the contract's services, by its place there, as a server of ours takes it.
#[derive(Clone)]
struct Shown<const INDEX: usize>;

impl NamedService for Shown<0> {
    const NAME: &'static str = "shop.v1.OrderService";
}

impl NamedService for Shown<1> {
    const NAME: &'static str = "shop.v1.StockService";
}

impl<const INDEX: usize> Service<Request<Body>> for Shown<INDEX> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async { Ok(serve(request).await) })
    }
}

/// Compresses the answer if the header `x-reply` says how.
async fn serve(request: Request<Body>) -> Response<Body> {
    let encoding = match request.headers().get("x-reply").map(|value| value.as_bytes()) {
        Some(b"gzip") => Encoding::Gzip,
        Some(b"zstd") => Encoding::Zstd,
        _ => return answer_any(request).await,
    };
    let inner = tower::service_fn(|request: Request<_>| async {
        Ok::<_, Infallible>(answer_any(request.map(Body::new)).await)
    });
    let layer = InboundCompressionLayer::new().reply(Reply::With(encoding));
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    assert!(response.headers().contains_key("grpc-encoding"));
    response.map(Body::new)
}

async fn answer_any(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let method = contract()
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .find(|m| path == format!("/{}/{}", m.parent_service().full_name(), m.name()));
    match method {
        None => Status::unimplemented("").into_http(),
        Some(method) => {
            let codec = DynamicCodec::new(method.input());
            tonic::server::Grpc::new(codec).streaming(Shop(method), request).await
        }
    }
}

struct Shop(MethodDescriptor);

type Answers = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;
type Answering = Pin<Box<dyn Future<Output = Result<tonic::Response<Answers>, Status>> + Send>>;

impl StreamingService<DynamicMessage> for Shop {
    type Response = DynamicMessage;
    type ResponseStream = Answers;
    type Future = Answering;

    fn call(&mut self, request: tonic::Request<Streaming<DynamicMessage>>) -> Answering {
        Box::pin(answer(self.0.clone(), request))
    }
}

async fn answer(
    method: MethodDescriptor,
    request: tonic::Request<Streaming<DynamicMessage>>,
) -> Result<tonic::Response<Answers>, Status> {
    let metadata = request.metadata().clone();
    let mut orders = request.into_inner();
    let answers: Answers = match (method.parent_service().name(), method.name()) {
        ("OrderService", "Place") => {
            let order = orders.message().await?.unwrap();
            let receipt = match text(&order, "customer").as_str() {
                "" => return Err(nobody()),
                "never" => std::future::pending().await,
                "headers" => {
                    let header = |name| metadata.get(name).map(|v| v.to_str().unwrap());
                    let seen = format!(
                        "{:?} {:?}",
                        header("x-caller"),
                        metadata.get_bin("x-bin").map(|v| v.to_bytes().unwrap())
                    );
                    receipt(&method, seen, 0, vec![])
                }
                "long" => receipt(&method, "ahoy ".repeat(1000), 0, vec![]),
                "large" => receipt(&method, "x".repeat(LARGE), 0, vec![]),
                "deadline" => {
                    let timeout = metadata.get("grpc-timeout").map(|v| v.to_str().unwrap());
                    receipt(&method, format!("{timeout:?}"), 0, vec![])
                }
                "packed" => {
                    let pack = |name: &str| Any {
                        type_url: format!("type.googleapis.com/{name}"),
                        // Field 1, the text "x", of whatever message this is.
                        value: vec![0x0a, 1, b'x'],
                    };
                    let packed = vec![pack("shop.v1.Parcel"), pack("nobody.knows.It")];
                    receipt(&method, String::new(), 2, packed)
                }
                customer => {
                    let items = order.get_field_by_name("items").unwrap();
                    let items = items.as_list().unwrap().len() as i32;
                    receipt(&method, format!("for {customer}"), items, vec![])
                }
            };
            Box::pin(futures_util::stream::iter([Ok(receipt)]))
        }
        ("OrderService", "PlaceAll") => {
            let mut count = 0;
            while orders.message().await?.is_some() {
                count += 1;
            }
            Box::pin(futures_util::stream::iter([Ok(receipt(
                &method,
                "all".to_owned(),
                count,
                vec![],
            ))]))
        }
        ("OrderService", "Watch") => Box::pin(futures_util::stream::iter(
            (1..=3).map(move |index| Ok(receipt(&method, "watched".to_owned(), index, vec![]))),
        )),
        ("OrderService", "Chat") => Box::pin(orders.map_ok(move |order| {
            let text = format!("for {}", text(&order, "customer"));
            receipt(&method, text, 1, vec![])
        })),
        _ => Box::pin(orders),
    };
    Ok(tonic::Response::new(answers))
}

/// The status for an order without a customer, with details of a usual and of the shop's own type.
fn nobody() -> Status {
    let mut details = ErrorDetails::with_bad_request_violation("customer", "must not be empty");
    details.set_resource_info("shop.v1.Order", "none", "", "");
    let status = Status::with_error_details(Code::InvalidArgument, "no customer", details);
    let mut packed = tonic_types::pb::Status::decode(status.details()).unwrap();
    packed.details.push(Any {
        type_url: "type.googleapis.com/shop.v1.Item".to_owned(),
        value: vec![0x0a, 1, b'x'],
    });
    Status::with_details(
        status.code(),
        status.message().to_owned(),
        Bytes::from(packed.encode_to_vec()),
    )
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field).unwrap();
    value.as_str().unwrap().to_owned()
}

fn receipt(
    method: &MethodDescriptor,
    text: String,
    orders: i32,
    extra: Vec<Any>,
) -> DynamicMessage {
    let any = method.parent_pool().get_message_by_name("google.protobuf.Any");
    let extra = extra.into_iter().map(|packed| {
        let mut message = DynamicMessage::new(any.clone().unwrap());
        message.transcode_from(&packed).unwrap();
        Value::Message(message)
    });
    let mut receipt = DynamicMessage::new(method.output());
    receipt.set_field_by_name("text", Value::String(text));
    receipt.set_field_by_name("orders", Value::I32(orders));
    receipt.set_field_by_name("extra", Value::List(extra.collect()));
    receipt
}
