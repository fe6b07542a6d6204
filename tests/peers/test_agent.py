"""A grpcio application between two agents: called in every protocol, and by a grpcio client."""

import json
import urllib.request

import grpc
import pytest

from peers import foreign
from peers.dynamic import Dynamic
from peers.process import Program, binary, run

ANY_PORT = "127.0.0.1:0"
METHOD = f"{foreign.SERVICE}/SayHello"


class Agent(Program):
    """`ahoy agent`, with one side, on free ports."""

    def __init__(self, side: str, *args: str):
        free = [f"--{side}", ANY_PORT, "--admin", ANY_PORT]
        super().__init__(binary("ahoy"), "agent", *free, *args)
        try:
            self.admin = self.wait_for(r"^agent admin on (\S+)$").group(1)
            self.addr = self.wait_for(rf"^agent-{side} listening on (\S+)$").group(1)
        except AssertionError:
            self.stop()
            raise


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with foreign.greeter(tmp_path_factory.mktemp("app")) as addr:
        yield addr


@pytest.fixture(scope="module")
def inbound(app):
    with Agent("inbound", "--app", app) as agent:
        yield agent


@pytest.fixture(scope="module")
def hello(inbound):
    """The application, through the client's own agent, too."""
    with Agent("outbound", "--upstream", f"hello={inbound.addr}") as agent:
        options = [("grpc.default_authority", "hello")]
        with grpc.insecure_channel(agent.addr, options=options) as channel:
            yield Dynamic(channel)


def test_all_four_kinds(hello):
    def method(name):
        return hello.method(f"{foreign.SERVICE}/{name}")

    ada = {"name": "Ada"}
    greeting = "Ahoy from Python, Ada!"
    assert method("SayHello")(ada) == {"greeting": greeting}
    many = list(method("SayHelloManyTimes")({"name": "Ada", "count": 3}))
    assert [answer["sequence"] for answer in many] == [1, 2, 3]
    assert method("GreetEveryone")(iter([ada, ada]))["count"] == "2"
    assert [answer["sequence"] for answer in method("Chat")(iter([ada, ada]))] == ["1", "2"]


def test_metadata_and_errors_pass(hello):
    answer, call = hello.method(METHOD).with_call({"name": "Ada"})
    assert ("served-by", "grpcio") in [tuple(pair) for pair in call.initial_metadata()]
    with pytest.raises(grpc.RpcError) as refused:
        hello.method(METHOD)({"name": "Ada", "language": "fr"})
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-status-details-bin" in [pair[0] for pair in refused.value.trailing_metadata()]


def test_compressed_messages_pass(hello):
    name = "A" * 10_000
    answer = hello.method(METHOD)({"name": name}, compression=grpc.Compression.Gzip)
    assert name in answer["greeting"]


def test_the_application_speaks_rest(inbound):
    with urllib.request.urlopen(f"http://{inbound.addr}/v1/hello/Ada", timeout=20) as answer:
        assert json.load(answer) == {"greeting": "Ahoy from Python, Ada!"}
    with urllib.request.urlopen(f"http://{inbound.addr}/hello/openapi.json", timeout=20) as answer:
        assert json.load(answer)["openapi"] == "3.1.0"


@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
def test_the_application_speaks_what_buf_speaks(inbound, protocol):
    url = f"http://{inbound.addr}/{METHOD}"
    answer = run("buf", "curl", "--protocol", protocol, "-d", '{"name": "Ada"}', url)
    assert json.loads(answer.stdout) == {"greeting": "Ahoy from Python, Ada!"}
