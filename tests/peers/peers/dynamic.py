"""Calls and serves gRPC methods whose types are known only at run time."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_tools import protoc


class Dynamic:
    """The methods of a server as its reflection tells them; messages are dicts, as in JSON."""

    def __init__(self, channel: grpc.Channel):
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = DescriptorPool(self.database)

    def services(self) -> list[str]:
        return list(self.database.get_services())

    def method(self, name: str) -> Callable:
        """The multi-callable of `package.Service/Method`, of the method's own kind."""
        service, method = name.split("/")
        descriptor = self.pool.FindServiceByName(service).FindMethodByName(method)
        request, response = message_classes(descriptor)
        kind = ("stream" if descriptor.client_streaming else "unary") + (
            "_stream" if descriptor.server_streaming else "_unary"
        )
        return getattr(self.channel, kind)(
            f"/{name}",
            request_serializer=lambda fields: to_message(request, fields).SerializeToString(),
            response_deserializer=lambda wire: to_fields(response.FromString(wire)),
        )


def message_classes(descriptor: MethodDescriptor) -> tuple[type[Message], type[Message]]:
    """The classes of a method's request and response."""
    return (
        message_factory.GetMessageClass(descriptor.input_type),
        message_factory.GetMessageClass(descriptor.output_type),
    )


def to_message(kind: type[Message], fields: dict | Message) -> Message:
    if isinstance(fields, Message):
        return fields
    return json_format.ParseDict(fields, kind())


def to_fields(message: Message) -> dict:
    # With the contract's own names; 64-bit numbers are strings, as JSON has them.
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def compile_protos(root: Path, *files: str, out: Path) -> DescriptorPool:
    """What protoc makes of the files under `root`, with no generated code."""
    well_known = resources.files("grpc_tools") / "_proto"
    include = [f"-I{root}", f"-I{well_known}", "--include_imports"]
    code = protoc.main(["protoc", *include, f"--descriptor_set_out={out}", *files])
    assert code == 0, f"protoc refuses {files}"
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    return pool


def handlers(pool: DescriptorPool, service: str, methods: dict[str, Callable]):
    """Serves the functions as methods of a service. Messages are objects of the pool's classes."""
    by_name = {}
    for name, behaviour in methods.items():
        descriptor = pool.FindServiceByName(service).FindMethodByName(name)
        request, _ = message_classes(descriptor)
        kind = ("stream" if descriptor.client_streaming else "unary") + (
            "_stream" if descriptor.server_streaming else "_unary"
        )
        by_name[name] = getattr(grpc, f"{kind}_rpc_method_handler")(
            behaviour,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
    return grpc.method_handlers_generic_handler(service, by_name)
