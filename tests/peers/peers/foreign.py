"""`hello.v1.HelloService` on grpcio: a server of our contracts that is not ours."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import any_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from peers.dynamic import compile_protos, handlers

SERVICE = "hello.v1.HelloService"
CONTRACTS = Path(__file__).parents[3] / "proto"


@contextlib.contextmanager
def serving(
    *generic_handlers, pool: DescriptorPool, services: list[str], tls=None
) -> Iterator[str]:
    """A grpcio server with reflection; yields its address."""
    server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(generic_handlers)
    reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server, pool=pool)
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", tls)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait(20)


@contextlib.contextmanager
def greeter(out: Path, tls=None) -> Iterator[str]:
    """The four methods, in English and without most of the limits."""
    pool = compile_protos(CONTRACTS, "hello/v1/hello.proto", out=out / "hello.binpb")

    def message(name: str, **fields):
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"hello.v1.{name}"))
        return kind(**fields)

    def greet(name: str) -> str:
        return f"Ahoy from Python, {name}!"

    def say_hello(request, context):
        if request.language not in ("", "en"):
            refuse(context, "language", "English only")
        context.send_initial_metadata([("served-by", "grpcio")])
        return message("SayHelloResponse", greeting=greet(request.name))

    def say_hello_many_times(request, context):
        for sequence in range(1, request.count + 1):
            yield message(
                "SayHelloManyTimesResponse", greeting=greet(request.name), sequence=sequence
            )

    def greet_everyone(requests, context):
        names = [request.name for request in requests]
        return message(
            "GreetEveryoneResponse",
            greeting=greet(", ".join(names)),
            count=len(names),
            count_by_language=Counter(en=len(names)),
        )

    def chat(requests, context):
        for sequence, request in enumerate(requests, start=1):
            yield message("ChatResponse", greeting=greet(request.name), sequence=sequence)

    methods = {
        "SayHello": say_hello,
        "SayHelloManyTimes": say_hello_many_times,
        "GreetEveryone": greet_everyone,
        "Chat": chat,
    }
    with serving(handlers(pool, SERVICE, methods), pool=pool, services=[SERVICE], tls=tls) as addr:
        yield addr


def refuse(context, field: str, problem: str):
    """Ends the call with INVALID_ARGUMENT and a `google.rpc.BadRequest`."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=problem)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=problem, details=[detail])
    context.abort_with_status(rpc_status.to_status(status))
