"""The system under test: our programs, started once, on ports that were free."""

import grpc
import pytest

from peers.dynamic import Dynamic
from peers.process import Service


@pytest.fixture(scope="session")
def greeter():
    with Service("greeter") as service:
        yield service


@pytest.fixture(scope="session")
def caller(greeter):
    with Service("caller", "--hello", f"http://{greeter.addr}") as service:
        yield service


@pytest.fixture(scope="session")
def hello(greeter):
    """`hello.v1.HelloService` through reflection."""
    with grpc.insecure_channel(greeter.addr) as channel:
        yield Dynamic(channel)


@pytest.fixture(scope="session")
def world(caller):
    """`world.v1.WorldService` through reflection."""
    with grpc.insecure_channel(caller.addr) as channel:
        yield Dynamic(channel)


def pytest_addoption(parser):
    parser.addoption("--compose", action="store_true", help="run the compose file, too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--compose"):
        skip = pytest.mark.skip(reason="needs Docker: ask for it with --compose")
        for item in items:
            if item.get_closest_marker("compose"):
                item.add_marker(skip)
