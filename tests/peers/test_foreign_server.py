"""A grpcio server: `ahoy call` learns and calls its methods; our caller uses it as its hello."""

import grpc
import pytest
import trustme

from peers import foreign, jsontext
from peers.dynamic import Dynamic
from peers.process import Service, binary, run

LIMIT = 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, and the file to trust it by."""
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return authority, str(file)


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(request, authority, tmp_path_factory):
    """The server's URL, and the arguments of `ahoy call` that make it trusted."""
    out = tmp_path_factory.mktemp("foreign")
    if request.param == "plain":
        with foreign.greeter(out) as addr:
            yield f"http://{addr}", []
        return
    ca, file = authority
    leaf = ca.issue_cert("localhost")
    chain = b"".join(cert.bytes() for cert in leaf.cert_chain_pems)
    tls = grpc.ssl_server_credentials([(leaf.private_key_pem.bytes(), chain)])
    with foreign.greeter(out, tls) as addr:
        port = addr.rsplit(":", 1)[1]
        yield f"https://localhost:{port}", ["--cacert", file]


def call(server, *args, **options):
    url, trust = server
    return run(binary("ahoy"), "call", url, *args, *trust, **options)


def test_list_and_describe(server):
    assert foreign.SERVICE in call(server, "list").stdout.split()
    assert "Chat" in call(server, "list", "HelloService").stdout
    assert "uint32 count" in call(server, "describe", "SayHelloManyTimesRequest").stdout


@pytest.mark.parametrize(
    "method, requests, responses",
    [
        ("SayHello", [{"name": "Ada"}], [{"greeting": "Ahoy from Python, Ada!"}]),
        (
            "SayHelloManyTimes",
            [{"name": "Ada", "count": 2}],
            [{"greeting": "Ahoy from Python, Ada!", "sequence": n} for n in (1, 2)],
        ),
        (
            "GreetEveryone",
            [{"name": "Ada"}, {"name": "Ben"}],
            [
                {
                    "greeting": "Ahoy from Python, Ada, Ben!",
                    "count": "2",
                    "count_by_language": {"en": "2"},
                }
            ],
        ),
        (
            "Chat",
            [{"name": "Ada"}, {"name": "Ben"}],
            [
                {"greeting": "Ahoy from Python, Ada!", "sequence": "1"},
                {"greeting": "Ahoy from Python, Ben!", "sequence": "2"},
            ],
        ),
    ],
)
def test_call(server, method, requests, responses):
    answer = call(server, method, "-d", "@", input=jsontext.join(requests))
    assert jsontext.snake(jsontext.split(answer.stdout)) == responses


def test_headers_and_errors_are_shown(server):
    answer = call(server, "SayHello", "-v")
    assert "served-by: grpcio" in answer.stderr
    refused = call(server, "SayHello", "-d", '{"language": "fr"}', ok=False)
    assert refused.returncode == 64 + 3
    assert "English only" in refused.stderr


@pytest.mark.parametrize("server", ["tls"], indirect=True)
def test_a_certificate_of_an_unknown_authority_is_refused(server):
    url, _ = server
    refused = run(binary("ahoy"), "call", url, "list", ok=False)
    assert refused.returncode == 1
    assert "--cacert" in refused.stderr


def test_the_caller_calls_it(server):
    """All four kinds, through our channel."""
    url, trust = server
    env = {"AHOY_CHANNEL_CA": trust[1]} if trust else None
    with (
        Service("caller", "--hello", url, env=env) as caller,
        grpc.insecure_channel(caller.addr) as channel,
    ):
        world = Dynamic(channel)
        ahoy = "Ahoy from Python, Oslo!"

        say = world.method("world.v1.WorldService/SayHelloWorld")
        assert say({"place": "Oslo"}, timeout=LIMIT) == {"greeting": ahoy}
        with pytest.raises(grpc.RpcError) as raised:
            say({"language": "fr"}, timeout=LIMIT)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert raised.value.details() == "English only"

        tour = world.method("world.v1.WorldService/Tour")
        assert len(list(tour({"count": 100}, timeout=LIMIT))) == 100

        places = [{"place": "Oslo"}] * 3
        everyone = world.method("world.v1.WorldService/GreetPlaces")
        assert everyone(iter(places), timeout=LIMIT)["count"] == "3"

        converse = world.method("world.v1.WorldService/Converse")
        answers = [answer["greeting"] for answer in converse(iter(places), timeout=LIMIT)]
        assert answers == [ahoy] * 3
