//! Exports to a collector in this process, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry::trace::{Span as _, Tracer};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use prost::Message;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;

use super::settings::{Protocol, Signal};
use super::*;
use crate::protocol::frame;
use crate::telemetry::metrics::Outcome;

const HOUR: Duration = Duration::from_secs(3_600);
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// What the collector was sent, and how.
type Arrival = (request::Parts, Bytes);

/// What the collector answers to each request, counted from 0.
type Answers = fn(usize, Protocol) -> Answer;
type Answer = Response<BoxBody<Bytes, Infallible>>;

struct Fake {
    addr: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Fake {
    fn start(protocol: Protocol, tls: Option<rustls::ServerConfig>, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (arrived, arrivals) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let count = Arc::new(AtomicUsize::new(0));
        let accept = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, arrived, count) = (tls.clone(), arrived.clone(), Arc::clone(&count));
                let answer = move |arrival| {
                    let _ = arrived.send(arrival);
                    answers(count.fetch_add(1, Relaxed), protocol)
                };
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, protocol, answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, protocol, answer).await,
                            Err(error) => panic!("{error}"),
                        },
                    }
                });
            }
        };
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::select!(_ = stopped => {}, () = accept => {}) });
        });
        Self { addr, arrivals, stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

async fn serve<S>(
    stream: S,
    protocol: Protocol,
    answer: impl Fn(Arrival) -> Answer + Clone + Send + Sync + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer((head, body)))
        }
    });
    let stream = TokioIo::new(stream);
    // It ends with the exporter.
    let _ = match protocol {
        Protocol::Http => http1::Builder::new().serve_connection(stream, service).await,
        Protocol::Grpc => {
            http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
        }
    };
}

fn taken(_: usize, protocol: Protocol) -> Answer {
    answered(protocol, &[])
}

fn answered(protocol: Protocol, message: &[u8]) -> Answer {
    if protocol == Protocol::Http {
        return Response::new(Full::new(Bytes::copy_from_slice(message)).boxed());
    }
    let header = frame::header(false, u32::try_from(message.len()).unwrap());
    let body = Full::new(Bytes::from([&header, message].concat()));
    let trailers = HeaderMap::from_iter([(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    Response::new(body.with_trailers(ready(Some(Ok(trailers)))).boxed())
}

fn failed(status: u16) -> Answer {
    let reason = tonic_types::Status { message: "so it is".into(), ..Default::default() };
    let body = Full::new(Bytes::from(reason.encode_to_vec()));
    Response::builder().status(status).body(body.boxed()).unwrap()
}

/// Without a body and trailers of its own, and with details that are none.
fn ended(code: Code) -> Answer {
    let response = Response::builder().header("grpc-status", code as i32);
    let response = response.header("grpc-status-details-bin", "!");
    response.header("grpc-message", "so%20it%20is").body(Full::default().boxed()).unwrap()
}

/// Both signals, to be exported to `endpoint`.
fn settings(
    endpoint: &str,
    protocol: Protocol,
    more: &[(&str, &str)],
) -> (TraceSettings, MetricSettings) {
    let protocol = match protocol {
        Protocol::Http => "http/protobuf",
        Protocol::Grpc => "grpc",
    };
    let all = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        // Nothing here is to end by time.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "3600000"),
    ];
    let var = |name: &str| {
        let value = more.iter().chain(&all).find(|(known, _)| *known == name);
        value.map(|(_, value)| (*value).to_owned())
    };
    let traces = TraceSettings::from_vars(&var).unwrap().unwrap();
    (traces, MetricSettings::from_vars(&var).unwrap().unwrap())
}

/// Exports metrics every millisecond.
fn metrics_only(fake: &Fake, protocol: Protocol, registry: &Metrics) -> Otlp {
    let endpoint = format!("http://{}", fake.addr);
    let often = ("OTEL_METRIC_EXPORT_INTERVAL", "1");
    let (_, metrics) = settings(&endpoint, protocol, &[often]);
    Otlp::start(None, Some(&metrics), registry, ServiceName::new("main")).unwrap()
}

/// One of each kind.
fn registry() -> Metrics {
    let metrics = Metrics::new();
    metrics.counter("test.count", "{thing}", "Things.", &[("kind", "a")]).add(3);
    metrics.gauge("test.level", "By", "Level.", &[]).add(-2);
    let calls = metrics.server_calls(["/a.B/C"]);
    let outcome = Outcome {
        code: Code::Ok,
        duration: Duration::from_micros(1_500),
        sent_bytes: 2_000,
        received_bytes: 0,
    };
    calls.finished(calls.find("/a.B/C"), &outcome);
    metrics
}

fn message(protocol: Protocol, gzip: bool, body: &Bytes) -> Vec<u8> {
    let body = match protocol {
        Protocol::Http => body.clone(),
        Protocol::Grpc => {
            let length = u32::try_from(body.len() - frame::HEADER_LEN).unwrap();
            assert_eq!(body[..frame::HEADER_LEN], frame::header(gzip, length));
            body.slice(frame::HEADER_LEN..)
        }
    };
    let mut message = Vec::new();
    match gzip {
        true => GzDecoder::new(&*body).read_to_end(&mut message).unwrap(),
        false => (&*body).read_to_end(&mut message).unwrap(),
    };
    message
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<&str, &str> {
    let text = |value: &KeyValue| match value.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone().leak(),
        _ => "",
    };
    attributes.iter().map(|attribute| (&*attribute.key, text(attribute))).collect()
}

fn check_traces(message: &[u8]) -> BTreeMap<String, String> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let mut spans = BTreeMap::new();
    for resource in &request.resource_spans {
        let attributes = texts(&resource.resource.as_ref().unwrap().attributes);
        let [scope] = &resource.scope_spans[..] else { panic!("{resource:?}") };
        for span in &scope.spans {
            assert!(!texts(&span.attributes).contains_key("service.name"));
            spans.insert(attributes["service.name"].to_owned(), span.name.clone());
        }
    }
    spans
}

/// By name.
fn metrics_of(message: &[u8]) -> BTreeMap<String, Metric> {
    let request = ExportMetricsServiceRequest::decode(message).unwrap();
    let [resource] = &request.resource_metrics[..] else { panic!("{request:?}") };
    let attributes = texts(&resource.resource.as_ref().unwrap().attributes);
    assert_eq!(attributes["service.name"], "main");
    assert!(attributes.contains_key("service.instance.id"));
    let [scope] = &resource.scope_metrics[..] else { panic!("{resource:?}") };
    assert_eq!(scope.scope.as_ref().unwrap().name, "ahoy");
    scope.metrics.iter().map(|metric| (metric.name.clone(), metric.clone())).collect()
}

fn check_metrics(message: &[u8]) {
    let metrics = metrics_of(message);
    let Some(Data::Sum(sum)) = &metrics["test.count"].data else { panic!() };
    let [point] = &sum.data_points[..] else { panic!("{sum:?}") };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (CUMULATIVE, true));
    assert_eq!(point.value, Some(Number::AsDouble(3.0)));
    assert_eq!(texts(&point.attributes), BTreeMap::from([("kind", "a")]));
    assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);
    assert_eq!(metrics["test.count"].unit, "{thing}");
    assert_eq!(metrics["test.count"].description, "Things.");

    let Some(Data::Gauge(gauge)) = &metrics["test.level"].data else { panic!() };
    assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(-2.0)));

    let duration = &metrics["grpc.server.call.duration"];
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!() };
    let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
    assert_eq!((&*duration.unit, histogram.aggregation_temporality), ("s", CUMULATIVE));
    assert_eq!((point.count, point.sum), (1, Some(0.0015)));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    let bucket = point.bucket_counts.iter().position(|&count| count == 1).unwrap();
    assert_eq!(point.explicit_bounds[bucket - 1..=bucket], [0.001, 0.002]);
    let labels = BTreeMap::from([("grpc.method", "a.B/C"), ("grpc.status", "OK")]);
    assert_eq!(texts(&point.attributes), labels);
}

/// Two spans and a registry go out at the end.
fn exchange(fake: Fake, scheme: &str, protocol: Protocol, more: &[(&str, &str)]) {
    let endpoint = format!("{scheme}://localhost:{}", fake.addr.port());
    let (traces, metrics) = settings(&endpoint, protocol, more);
    let service = ServiceName::new("main");
    let mut otlp = Otlp::start(Some(&traces), Some(&metrics), &registry(), service).unwrap();
    let tracer = otlp.tracer().unwrap();
    tracer.start("span-of-main").end();
    ServiceName::new("second").enter(|| tracer.start("span-of-second").end());
    otlp.shutdown(HOUR);
    let mut arrived = Vec::new();
    for (head, body) in fake.arrivals.try_iter() {
        let signal = match head.uri.path() {
            path if path == Signal::Traces.path(protocol) => Signal::Traces,
            path if path == Signal::Metrics.path(protocol) => Signal::Metrics,
            path => panic!("{path}"),
        };
        let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap());
        let (media, encoding) = match protocol {
            Protocol::Http => ("application/x-protobuf", "content-encoding"),
            Protocol::Grpc => ("application/grpc", "grpc-encoding"),
        };
        assert_eq!(header("content-type"), Some(media));
        assert_eq!(header("authorization"), Some("Basic x"));
        assert!(header("user-agent").unwrap().starts_with("ahoy-otlp-rust/"));
        let message = message(protocol, header(encoding) == Some("gzip"), &body);
        match signal {
            Signal::Traces => {
                let spans = [("main", "span-of-main"), ("second", "span-of-second")];
                let spans = spans.map(|(service, span)| (service.to_owned(), span.to_owned()));
                assert_eq!(check_traces(&message), BTreeMap::from(spans));
            }
            Signal::Metrics => check_metrics(&message),
        }
        arrived.push((signal.name(), header(encoding).map(ToOwned::to_owned)));
    }
    arrived.sort();
    let encoding = more.iter().any(|(_, value)| *value == "gzip").then(|| "gzip".to_owned());
    assert_eq!(arrived, [("metrics", encoding.clone()), ("traces", encoding)]);
    fake.stop();
}

const AUTHORIZATION: (&str, &str) = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20x");

#[test]
fn both_signals_go_out_at_the_end_over_both_protocols() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let fake = || Fake::start(protocol, None, taken);
        exchange(fake(), "http", protocol, &[AUTHORIZATION]);
        let gzip = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        exchange(fake(), "http", protocol, &[AUTHORIZATION, gzip]);
    }
}

#[test]
fn both_protocols_go_over_tls() {
    let dir = TempDir::new().unwrap();
    let ca = dir.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ca, made.cert.pem()).unwrap();
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let alpn: &[u8] = if protocol == Protocol::Grpc { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![alpn.to_vec()];
        let fake = Fake::start(protocol, Some(config), taken);
        let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.to_str().unwrap());
        exchange(fake, "https", protocol, &[AUTHORIZATION, trusted]);
    }
}

#[test]
fn tls_needs_files_that_can_be_read() {
    let missing = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem");
    let (_, metrics) = settings("https://collector", Protocol::Grpc, &[missing]);
    let started = Otlp::start(None, Some(&metrics), &Metrics::new(), ServiceName::new("main"));
    let error = started.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("/nowhere/ca.pem"), "{source}");
}

#[test]
fn metrics_go_out_at_each_interval_with_one_start() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let fake = Fake::start(protocol, None, taken);
        let registry = Metrics::new();
        let counter = registry.counter("test.count", "", "Things.", &[]);
        let mut otlp = metrics_only(&fake, protocol, &registry);
        let next = |at_least: f64| {
            loop {
                let (_, body) = fake.arrivals.recv().unwrap();
                let metrics = metrics_of(&message(protocol, false, &body));
                let Some(Data::Sum(sum)) = &metrics["test.count"].data else { panic!() };
                let point = sum.data_points[0].clone();
                let Some(Number::AsDouble(value)) = point.value else { panic!() };
                if value >= at_least {
                    break (value, point.start_time_unix_nano, point.time_unix_nano);
                }
            }
        };
        let first = next(0.0);
        counter.add(5);
        let second = next(5.0);
        assert_eq!((first.0, second.0, first.1), (0.0, 5.0, second.1));
        assert!(first.2 < second.2);
        otlp.shutdown(HOUR);
        fake.stop();
    }
}

#[test]
fn a_collector_that_hangs_up_after_each_answer_is_called_again() {
    let fake = Fake::start(Protocol::Http, None, |_, _| {
        Response::builder().header("connection", "close").body(Full::default().boxed()).unwrap()
    });
    let mut otlp = metrics_only(&fake, Protocol::Http, &registry());
    for _ in 0..3 {
        fake.arrivals.recv().unwrap();
    }
    otlp.shutdown(HOUR);
    fake.stop();
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged until `arrivals` requests have come.
fn logged(
    protocol: Protocol,
    registry: &Metrics,
    arrivals: usize,
    answers: Answers,
) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let log = Dispatch::new(log.finish());
    let fake = Fake::start(protocol, None, answers);
    let mut otlp = metrics_only(&fake, protocol, registry);
    otlp.log_to(&log);
    for _ in 0..arrivals {
        fake.arrivals.recv().unwrap();
    }
    otlp.shutdown(HOUR);
    fake.stop();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn an_outage_is_told_when_it_begins_and_when_it_ends() {
    let broken: Answers = |count, protocol| match (count, protocol) {
        (0..3, Protocol::Http) => failed(400),
        (0..3, Protocol::Grpc) => ended(Code::PermissionDenied),
        _ => taken(count, protocol),
    };
    let partly: Answers = |count, protocol| {
        let partial_success =
            ExportMetricsPartialSuccess { rejected_data_points: 7, error_message: "old".into() };
        let answer = ExportMetricsServiceResponse { partial_success: Some(partial_success) };
        match count {
            0..3 => answered(protocol, &answer.encode_to_vec()),
            _ => taken(count, protocol),
        }
    };
    for (protocol, answers, reason) in [
        (Protocol::Http, broken, "HTTP 400 Bad Request: so it is"),
        (Protocol::Grpc, broken, "PERMISSION_DENIED: so it is"),
        (Protocol::Http, partly, "refused 7 of them: old"),
        (Protocol::Grpc, partly, "refused 7 of them: old"),
    ] {
        let lines = logged(protocol, &registry(), 6, answers);
        let [begins, ends] = &lines[..] else { panic!("{lines:?}") };
        assert!(begins.contains("WARN") && begins.contains("metrics cannot be"), "{begins}");
        assert!(begins.contains(reason), "{begins}");
        assert!(ends.contains("INFO") && ends.contains("exported again"), "{ends}");
    }
}

#[test]
fn what_may_pass_is_retried_and_not_told() {
    let busy: Answers = |count, protocol| match (count, protocol) {
        (0, Protocol::Http) => failed(503),
        (0, Protocol::Grpc) => ended(Code::Unavailable),
        _ => taken(count, protocol),
    };
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let lines = logged(protocol, &registry(), 3, busy);
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_gauge_that_panics_does_not_end_the_export() {
    static BROKEN: AtomicBool = AtomicBool::new(true);
    let registry = registry();
    registry.gauge_fn("test.broken", "", "Broken.", &[], || {
        assert!(!BROKEN.swap(false, Relaxed), "at first");
        1.0
    });
    let fake = Fake::start(Protocol::Grpc, None, taken);
    let mut otlp = metrics_only(&fake, Protocol::Grpc, &registry);
    fake.arrivals.recv().unwrap();
    assert!(!BROKEN.load(Relaxed));
    otlp.shutdown(HOUR);
    fake.stop();
}

#[test]
fn at_the_end_nothing_is_retried() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let (traces, metrics) = settings(&format!("http://{addr}"), protocol, &[]);
        let service = ServiceName::new("main");
        let mut otlp = Otlp::start(Some(&traces), Some(&metrics), &registry(), service).unwrap();
        otlp.tracer().unwrap().start("lost").end();
        otlp.shutdown(HOUR);
    }
}
