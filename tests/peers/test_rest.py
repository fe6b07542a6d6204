"""REST: curl over both versions of HTTP, Python's own client, and a WebSocket client."""

import http.client
import json
import urllib.parse

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from peers import jsontext
from peers.calls import CALLS, UNKNOWN_LANGUAGE
from peers.process import LIMIT, run

NDJSON = "application/x-ndjson"


def curl(*args, **options):
    return run("curl", "--silent", "--show-error", "--max-time", "20", *args, **options)


def results(lines: str) -> list[dict]:
    """The messages of a stream's lines, each of which has to be one."""
    return [jsontext.snake(json.loads(line)["result"]) for line in lines.splitlines()]


PATHS = {
    "SayHello": lambda message: ("GET", f"/v1/hello/{message.pop('name')}", message),
    "SayHelloManyTimes": lambda message: ("GET", f"/v1/hello/{message.pop('name')}:repeat", message),
    "GreetEveryone": lambda _: ("POST", "/v1/hello:everyone", {}),
    "Chat": lambda _: ("POST", "/v1/hello:chat", {}),
    "SayHelloWorld": lambda message: ("GET", f"/v1/world/{message.pop('place')}", message),
    "Tour": lambda message: ("GET", "/v1/world:tour", message),
    "GreetPlaces": lambda _: ("POST", "/v1/world:everyone", {}),
    "Converse": lambda _: ("POST", "/v1/world:converse", {}),
}
"""Where a method is below its contract's own paths: method, path and parameters."""


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("call", CALLS)
def test_curl(call, version, request):
    addr = request.getfixturevalue(call.service).addr
    method = call.method.split("/")[1]
    verb, path, parameters = PATHS[method](dict(call.requests[0]))
    args = [version, "--request", verb]
    if verb == "POST":
        args += ["--header", f"content-type: {NDJSON}", "--data-binary", "@-"]
    query = urllib.parse.urlencode(parameters, doseq=True)
    lines = jsontext.join(call.requests) if verb == "POST" else None
    answer = curl(*args, f"http://{addr}{path}?{query}", input=lines).stdout
    if method in ("SayHello", "SayHelloWorld", "GreetEveryone", "GreetPlaces"):
        assert [jsontext.snake(json.loads(answer))] == call.responses
    else:
        assert results(answer) == call.responses


@pytest.mark.parametrize("call", CALLS)
def test_http_client_by_the_method_s_name(call, request):
    connection = http.client.HTTPConnection(request.getfixturevalue(call.service).addr, timeout=LIMIT)
    streams = len(call.requests) > 1
    content_type = NDJSON if streams else "application/json"
    connection.request(
        "POST", f"/{call.method}", jsontext.join(call.requests), {"Content-Type": content_type}
    )
    response = connection.getresponse()
    body = response.read().decode()
    assert response.status == 200, body
    if response.headers["content-type"] == NDJSON:
        assert results(body) == call.responses
    else:
        assert [jsontext.snake(json.loads(body))] == call.responses
    connection.close()


def test_an_error_with_details(greeter, caller):
    for addr, path in [(greeter.addr, "/v1/hello"), (caller.addr, "/v1/world")]:
        connection = http.client.HTTPConnection(addr, timeout=LIMIT)
        connection.request("GET", f"{path}?language={UNKNOWN_LANGUAGE['language']}")
        response = connection.getresponse()
        status = json.loads(response.read())
        assert (response.status, status["code"]) == (400, 3)
        assert status["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
        assert status["details"][0]["fieldViolations"][0]["field"] == "language"
        connection.close()


def test_server_sent_events(caller):
    url = f"http://{caller.addr}/v1/world:tour?places=Lisbon&places=Oslo"
    events = curl("--no-buffer", "--header", "accept: text/event-stream", url).stdout.split("\n\n")
    messages = [json.loads(event.removeprefix("data: ")) for event in events[:2]]
    assert [message["place"] for message in messages] == ["Lisbon", "Oslo"]
    assert events[2:] == ["event: end\ndata: {}", ""]


@pytest.mark.parametrize("call", [c for c in CALLS if c.id in ("Chat", "Converse")])
def test_websocket(call, request):
    addr = request.getfixturevalue(call.service).addr
    _, path, _ = PATHS[call.method.split("/")[1]]({})
    with connect(f"ws://{addr}{path}", open_timeout=LIMIT, close_timeout=LIMIT) as socket:
        for message, expected in zip(call.requests, call.responses, strict=True):
            socket.send(json.dumps(message))
            assert jsontext.snake(json.loads(socket.recv(LIMIT))["result"]) == expected
        socket.ping().wait(LIMIT)
        socket.send("")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(LIMIT)
        assert closed.value.rcvd.code == 1000


def test_websocket_that_fails(greeter):
    with connect(f"ws://{greeter.addr}/v1/hello:chat", open_timeout=LIMIT) as socket:
        socket.send(json.dumps(UNKNOWN_LANGUAGE))
        error = json.loads(socket.recv(LIMIT))["error"]
        assert error["details"][0]["fieldViolations"][0]["field"] == "language"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(LIMIT)
        assert closed.value.rcvd.code == 4000 + error["code"]
        assert error["message"].startswith(closed.value.rcvd.reason)
