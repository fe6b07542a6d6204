"""`grpc.testing.TestService` on grpcio, after gRPC's interop test descriptions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf import message_factory

from peers.dynamic import compile_protos, handlers
from peers.foreign import serving

SERVICE = "grpc.testing.TestService"
PROTO = Path(__file__).parents[3] / "crates/testkit/proto"
ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}


@contextlib.contextmanager
def server(out: Path, tls=None) -> Iterator[str]:
    """Yields the address of the service."""
    pool = compile_protos(PROTO, "grpc/testing/test.proto", out=out / "interop.binpb")

    def message(name: str, **fields):
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"grpc.testing.{name}"))
        return kind(**fields)

    def zeros(size: int):
        return message("Payload", body=bytes(size))

    def empty_call(request, context):
        echo_metadata(context)
        return message("Empty")

    def unary_call(request, context):
        echo_metadata(context)
        end_as_asked(request, context)
        if request.HasField("response_compressed"):
            compress(context, request.response_compressed.value)
        return message("SimpleResponse", payload=zeros(request.response_size))

    def responses(request, context):
        end_as_asked(request, context)
        for parameters in request.response_parameters:
            # The contract asks for the pause; nothing waits for it but the call itself.
            time.sleep(parameters.interval_us / 1e6)
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield message("StreamingOutputCallResponse", payload=zeros(parameters.size))

    def streaming_output_call(request, context):
        if any(parameters.compressed.value for parameters in request.response_parameters):
            compress(context, True)
        yield from responses(request, context)

    def streaming_input_call(requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return message("StreamingInputCallResponse", aggregated_payload_size=size)

    def full_duplex_call(requests, context):
        echo_metadata(context)
        for request in requests:
            yield from responses(request, context)

    methods = {
        "EmptyCall": empty_call,
        "UnaryCall": unary_call,
        "StreamingOutputCall": streaming_output_call,
        "StreamingInputCall": streaming_input_call,
        "FullDuplexCall": full_duplex_call,
    }
    service = handlers(pool, SERVICE, methods)
    with serving(service, pool=pool, services=[SERVICE], tls=tls) as addr:
        yield addr


def echo_metadata(context) -> None:
    sent = dict(context.invocation_metadata())
    if ECHO_INITIAL in sent:
        context.send_initial_metadata([(ECHO_INITIAL, sent[ECHO_INITIAL])])
    if ECHO_TRAILING in sent:
        context.set_trailing_metadata([(ECHO_TRAILING, sent[ECHO_TRAILING])])


def end_as_asked(request, context) -> None:
    if request.response_status.code:
        context.abort(CODES[request.response_status.code], request.response_status.message)


def compress(context, wanted: bool) -> None:
    kind = grpc.Compression.Gzip if wanted else grpc.Compression.NoCompression
    context.set_compression(kind)
