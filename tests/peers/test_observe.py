"""What others read of us: Prometheus' parser, JSON log lines, and a collector of OTLP traces."""

import json
import queue
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import parser

from peers.dynamic import Dynamic
from peers.process import Service

LIMIT = 20
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def greet_world(addr: str, **options) -> None:
    with grpc.insecure_channel(addr) as channel:
        call = Dynamic(channel).method("world.v1.WorldService/SayHelloWorld")
        assert call({"place": "Oslo"}, timeout=LIMIT, **options) == {"greeting": "Hello, Oslo!"}


def test_metrics_are_prometheus_text():
    with (
        Service("greeter") as greeter,
        Service("caller", "--hello", f"http://{greeter.addr}") as caller,
    ):
        for _ in range(3):
            greet_world(caller.addr)
        families = {}
        for service in (greeter, caller):
            with urllib.request.urlopen(f"http://{service.admin}/metrics", timeout=LIMIT) as page:
                assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
                for family in parser.text_string_to_metric_families(page.read().decode()):
                    assert family.documentation, family.name
                    families.setdefault(family.name, []).extend(family.samples)

    def value(family: str, sample: str, **labels) -> float:
        found = [
            s.value
            for s in families[family]
            if s.name == sample and labels.items() <= s.labels.items()
        ]
        assert len(found) == 1, (family, labels, found)
        return found[0]

    world = "world.v1.WorldService/SayHelloWorld"
    hello = "hello.v1.HelloService/SayHello"
    started = "grpc_server_call_started"
    assert value(started, f"{started}_total", grpc_method=world) == 3
    assert value(started, f"{started}_total", grpc_method=hello) == 3
    duration = "grpc_server_call_duration_seconds"
    ok = {"grpc_method": hello, "grpc_status": "OK"}
    assert value(duration, f"{duration}_count", **ok) == 3
    assert value(duration, f"{duration}_bucket", le="+Inf", **ok) == 3
    assert 0 < value(duration, f"{duration}_sum", **ok) < LIMIT
    # Our own channel is measured, too.
    assert any(
        sample.labels.get("grpc_method") == hello
        for name, samples in families.items()
        if name.startswith("grpc_client_")
        for sample in samples
    )


def test_log_lines_are_json():
    env = {"AHOY_LOG_FORMAT": "json", "AHOY_ACCESS_LOG": "true"}
    with (
        Service("greeter", env=env) as greeter,
        Service("caller", "--hello", f"http://{greeter.addr}", env=env) as caller,
    ):
        greet_world(caller.addr, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
    for service, name, method in [
        (caller, "caller", "world.v1.WorldService/SayHelloWorld"),
        (greeter, "greeter", "hello.v1.HelloService/SayHello"),
    ]:
        lines = [json.loads(line) for line in service.stderr]
        assert {line["service"] for line in lines} == {name}
        assert all(line["level"] and line["message"] and line["timestamp"] for line in lines)
        served = [line for line in lines if line.get("fields", {}).get("method") == method]
        assert len(served) == 1
        assert served[0]["fields"]["status"] == "OK"
        assert served[0]["trace_id"] == TRACE
        # Bodies are never logged.
        assert "Oslo" not in "".join(service.stderr)


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent, with the name of their service."""

    def __init__(self):
        self.spans: queue.Queue[tuple[str, Span]] = queue.Queue()

    def Export(self, request, context):
        for resource in request.resource_spans:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put((attributes["service.name"], span))
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector():
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.addr = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(grace=None).wait(LIMIT)


def test_one_trace_goes_through_both_services(collector):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.addr}"}
    with (
        Service("greeter", env=env) as greeter,
        Service("caller", "--hello", f"http://{greeter.addr}", env=env) as caller,
    ):
        greet_world(caller.addr, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
    # Both have stopped, and have exported what they had before.
    spans = {}
    while not collector.spans.empty():
        service, span = collector.spans.get()
        if span.trace_id.hex() == TRACE:
            spans[service, Span.SpanKind.Name(span.kind)] = span
    front = spans["caller", "SPAN_KIND_SERVER"]
    between = spans["caller", "SPAN_KIND_CLIENT"]
    back = spans["greeter", "SPAN_KIND_SERVER"]
    assert front.parent_span_id.hex() == PARENT
    assert between.parent_span_id == front.span_id
    assert back.parent_span_id == between.span_id
    assert front.name == "world.v1.WorldService/SayHelloWorld"
    assert back.name == between.name == "hello.v1.HelloService/SayHello"
    assert front.start_time_unix_nano <= between.start_time_unix_nano
    assert between.end_time_unix_nano <= front.end_time_unix_nano
