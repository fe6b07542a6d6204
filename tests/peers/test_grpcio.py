"""gRPC's own Python client, which learns every type through reflection."""

import itertools
import threading

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from peers.calls import CALLS, UNKNOWN_LANGUAGE
from peers.dynamic import Dynamic
from peers.process import Service

LIMIT = 20


def answers(channel: Dynamic, method: str, requests: list[dict], **options) -> list[dict]:
    """Calls a method of any kind."""
    call = channel.method(method)
    streams = isinstance(call, (grpc.StreamUnaryMultiCallable, grpc.StreamStreamMultiCallable))
    sent = iter(requests) if streams else requests[0]
    answer = call(sent, timeout=LIMIT, **options)
    return [answer] if isinstance(answer, dict) else list(answer)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_call(call, compression, request):
    channel = request.getfixturevalue({"greeter": "hello", "caller": "world"}[call.service])
    # Gzip goes both ways: grpcio says that it accepts it.
    received = answers(channel, call.method, call.requests, compression=compression)
    assert received == call.responses


def test_a_message_that_compression_pays_for(hello):
    name = "a" * 256
    call = hello.method("hello.v1.HelloService/Chat")
    messages = ({"name": name} for _ in range(100))
    received = list(call(messages, timeout=LIMIT, compression=grpc.Compression.Gzip))
    assert [answer["greeting"] for answer in received] == [f"Hello, {name}!"] * 100


def test_services(hello, world):
    assert "hello.v1.HelloService" in hello.services()
    assert "world.v1.WorldService" in world.services()


@pytest.mark.parametrize(
    "method, request_fields",
    [
        ("hello.v1.HelloService/SayHello", UNKNOWN_LANGUAGE),
        ("world.v1.WorldService/SayHelloWorld", {"language": "xx"}),
        ("world.v1.WorldService/Tour", {"language": "xx"}),
    ],
)
def test_an_error_has_details(method, request_fields, request):
    channel = request.getfixturevalue(method.split(".")[0])
    with pytest.raises(grpc.RpcError) as raised:
        answers(channel, method, [request_fields])
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(raised.value)
    bad_request = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad_request)
    assert [violation.field for violation in bad_request.field_violations] == ["language"]


@pytest.mark.parametrize("channel", ["hello", "world"])
def test_a_deadline_ends_a_stream(channel, request):
    """The server is in the middle of the stream, waiting, when time is up."""
    method, message = {
        "hello": ("hello.v1.HelloService/SayHelloManyTimes", {"count": 2, "interval": "60s"}),
        "world": ("world.v1.WorldService/Converse", None),
    }[channel]
    call = request.getfixturevalue(channel).method(method)
    over = threading.Event()

    def silence():
        yield {"place": "Lisbon"}
        over.wait(LIMIT)

    answer = call(silence() if message is None else message, timeout=1)
    try:
        assert "greeting" in next(answer)
        with pytest.raises(grpc.RpcError) as raised:
            next(answer)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        over.set()


def test_cancel_reaches_the_server():
    """A call that stayed open would hold up the drain for longer than stop() waits."""
    patient = {"AHOY_DRAIN_TIMEOUT": "10m"}
    over = threading.Event()

    def places():
        yield {"place": "Lisbon"}
        over.wait(LIMIT)

    with (
        Service("greeter", env=patient) as behind,
        Service("caller", "--hello", f"http://{behind.addr}", env=patient) as front,
        grpc.insecure_channel(front.addr) as channel,
    ):
        try:
            answer = Dynamic(channel).method("world.v1.WorldService/Converse")(places())
            assert next(answer)["greeting"] == "Hello, Lisbon!"
            answer.cancel()
            with pytest.raises(grpc.RpcError) as raised:
                next(answer)
            assert raised.value.code() is grpc.StatusCode.CANCELLED
            # The greeter first: nothing but the cancellation frees it of the call behind the call.
            assert behind.stop() == 0
            assert front.stop() == 0
        finally:
            over.set()


def test_metadata_is_accepted(hello):
    call = hello.method("hello.v1.HelloService/SayHello")
    metadata = [("x-text", "text"), ("x-octets-bin", bytes(range(256)))]
    answer, made = call.with_call({}, metadata=metadata, timeout=LIMIT)
    assert answer == {"greeting": "Hello, World!"}
    assert made.code() is grpc.StatusCode.OK
    assert made.trailing_metadata() is not None


def test_an_unknown_method_and_service(hello):
    for path in ("/hello.v1.HelloService/Shout", "/no.v1.SuchService/Call"):
        with pytest.raises(grpc.RpcError) as raised:
            hello.channel.unary_unary(path)(b"", timeout=LIMIT)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_many_calls_at_once_on_one_connection(world):
    """More than the server allows on a connection: grpcio queues the rest."""
    call = world.method("world.v1.WorldService/SayHelloWorld")
    calls = [call.future({"place": str(n)}, timeout=LIMIT) for n in range(500)]
    assert [made.result()["greeting"] for made in calls] == [f"Hello, {n}!" for n in range(500)]


def test_a_long_stream(world):
    call = world.method("world.v1.WorldService/Converse")
    places = ({"place": str(n)} for n in range(5000))
    greetings = [answer["sequence"] for answer in call(places, timeout=LIMIT)]
    assert greetings == [str(n) for n in range(1, 5001)]


def test_health_check(hello):
    health = health_pb2_grpc.HealthStub(hello.channel)
    for service in ("", "hello.v1.HelloService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="no.v1.Such"), timeout=LIMIT)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_watch_follows_a_drain():
    """The watch is told of the drain, and then ended so that the server can stop."""
    with Service("greeter") as service, grpc.insecure_channel(service.addr) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="hello.v1.HelloService"), timeout=LIMIT
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert service.stop() == 0
        told = [answer.status for answer in itertools.islice(until_error(watch), 10)]
        assert told == [health_pb2.HealthCheckResponse.NOT_SERVING]


def until_error(stream):
    try:
        yield from stream
    except grpc.RpcError:
        return
