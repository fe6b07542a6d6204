"""HTTP/2 by hyper-h2, frame by frame: for what other clients and servers rarely say.

It looks at all that it is sent, and fails at what is not as RFC 9113 says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import h2.config
import h2.connection
import h2.events

from peers.process import LIMIT


def message(payload: bytes) -> bytes:
    """A gRPC message: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(payload)) + payload


def text(field: int, value: str) -> bytes:
    """A protobuf field of text, shorter than 128 bytes."""
    data = value.encode()
    return bytes([field << 3 | 2, len(data)]) + data


class Connection:
    """One end of a connection."""

    def __init__(self, sock: socket.socket, client: bool):
        self._sock = sock
        self._sock.settimeout(LIMIT)
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self._sock.sendall(self.h2.data_to_send())

    def events(self):
        """What comes, until the other end hangs up."""
        while data := self._sock.recv(65536):
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                yield event
            self.flush()

    def find(self, kind):
        """The next event of a kind."""
        for event in self.events():
            if isinstance(event, kind):
                return event
        raise AssertionError(f"no {kind.__name__}")

    def close(self) -> None:
        self._sock.close()


class Answer:
    """What came on a stream."""

    def __init__(self, connection: Connection, stream: int):
        self.headers: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self.data = b""
        self.pieces = 0
        self.reset: int | None = None
        for event in connection.events():
            if getattr(event, "stream_id", None) != stream:
                continue
            if isinstance(event, h2.events.ResponseReceived):
                self.headers = dict(event.headers)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.data += event.data
                self.pieces += 1
            elif isinstance(event, h2.events.StreamReset):
                self.reset = int(event.error_code)
                return
            elif isinstance(event, h2.events.StreamEnded):
                return
        raise AssertionError("the connection ended before the stream")


def connect(addr: str) -> Connection:
    host, port = addr.rsplit(":", 1)
    return Connection(socket.create_connection((host, int(port)), timeout=LIMIT), client=True)


def headers(addr: str, method: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", addr),
        (":path", method),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


@contextlib.contextmanager
def server(serve):
    """A server of one connection, whose requests are answered by `serve(connection, stream)`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                connection = Connection(sock, client=False)
                for event in connection.events():
                    if isinstance(event, h2.events.StreamEnded):
                        serve(connection, event.stream_id)
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
