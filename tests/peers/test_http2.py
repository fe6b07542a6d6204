"""HTTP/2 that most libraries do not speak, but may: padding, CONTINUATION, priorities, trailers
of requests, small windows, interim answers; spoken by hyper-h2, which refuses what is not right."""

import h2.events
import h2.settings
import pytest

from peers import raw
from peers.process import binary, run

SAY_HELLO = "/hello.v1.HelloService/SayHello"
MANY = "/hello.v1.HelloService/SayHelloManyTimes"


@pytest.fixture
def peer(greeter):
    connection = raw.connect(greeter.addr)
    yield connection
    connection.close()


def name(value="Ada"):
    return raw.message(raw.text(1, value))


def is_greeting(answer, name="Ada"):
    assert answer.headers[":status"] == "200"
    assert answer.trailers["grpc-status"] == "0", answer.trailers
    assert name.encode() in answer.data


def ask(greeter, peer, stream, *more, **options):
    peer.h2.send_headers(stream, raw.headers(greeter.addr, SAY_HELLO, *more), **options)
    peer.h2.send_data(stream, name(), end_stream=True)
    peer.flush()
    return raw.Answer(peer, stream)


def test_calls_on_one_connection(greeter, peer):
    for n in range(50):
        is_greeting(ask(greeter, peer, 1 + 2 * n))


def test_padding(greeter, peer):
    peer.h2.send_headers(1, raw.headers(greeter.addr, SAY_HELLO))
    for byte in name()[:-1]:
        peer.h2.send_data(1, bytes([byte]), pad_length=255)
    peer.h2.send_data(1, name()[-1:], end_stream=True, pad_length=0)
    peer.flush()
    is_greeting(raw.Answer(peer, 1))


def test_headers_in_many_frames(greeter, peer):
    # The block is cut into frames of 300 bytes.
    peer.h2.max_outbound_frame_size = 300
    is_greeting(ask(greeter, peer, 1, *((f"x-{n}", "y" * 100) for n in range(40))))


def test_priorities(greeter, peer):
    peer.h2.prioritize(3, weight=1, depends_on=0)
    is_greeting(
        ask(greeter, peer, 1, priority_weight=7, priority_depends_on=3, priority_exclusive=True)
    )


def test_trailers_of_a_request(greeter, peer):
    peer.h2.send_headers(1, raw.headers(greeter.addr, SAY_HELLO))
    peer.h2.send_data(1, name())
    peer.h2.send_headers(1, [("x-checksum", "none")], end_stream=True)
    peer.flush()
    is_greeting(raw.Answer(peer, 1))


def test_a_window_of_a_few_bytes(greeter, peer):
    settings = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 7}
    peer.h2.update_settings(settings)
    answer = ask(greeter, peer, 1)
    is_greeting(answer)
    assert answer.pieces > 1


def test_tables_that_come_and_go(greeter, peer):
    for n, size in enumerate([4096, 0, 4096, 100, 65536, 0]):
        peer.h2.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: size})
        for m in range(3):
            is_greeting(ask(greeter, peer, 1 + 2 * (3 * n + m)))


def test_values_that_are_not_text(greeter, peer):
    is_greeting(ask(greeter, peer, 1, ("x-strange", "a\u00e9\t b"), ("x-empty", "")))


def test_ping(peer):
    peer.h2.ping(b"12345678")
    peer.flush()
    assert peer.find(h2.events.PingAckReceived).ping_data == b"12345678"


def test_a_stream_that_is_reset_leaves_the_others(greeter, peer):
    peer.h2.send_headers(1, raw.headers(greeter.addr, MANY))
    peer.h2.send_headers(3, raw.headers(greeter.addr, SAY_HELLO))
    peer.h2.reset_stream(1, 8)
    peer.h2.send_data(3, name(), end_stream=True)
    peer.flush()
    is_greeting(raw.Answer(peer, 3))


@pytest.fixture
def proto(request):
    return str(request.config.rootpath.parent.parent / "proto/hello/v1/hello.proto")


def call(addr, proto):
    data = '{"name": "Ada"}'
    called = run(binary("ahoy"), "call", addr, "SayHello", "-d", data, "--proto", proto)
    assert "Hello, Ada, from h2" in called.stdout


GREETING = raw.message(raw.text(1, "Hello, Ada, from h2"))
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0")]


def test_an_answer_in_pieces_with_padding(proto):
    def serve(connection, stream):
        connection.h2.send_headers(stream, HEADERS)
        for byte in GREETING:
            connection.h2.send_data(stream, bytes([byte]), pad_length=100)
        connection.h2.send_headers(stream, TRAILERS, end_stream=True)
        connection.flush()

    with raw.server(serve) as addr:
        call(addr, proto)


def test_an_answer_with_long_trailers_after_an_interim_one(proto):
    def serve(connection, stream):
        connection.h2.max_outbound_frame_size = 300
        connection.h2.streams[stream].max_outbound_frame_size = 300
        connection.h2.send_headers(stream, [(":status", "103"), ("link", "</x>")])
        connection.h2.send_headers(stream, HEADERS)
        connection.h2.send_data(stream, GREETING)
        more = [(f"x-{n}", "y" * 100) for n in range(40)]
        connection.h2.send_headers(stream, TRAILERS + more, end_stream=True)
        connection.flush()

    with raw.server(serve) as addr:
        call(addr, proto)
