"""Connect and gRPC-Web: curl, the connectrpc client, buf in its three protocols, and a browser."""

import json

import pytest
from connectrpc import client, protocol
from connectrpc.compat import google_protobuf_codecs
from connectrpc.code import Code
from connectrpc.compression.gzip import GzipCompression
from connectrpc.compression.zstd import ZstdCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

from peers import jsontext
from peers.browser import page
from peers.calls import CALLS, UNKNOWN_LANGUAGE
from peers.dynamic import message_classes, to_fields, to_message
from peers.process import Service, run

CODECS = {codec.name(): codec for codec in google_protobuf_codecs()}
PROTOCOLS = {kind.name.lower(): kind for kind in protocol.ProtocolType}
KINDS = {
    (False, False): StreamType.UNARY,
    (False, True): StreamType.SERVER_STREAM,
    (True, False): StreamType.CLIENT_STREAM,
    (True, True): StreamType.BIDI_STREAM,
}
LEVELS = {1: IdempotencyLevel.NO_SIDE_EFFECTS, 2: IdempotencyLevel.IDEMPOTENT}


class Connect:
    """connectrpc's client, with the methods that reflection tells of."""

    def __init__(self, addr, pool, version=HTTPVersion.HTTP2, codec="proto", **options):
        self._pool = pool
        options["codec"] = CODECS[codec]
        http = SyncClient(SyncHTTPTransport(http_version=version))
        self._client = client.ConnectClientSync(f"http://{addr}", http_client=http, **options)

    def call(self, name, requests, **options):
        """Calls a method; messages are dicts, as in JSON."""
        service, method = name.split("/")
        found = self._pool.FindServiceByName(service).FindMethodByName(method)
        request, response = message_classes(found)
        kind = KINDS[found.client_streaming, found.server_streaming]
        info = MethodInfo(
            name=method,
            service_name=service,
            input=request,
            output=response,
            idempotency_level=LEVELS.get(
                found.GetOptions().idempotency_level, IdempotencyLevel.UNKNOWN
            ),
            stream_type=kind,
        )
        messages = (to_message(request, fields) for fields in requests)
        options |= {"method": info, "timeout_ms": 20_000}
        match kind:
            case StreamType.UNARY:
                answers = [self._client.execute_unary(request=next(messages), **options)]
            case StreamType.SERVER_STREAM:
                answers = self._client.execute_server_stream(request=next(messages), **options)
            case StreamType.CLIENT_STREAM:
                answers = [self._client.execute_client_stream(request=messages, **options)]
            case StreamType.BIDI_STREAM:
                answers = self._client.execute_bidi_stream(request=messages, **options)
        return [to_fields(answer) for answer in answers]


@pytest.fixture
def pools(hello, world):
    return {"greeter": hello.pool, "caller": world.pool}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_connectrpc(call, codec, kind, pools, request):
    addr = request.getfixturevalue(call.service).addr
    options = {"codec": codec, "protocol": PROTOCOLS[kind]}
    connect = Connect(addr, pools[call.service], **options)
    assert connect.call(call.method, call.requests) == call.responses


@pytest.mark.parametrize("kind", ["connect", "grpc_web"])
@pytest.mark.parametrize("call", CALLS)
def test_connectrpc_over_http1(call, kind, pools, request):
    addr = request.getfixturevalue(call.service).addr
    options = {"version": HTTPVersion.HTTP1, "protocol": PROTOCOLS[kind]}
    connect = Connect(addr, pools[call.service], **options)
    if call.method.endswith(("/Chat", "/Converse")):
        with pytest.raises(ConnectError):
            connect.call(call.method, call.requests)
    else:
        assert connect.call(call.method, call.requests) == call.responses


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("encoding", [GzipCompression(), ZstdCompression(), None])
def test_compression(codec, encoding, greeter, hello):
    accepted = [encoding] if encoding else []
    options = {"send_compression": encoding, "accept_compression": accepted}
    connect = Connect(greeter.addr, hello.pool, codec=codec, **options)
    names = ["A" * 250] * 8
    answers = connect.call("hello.v1.HelloService/GreetEveryone", [{"name": n} for n in names])
    # Long enough to come compressed.
    assert [answer["greeting"] for answer in answers] == [f"Hello, {', '.join(names)}!"]
    answers = connect.call("hello.v1.HelloService/SayHello", [{"name": "Ada"}])
    assert answers == [{"greeting": "Hello, Ada!"}]


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_an_error_keeps_its_details(kind, greeter, hello):
    connect = Connect(greeter.addr, hello.pool, protocol=PROTOCOLS[kind])
    for method in ("SayHello", "SayHelloManyTimes"):
        with pytest.raises(ConnectError) as raised:
            connect.call(f"hello.v1.HelloService/{method}", [UNKNOWN_LANGUAGE])
        assert raised.value.code == Code.INVALID_ARGUMENT
        assert [detail.type_name for detail in raised.value.details] == ["google.rpc.BadRequest"]


@pytest.mark.parametrize("codec", CODECS)
def test_get(codec, greeter, hello):
    connect = Connect(greeter.addr, hello.pool, codec=codec)
    answers = connect.call("hello.v1.HelloService/SayHello", [{"name": "Ada"}], use_get=True)
    assert [answer["greeting"] for answer in answers] == ["Hello, Ada!"]


def buf_curl(url, kind, *args, **options):
    flags = ["--protocol", kind, "--http2-prior-knowledge"]
    return run("buf", "curl", *flags, *args, f"http://{url}", **options)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["connect", "grpc", "grpcweb"])
def test_buf_curl(call, kind, request):
    addr = request.getfixturevalue(call.service).addr
    data = jsontext.join(call.requests)
    answer = buf_curl(f"{addr}/{call.method}", kind, "-d", "@-", input=data)
    assert jsontext.snake(jsontext.split(answer.stdout)) == call.responses


@pytest.mark.parametrize("kind", ["connect", "grpc", "grpcweb"])
def test_buf_curl_shows_an_error_with_details(kind, greeter):
    data = jsontext.join([UNKNOWN_LANGUAGE])
    answer = buf_curl(
        f"{greeter.addr}/hello.v1.HelloService/SayHello", kind, "-d", data, ok=False
    )
    error = json.loads(answer.stderr)
    assert error["code"] == "invalid_argument"
    assert error["details"][0]["type"] == "google.rpc.BadRequest"


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl(version, greeter):
    url = f"http://{greeter.addr}/hello.v1.HelloService/SayHello"
    ask = ["curl", "--silent", "--max-time", "20", version, "--write-out", "\n%{http_code}"]
    says = ["--json", '{"name": "Ada"}', "-H", "connect-protocol-version: 1"]
    text, code = run(*ask, *says, url).stdout.rsplit("\n", 1)
    assert (json.loads(text), code) == ({"greeting": "Hello, Ada!"}, "200")
    query = "?connect=v1&encoding=json&message=%7B%22name%22%3A%22Ada%22%7D"
    text, code = run(*ask, url + query).stdout.rsplit("\n", 1)
    assert (json.loads(text), code) == ({"greeting": "Hello, Ada!"}, "200")
    says[1] = json.dumps(UNKNOWN_LANGUAGE)
    text, code = run(*ask, *says, url).stdout.rsplit("\n", 1)
    assert (json.loads(text)["code"], code) == ("invalid_argument", "400")


IN_THE_BROWSER = r"""
async ([addr, service, unary, stream]) => {
  const post = (method, type, body, more) => fetch(`http://${addr}/${service}/${method}`, {
    method: "POST", headers: { "content-type": type, ...more }, body,
  });
  const text = new TextEncoder(), read = new TextDecoder();
  const frame = (payload) => {
    const framed = new Uint8Array(5 + payload.length);
    new DataView(framed.buffer).setUint32(1, payload.length);
    framed.set(payload, 5);
    return framed;
  };
  const frames = async (response) => {
    const reader = response.body.getReader(), found = [];
    let bytes = new Uint8Array();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return found;
      const all = new Uint8Array(bytes.length + value.length);
      all.set(bytes); all.set(value, bytes.length);
      bytes = all;
      for (;;) {
        if (bytes.length < 5) break;
        const end = 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
        if (bytes.length < end) break;
        found.push([bytes[0], read.decode(bytes.slice(5, end))]);
        bytes = bytes.slice(end);
      }
    }
  };
  const version = { "connect-protocol-version": "1" };
  const ask = (fields) => frame(text.encode(JSON.stringify(fields)));
  const connect = await post(unary[0], "application/json", JSON.stringify(unary[1]), version);
  const connectStream = await post(stream[0], "application/connect+json", ask(stream[1]), version);
  const web = await post(unary[0], "application/grpc-web+json", ask(unary[1]), { "x-grpc-web": "1" });
  const webStream = await post(stream[0], "application/grpc-web+json", ask(stream[1]), {});
  const refused = await post(unary[0], "application/grpc-web+json", ask({ language: "xx" }), {});
  return {
    connect: await connect.json(),
    connectStream: await frames(connectStream),
    web: await frames(web),
    webStream: await frames(webStream),
    refused: refused.headers.get("grpc-status"),
  };
}
"""


def test_a_page_in_a_browser(greeter):
    """From another origin, which asks the server first, and then reads what it may."""
    hello = "hello.v1.HelloService"
    world = "world.v1.WorldService"
    cors = {"AHOY_CORS_ORIGINS": "*"}
    with (
        Service("greeter", env=cors) as ours,
        Service("caller", "--hello", f"http://{greeter.addr}", env=cors) as theirs,
        page() as tab,
    ):
        for addr, service, unary, stream in [
            (ours.addr, hello, ["SayHello", {"name": "Ada"}],
             ["SayHelloManyTimes", {"name": "Ada", "count": 2, "interval": "0.001s"}]),
            (theirs.addr, world, ["SayHelloWorld", {"place": "Ada"}],
             ["Tour", {"places": ["Ada"], "count": 2}]),
        ]:
            saw = tab.evaluate(IN_THE_BROWSER, [addr, service, unary, stream])
            assert saw["connect"] == {"greeting": "Hello, Ada!"}
            for name, end in (("connectStream", 2), ("webStream", 0x80)):
                *messages, last = saw[name]
                assert [json.loads(text)["greeting"] for _, text in messages] == ["Hello, Ada!"] * 2
                assert last[0] == end
            (_, message), (flag, trailers) = saw["web"]
            assert json.loads(message) == {"greeting": "Hello, Ada!"}
            assert (flag, trailers) == (0x80, "grpc-status: 0\r\n")
            assert saw["refused"] == "3"
