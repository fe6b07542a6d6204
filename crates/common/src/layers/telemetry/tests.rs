#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

use super::{ClientTelemetryLayer, ObservedRequest, ServerTelemetryLayer};
use crate::CallContext;
use crate::body::Body;
use crate::context::Peer;
use crate::telemetry::w3c::TraceContext;
use crate::telemetry::{Metrics, ServiceName, Settings, build};

const PATH: &str = "/hello.v1.HelloService/SayHello";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Frames = Vec<Result<Frame<Bytes>, Status>>;

fn body(frames: Frames) -> Body {
    Body::new(StreamBody::new(tokio_stream::iter(frames)))
}

fn data(bytes: &'static [u8]) -> Result<Frame<Bytes>, Status> {
    Ok(Frame::data(Bytes::from_static(bytes)))
}

fn trailers(code: Code) -> Result<Frame<Bytes>, Status> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", (code as i32).into());
    Ok(Frame::trailers(trailers))
}

fn request(headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::post(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body(vec![data(b"\0\0\0\0\x03abc")])).unwrap()
}

fn server(metrics: &Metrics) -> ServerTelemetryLayer {
    let addr = SocketAddr::from(([10, 0, 0, 7], 4_000));
    let peer = Peer { addr, certificates: vec![] };
    ServerTelemetryLayer::new(ServiceName::new("greeter"), metrics.server_calls([PATH]))
        .with_peer(Some(Arc::new(peer)))
}

/// Reads the request to its end, then answers.
async fn answer(
    request: Request<ObservedRequest<Body>>,
    response: Response<Body>,
) -> Result<Response<Body>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(response)
}

/// Calls a server that answers so, reads the answer, and gives what was counted.
async fn served(response: Response<Body>) -> String {
    let metrics = Metrics::new();
    let mut response = Some(response);
    let inner = service_fn(move |request| answer(request, response.take().unwrap()));
    let response = server(&metrics).layer(inner).oneshot(request(&[])).await.unwrap();
    let _ = response.into_body().collect().await;
    metrics.render()
}

fn ended(text: &str, status: &str) -> bool {
    let method = r#"{grpc_method="hello.v1.HelloService/SayHello""#;
    let name = "grpc_server_call_duration_seconds_count";
    let ends: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
    ends == [format!("{name}{method},grpc_status=\"{status}\"}} 1")]
}

#[tokio::test]
async fn the_status_is_in_the_trailers_and_payload_is_counted() {
    let frames = vec![data(b"\0\0\0\0\x02h"), data(b"i\0\0\0\0\x01!"), trailers(Code::NotFound)];
    let text = served(Response::new(body(frames))).await;
    assert!(ended(&text, "NOT_FOUND"), "{text}");
    let labels = r#"{grpc_method="hello.v1.HelloService/SayHello",grpc_status="NOT_FOUND"}"#;
    for (direction, bytes) in [("sent", 3), ("rcvd", 3)] {
        let name = format!("grpc_server_call_{direction}_total_compressed_message_size_bytes_sum");
        assert!(text.contains(&format!("{name}{labels} {bytes}\n")), "{text}");
    }
}

#[tokio::test]
async fn the_status_is_in_the_headers_when_there_is_nothing_else() {
    let response = Response::builder().header("grpc-status", "7").body(Body::empty()).unwrap();
    let text = served(response).await;
    assert!(ended(&text, "PERMISSION_DENIED"), "{text}");
}

#[tokio::test]
async fn the_status_is_that_of_the_body_when_it_fails() {
    let frames = vec![data(b"\0\0\0\0\0"), Err(Status::resource_exhausted("full"))];
    let text = served(Response::new(body(frames))).await;
    assert!(ended(&text, "RESOURCE_EXHAUSTED"), "{text}");
}

#[tokio::test]
async fn without_a_status_http_decides() {
    let text = served(Response::new(body(vec![data(b"\0\0\0\0\0")]))).await;
    assert!(ended(&text, "UNKNOWN"), "{text}");
    let text = served(Response::builder().status(404).body(Body::empty()).unwrap()).await;
    assert!(ended(&text, "UNIMPLEMENTED"), "{text}");
}

#[tokio::test]
async fn a_call_dropped_before_its_end_is_cancelled() {
    let metrics = Metrics::new();
    let never = service_fn(|_: Request<ObservedRequest<Body>>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    });
    let mut call = Box::pin(server(&metrics).layer(never).oneshot(request(&[])));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    assert!(ended(&metrics.render(), "CANCELLED"));

    let metrics = Metrics::new();
    let frames = vec![data(b"\0\0\0\0\0"), trailers(Code::Ok)];
    let mut response = Some(Response::new(body(frames)));
    let inner = service_fn(move |request| answer(request, response.take().unwrap()));
    let response = server(&metrics).layer(inner).oneshot(request(&[])).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(ended(&metrics.render(), "CANCELLED"));
}

#[tokio::test]
async fn handler_and_stream_run_in_the_context_of_the_call() {
    type Seen = (Option<TraceContext>, Option<SocketAddr>, Option<ServiceName>);
    let seen = || -> Seen {
        let context = CallContext::current();
        (
            context.trace.as_deref().cloned(),
            context.peer.map(|peer| peer.addr),
            ServiceName::current(),
        )
    };
    let all = Arc::new(Mutex::new(Vec::<Seen>::new()));
    let log = Arc::clone(&all);
    let inner = service_fn(move |_: Request<ObservedRequest<Body>>| {
        let log = Arc::clone(&log);
        log.lock().unwrap().push(seen());
        async move {
            log.lock().unwrap().push(seen());
            let frames = tokio_stream::iter([trailers(Code::Ok)]);
            let frames = futures_util::StreamExt::inspect(frames, move |_| {
                log.lock().unwrap().push(seen());
            });
            Ok(Response::new(Body::new(StreamBody::new(frames))))
        }
    });
    let request = request(&[("traceparent", PARENT)]);
    let response = server(&Metrics::new()).layer(inner).oneshot(request).await.unwrap();
    let _ = response.into_body().collect().await;

    let expected: Seen = (
        TraceContext::parse_traceparent(PARENT.as_bytes()),
        Some(SocketAddr::from(([10, 0, 0, 7], 4_000))),
        Some(ServiceName::new("greeter")),
    );
    assert_eq!(*all.lock().unwrap(), vec![expected; 3]);
    assert_eq!(seen(), (None, None, None));
}

/// Makes a call through the client's layer and gives the headers that it went with.
async fn called(metrics: &Metrics, request: Request<Body>) -> HeaderMap {
    let headers = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&headers);
    let inner = service_fn(move |request: Request<ObservedRequest<Body>>| {
        *seen.lock().unwrap() = request.headers().clone();
        answer(request, Response::new(body(vec![data(b"\0\0\0\0\0"), trailers(Code::Ok)])))
    });
    let layer = ClientTelemetryLayer::new(metrics.client_calls("dns:///greeter:1", [PATH]));
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let _ = response.into_body().collect().await;
    let headers = headers.lock().unwrap();
    headers.clone()
}

#[tokio::test]
async fn a_client_counts_the_attempt_and_the_call() {
    let metrics = Metrics::new();
    called(&metrics, request(&[])).await;
    let text = metrics.render();
    let labels = r#"grpc_method="hello.v1.HelloService/SayHello",grpc_target="dns:///greeter:1""#;
    for line in [
        format!("grpc_client_attempt_started_total{{{labels}}} 1"),
        format!("grpc_client_attempt_duration_seconds_count{{{labels},grpc_status=\"OK\"}} 1"),
        format!("grpc_client_call_duration_seconds_count{{{labels},grpc_status=\"OK\"}} 1"),
        format!(
            "grpc_client_attempt_sent_total_compressed_message_size_bytes_sum\
             {{{labels},grpc_status=\"OK\"}} 3"
        ),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[tokio::test]
async fn without_export_the_trace_is_passed_on_as_it_came() {
    let trace = TraceContext::parse_traceparent(PARENT.as_bytes());
    let context = CallContext { trace: trace.map(Arc::new), ..CallContext::default() };
    let metrics = Metrics::new();
    let headers = context.scope(called(&metrics, request(&[]))).await;
    assert_eq!(headers["traceparent"], PARENT);

    let headers = called(&metrics, request(&[])).await;
    assert!(!headers.contains_key("traceparent"));
    // A forwarder's request brings its own.
    let headers = called(&metrics, request(&[("traceparent", PARENT)])).await;
    assert_eq!(headers["traceparent"], PARENT);
}

#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

#[tokio::test]
async fn spans_continue_the_trace_from_the_caller_through_the_handler_to_the_next_call() {
    let exported = Exported::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exported.clone()).build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("test"))
        .with_context_activation(false);
    let _default = tracing::dispatcher::set_default(&Dispatch::new(
        tracing_subscriber::registry().with(spans),
    ));

    let next = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&next);
    let inner = service_fn(move |_: Request<ObservedRequest<Body>>| {
        let seen = Arc::clone(&seen);
        async move {
            let headers = called(&Metrics::new(), request(&[])).await;
            *seen.lock().unwrap() = headers;
            Ok(Response::new(body(vec![trailers(Code::Internal)])))
        }
    });
    let came = [("traceparent", PARENT), ("tracestate", "vendor=1"), ("baggage", "k=v")];
    let response = server(&Metrics::new()).layer(inner).oneshot(request(&came)).await.unwrap();
    let _ = response.into_body().collect().await;

    let spans = exported.0.lock().unwrap();
    let [client, server] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!((&client.span_kind, &server.span_kind), (&SpanKind::Client, &SpanKind::Server));
    assert_eq!((&*client.name, &*server.name), (&PATH[1..], &PATH[1..]));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(server.span_context.trace_id().to_string(), trace);
    assert_eq!(server.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    assert_eq!(server.status, SpanStatus::error("INTERNAL"));
    assert_eq!(client.status, SpanStatus::Unset);
    let attribute = |span: &SpanData, key: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
        found.map(|attribute| attribute.value.to_string())
    };
    for (key, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "hello.v1.HelloService"),
        ("rpc.method", "SayHello"),
        ("rpc.grpc.status_code", "13"),
        ("network.peer.address", "10.0.0.7"),
        ("service.name", "greeter"),
    ] {
        assert_eq!(attribute(server, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(attribute(client, "server.address").as_deref(), Some("dns:///greeter:1"));

    let next = next.lock().unwrap();
    let expected = format!("00-{trace}-{}-01", client.span_context.span_id());
    assert_eq!(next["traceparent"], expected.as_str());
    assert_eq!(
        (&next["tracestate"], &next["baggage"]),
        (&"vendor=1".parse().unwrap(), &"k=v".parse().unwrap())
    );
}

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_access_log_has_a_line_a_call_and_begins_a_trace() {
    let settings = Settings {
        service: ServiceName::new("main"),
        log_format: crate::telemetry::LogFormat::Json,
        log_filter: "info".into(),
        access_log: true,
        traces: None,
        metrics: None,
    };
    let out = Out::default();
    let (dispatch, guard) = build(&settings, out.clone(), false).unwrap();
    let default = tracing::dispatcher::set_default(&dispatch);
    let next = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&next);
    let inner = service_fn(move |request: Request<ObservedRequest<Body>>| {
        let seen = Arc::clone(&seen);
        async move {
            let _ = request.into_body().collect().await;
            let headers = called(&Metrics::new(), self::request(&[])).await;
            *seen.lock().unwrap() = headers;
            Ok(Response::new(body(vec![data(b"\0\0\0\0\x01x"), trailers(Code::Ok)])))
        }
    });
    let headers = [("user-agent", "test/1"), ("grpc-timeout", "5S"), ("x-secret", "hidden")];
    let mut service = server(&Metrics::new()).layer(inner);
    let response = service.call(request(&headers)).await.unwrap();
    let _ = response.into_body().collect().await;
    drop(default);
    guard.shutdown();

    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("hidden"), "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["target"], &line["service"]), (&json!("ahoy::access"), &json!("greeter")));
    let mut fields = line["fields"].clone();
    assert!(fields.as_object_mut().unwrap().remove("duration_ms").unwrap().is_f64());
    assert_eq!(
        fields,
        json!({
            "method": "hello.v1.HelloService/SayHello",
            "status": "OK",
            "protocol": "grpc",
            "request_messages": 1,
            "request_bytes": 3,
            "response_messages": 1,
            "response_bytes": 1,
            "peer": "10.0.0.7:4000",
            "user_agent": "test/1",
            "timeout": "5S",
        })
    );
    // What the handler called logs the same trace.
    let next = TraceContext::extract(&next.lock().unwrap()).unwrap();
    assert_eq!(line["trace_id"], format!("{:032x}", next.trace_id));
    assert_eq!(line["span_id"], format!("{:016x}", next.span_id));
    assert!(!next.sampled());
}
