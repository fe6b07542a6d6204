"""grpcurl, as people use it: everything through reflection (v1alpha, the only one it knows)."""

import pytest

from peers import jsontext
from peers.calls import CALLS, UNKNOWN_LANGUAGE
from peers.process import run


def grpcurl(*args, **options):
    return run("grpcurl", "-plaintext", "-max-time", "20", *args, **options)


def test_list(greeter, caller):
    services = grpcurl(greeter.addr, "list").stdout.split()
    assert "hello.v1.HelloService" in services
    assert "grpc.health.v1.Health" in services
    assert grpcurl(caller.addr, "list", "world.v1.WorldService").stdout.split() == [
        f"world.v1.WorldService.{method}"
        for method in ("Converse", "GreetPlaces", "SayHelloWorld", "Tour")
    ]


def test_describe(greeter):
    service = grpcurl(greeter.addr, "describe", "hello.v1.HelloService").stdout
    assert "rpc Chat ( stream .hello.v1.ChatRequest )" in service
    assert "// Greets one person, once." in service, "comments are part of the contract"
    message = grpcurl(greeter.addr, "describe", "hello.v1.SayHelloManyTimesRequest").stdout
    assert ".google.protobuf.Duration interval = 4;" in message


@pytest.mark.parametrize("call", CALLS)
def test_call(call, request):
    addr = request.getfixturevalue(call.service).addr
    answer = grpcurl("-d", "@", addr, call.method, input=jsontext.join(call.requests))
    assert jsontext.snake(jsontext.split(answer.stdout)) == call.responses


def test_an_error_with_details(greeter, caller):
    refused = [
        (greeter.addr, "hello.v1.HelloService/SayHello", UNKNOWN_LANGUAGE),
        # The error of the service behind it arrives as it was.
        (caller.addr, "world.v1.WorldService/SayHelloWorld", {"language": "xx"}),
    ]
    for addr, method, message in refused:
        data = jsontext.join([message])
        answer = grpcurl("-d", data, addr, method, ok=False)
        # grpcurl's exit code: 64 and the status code.
        assert answer.returncode == 64 + 3, answer.all
        assert "Code: InvalidArgument" in answer.stderr
        assert "google.rpc.BadRequest" in answer.stderr


def test_health(greeter):
    answer = grpcurl(greeter.addr, "grpc.health.v1.Health/Check")
    assert jsontext.split(answer.stdout) == [{"status": "SERVING"}]
