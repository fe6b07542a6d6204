"""JSON as command-line tools read and write streams of it."""

from __future__ import annotations

import json


def join(messages: list[dict]) -> str:
    """One value after the other, as grpcurl, buf and `ahoy call` read a stream."""
    return "\n".join(json.dumps(message) for message in messages)


def split(text: str) -> list[dict]:
    """The values that stand one after the other in a text."""
    decoder = json.JSONDecoder()
    values = []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def snake(value):
    """The same value with field names as contracts write them; tools print lowerCamelCase."""
    if isinstance(value, dict):
        return {_snake(key): snake(part) for key, part in value.items()}
    if isinstance(value, list):
        return [snake(part) for part in value]
    return value


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
