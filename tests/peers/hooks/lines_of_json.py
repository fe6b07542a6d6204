"""Lets schemathesis check streams: every line is JSON, and the last one is of the schema."""

import json

import schemathesis


@schemathesis.deserializer("application/x-ndjson")
def lines(_context, response):
    values = [json.loads(line) for line in response.content.splitlines()]
    return values[-1] if values else {}
