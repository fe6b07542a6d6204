"""gRPC's interop cases between us and grpcio, which ships no interop peer: so both halves of
grpcio's side are written here, after the descriptions."""

import base64
import threading

import grpc
import pytest
import trustme

from peers import interop
from peers.dynamic import Dynamic
from peers.process import Program, binary, run

LIMIT = 20
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"

CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "server_compressed_unary",
    "server_compressed_streaming",
    "rpc_soak",
    "channel_soak",
]
"""What our client runs against grpcio; the list only grows. The client_compressed cases are not
here because a grpcio server cannot see whether a message came compressed."""


@pytest.mark.parametrize("case", CASES)
def test_our_client(case, grpcio_server):
    flags = [f"--{name}={value}" for name, value in grpcio_server.items()]
    result = run(binary("interop-client"), *flags, f"--test_case={case}", limit=90)
    assert f"{case}: passed" in result.stdout


@pytest.fixture(scope="module", params=["plain", "tls"])
def grpcio_server(request, tmp_path_factory):
    """The flags of a client for grpcio's server."""
    out = tmp_path_factory.mktemp("interop")
    if request.param == "plain":
        with interop.server(out) as addr:
            host, port = addr.split(":")
            yield {"server_host": host, "server_port": port}
        return
    ca = trustme.CA()
    ca.cert_pem.write_to_path(out / "ca.pem")
    leaf = ca.issue_cert("foo.test.google.fr")
    chain = b"".join(cert.bytes() for cert in leaf.cert_chain_pems)
    tls = grpc.ssl_server_credentials([(leaf.private_key_pem.bytes(), chain)])
    with interop.server(out, tls) as addr:
        host, port = addr.split(":")
        yield {
            "server_host": host,
            "server_port": port,
            "server_host_override": "foo.test.google.fr",
            "use_tls": "true",
            "tls_ca_file": out / "ca.pem",
        }


@pytest.fixture(scope="module", params=["plain", "tls"])
def service(request, tmp_path_factory):
    """Our server through grpcio's client."""
    flags, ca = [], tmp_path_factory.mktemp("ours") / "ca.pem"
    if request.param == "tls":
        flags = ["--use_tls", f"--tls_write_ca={ca}"]
    with Program(binary("interop-server"), "--port=0", *flags) as server:
        port = server.wait_for(r"^listening on .*:(\d+)$").group(1)
        addr = f"localhost:{port}"
        if request.param == "tls":
            credentials = grpc.ssl_channel_credentials(ca.read_bytes())
            channel = grpc.secure_channel(addr, credentials)
        else:
            channel = grpc.insecure_channel(addr)
        with channel:
            yield Dynamic(channel)


def method(service, name):
    return service.method(f"{interop.SERVICE}/{name}")


def zeros(size):
    """A payload as JSON has it."""
    return {"body": base64.b64encode(bytes(size)).decode()}


def test_empty_unary(service):
    assert method(service, "EmptyCall")({}, timeout=LIMIT) == {}


def test_large_unary(service):
    request = {"response_size": 314159, "payload": zeros(271828)}
    assert method(service, "UnaryCall")(request, timeout=LIMIT)["payload"] == zeros(314159)


def test_client_streaming(service):
    requests = [{"payload": zeros(size)} for size in (27182, 8, 1828, 45904)]
    answer = method(service, "StreamingInputCall")(iter(requests), timeout=LIMIT)
    assert answer == {"aggregated_payload_size": 74922}


def test_server_streaming(service):
    sizes = (31415, 9, 2653, 58979)
    request = {"response_parameters": [{"size": size} for size in sizes]}
    answers = method(service, "StreamingOutputCall")(request, timeout=LIMIT)
    assert [answer["payload"] for answer in answers] == [zeros(size) for size in sizes]


def test_ping_pong(service):
    """Each request is sent only when the answer to the one before has come."""
    turn = threading.Semaphore()

    def requests():
        for size, asked in ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979)):
            assert turn.acquire(timeout=LIMIT)
            yield {"response_parameters": [{"size": asked}], "payload": zeros(size)}

    sizes = []
    for answer in method(service, "FullDuplexCall")(requests(), timeout=LIMIT):
        sizes.append(answer["payload"])
        turn.release()
    assert sizes == [zeros(size) for size in (31415, 9, 2653, 58979)]


def test_empty_stream(service):
    assert list(method(service, "FullDuplexCall")(iter([]), timeout=LIMIT)) == []


def test_timeout_on_sleeping_server(service):
    request = {"response_parameters": [{"size": 1, "interval_us": 60_000_000}]}
    call = method(service, "FullDuplexCall")(iter([request]), timeout=0.1)
    with pytest.raises(grpc.RpcError) as raised:
        next(call)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_cancel_after_first_response(service):
    over = threading.Event()

    def requests():
        yield {"response_parameters": [{"size": 31415}], "payload": zeros(27182)}
        over.wait(LIMIT)

    try:
        call = method(service, "FullDuplexCall")(requests(), timeout=LIMIT)
        assert next(call)["payload"] == zeros(31415)
        call.cancel()
        assert call.code() is grpc.StatusCode.CANCELLED
    finally:
        over.set()


@pytest.mark.parametrize("text", ["test status message", SPECIAL])
def test_status_code_and_message(service, text):
    request = {"response_status": {"code": 2, "message": text}}
    with pytest.raises(grpc.RpcError) as unary:
        method(service, "UnaryCall")(request, timeout=LIMIT)
    with pytest.raises(grpc.RpcError) as stream:
        next(method(service, "FullDuplexCall")(iter([request]), timeout=LIMIT))
    for error in (unary.value, stream.value):
        assert error.code() is grpc.StatusCode.UNKNOWN
        assert error.details() == text


def test_custom_metadata(service):
    initial = (interop.ECHO_INITIAL, "test_initial_metadata_value")
    trailing = (interop.ECHO_TRAILING, b"\xab\xab\xab")
    options = {"metadata": [initial, trailing], "timeout": LIMIT}
    _, unary = method(service, "UnaryCall").with_call({"response_size": 1}, **options)
    stream = method(service, "FullDuplexCall")(
        iter([{"response_parameters": [{"size": 1}]}]), **options
    )
    assert len(list(stream)) == 1
    for call in (unary, stream):
        assert initial in [tuple(pair) for pair in call.initial_metadata()]
        assert trailing in [tuple(pair) for pair in call.trailing_metadata()]


def test_unimplemented(service):
    unknown = "/grpc.testing.UnimplementedService/UnimplementedCall"
    for path in (f"/{interop.SERVICE}/UnimplementedCall", unknown):
        with pytest.raises(grpc.RpcError) as raised:
            service.channel.unary_unary(path)(b"", timeout=LIMIT)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
