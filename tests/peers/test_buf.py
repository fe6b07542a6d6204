"""buf: `buf curl` as a client, `buf lint` over the contracts, and buf.gen.yaml's stubs."""

import importlib
import json
import sys
from pathlib import Path

import grpc
import pytest

from peers import jsontext
from peers.calls import CALLS, UNKNOWN_LANGUAGE
from peers.process import run

ROOT = Path(__file__).parents[2]


def curl(url, *args, **options):
    grpc_only = ["--protocol", "grpc", "--http2-prior-knowledge"]
    return run("buf", "curl", *grpc_only, *args, f"http://{url}", **options)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reflection", ["grpc-v1", "grpc-v1alpha"])
def test_curl(call, reflection, request):
    addr = request.getfixturevalue(call.service).addr
    args = ["--reflect-protocol", reflection, "-d", "@-"]
    answer = curl(f"{addr}/{call.method}", *args, input=jsontext.join(call.requests))
    assert jsontext.snake(jsontext.split(answer.stdout)) == call.responses


def test_curl_shows_an_error_with_details(greeter):
    data = jsontext.join([UNKNOWN_LANGUAGE])
    answer = curl(f"{greeter.addr}/hello.v1.HelloService/SayHello", "-d", data, ok=False)
    error = json.loads(answer.stderr)
    assert error["code"] == "invalid_argument"
    assert error["details"][0]["type"] == "google.rpc.BadRequest"


def test_curl_lists_methods(caller):
    methods = curl(caller.addr, "--list-methods").stdout.split()
    assert "world.v1.WorldService/Tour" in methods


def test_lint():
    run("buf", "lint", cwd=ROOT)
    run("buf", "build", "-o", "/dev/null", cwd=ROOT)


def test_generated_stubs(greeter, tmp_path, monkeypatch):
    run("buf", "generate", "--output", str(tmp_path), cwd=ROOT)
    generated = tmp_path / "gen" / "python"
    assert (generated / "world/v1/world_pb2.pyi").exists()
    monkeypatch.syspath_prepend(str(generated))
    try:
        messages = importlib.import_module("hello.v1.hello_pb2")
        stubs = importlib.import_module("hello.v1.hello_pb2_grpc")
        with grpc.insecure_channel(greeter.addr) as channel:
            hello = stubs.HelloServiceStub(channel)
            answer = hello.SayHello(messages.SayHelloRequest(name="Ada"), timeout=20)
            assert answer.greeting == "Hello, Ada!"
            names = (messages.ChatRequest(name=name) for name in ("Ada", "Ben"))
            answers = [answer.greeting for answer in hello.Chat(names, timeout=20)]
            assert answers == ["Hello, Ada!", "Hello, Ben!"]
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "hello"]:
            del sys.modules[name]
