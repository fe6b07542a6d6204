"""The same calls for every peer: a method, the messages that go in, and those that come out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Call:
    """One call and its answer; messages are dicts, as in JSON."""

    service: str
    """Which of our programs serves it."""
    method: str
    requests: list[dict]
    responses: list[dict]


def _everyone(names: str) -> dict:
    return {"greeting": names, "count": "3", "count_by_language": {"de": "1", "en": "2"}}


CALLS = [
    pytest.param(call, id=call.method.split("/")[1])
    for call in [
        Call(
            "greeter",
            "hello.v1.HelloService/SayHello",
            [{"name": "Ada", "language": "fr"}],
            [{"greeting": "Bonjour, Ada\N{NO-BREAK SPACE}!"}],
        ),
        Call(
            "greeter",
            "hello.v1.HelloService/SayHelloManyTimes",
            [{"name": "Ada", "count": 3, "interval": "0.001s"}],
            [{"greeting": "Hello, Ada!", "sequence": n} for n in (1, 2, 3)],
        ),
        Call(
            "greeter",
            "hello.v1.HelloService/GreetEveryone",
            [{"name": "Ada"}, {"name": "Ben", "language": "de-AT"}, {"name": "Cleo"}],
            [_everyone("Hello, Ada, Ben, Cleo!")],
        ),
        Call(
            "greeter",
            "hello.v1.HelloService/Chat",
            [{"name": "Ada"}, {"name": "Ben", "language": "de"}],
            [
                {"greeting": "Hello, Ada!", "sequence": "1"},
                {"greeting": "Hallo, Ben!", "sequence": "2"},
            ],
        ),
        Call(
            "caller",
            "world.v1.WorldService/SayHelloWorld",
            [{"place": "Lisbon"}],
            [{"greeting": "Hello, Lisbon!"}],
        ),
        Call(
            "caller",
            "world.v1.WorldService/Tour",
            [{"places": ["Lisbon", "Oslo"], "count": 3}],
            [
                {"greeting": f"Hello, {place}!", "place": place, "sequence": n}
                for n, place in enumerate(["Lisbon", "Oslo", "Lisbon"], start=1)
            ],
        ),
        Call(
            "caller",
            "world.v1.WorldService/GreetPlaces",
            [{"place": "Lisbon"}, {"place": "Oslo", "language": "de"}, {"place": "Rome"}],
            [_everyone("Hello, Lisbon, Oslo, Rome!")],
        ),
        Call(
            "caller",
            "world.v1.WorldService/Converse",
            [{"place": "Lisbon"}, {"place": "Oslo", "language": "de"}],
            [
                {"greeting": "Hello, Lisbon!", "sequence": "1"},
                {"greeting": "Hallo, Oslo!", "sequence": "2"},
            ],
        ),
    ]
]
"""All four kinds of call on both services."""

UNKNOWN_LANGUAGE = {"name": "Ada", "language": "xx"}
"""A request that ends with INVALID_ARGUMENT and a `google.rpc.BadRequest`."""
