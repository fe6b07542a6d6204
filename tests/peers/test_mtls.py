"""TLS and mTLS as grpcio's client (BoringSSL) sees them."""

import grpc
import pytest
import trustme

from peers.dynamic import Dynamic
from peers.process import Service

LIMIT = 20


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """The environment of a server with a certificate that asks clients for theirs."""
    folder = tmp_path_factory.mktemp("mtls")
    leaf = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    for cert in leaf.cert_chain_pems:
        cert.write_to_path(folder / "cert.pem", append=True)
    return {
        "AHOY_TLS_CERT": str(folder / "cert.pem"),
        "AHOY_TLS_KEY": str(folder / "key.pem"),
        "AHOY_TLS_CLIENT_CA": str(folder / "ca.pem"),
    }


@pytest.fixture(scope="module")
def server(files):
    with Service("greeter", env=files) as service:
        yield f"localhost:{service.port}"


def credentials(trusted, identity=None):
    if identity is None:
        return grpc.ssl_channel_credentials(trusted.cert_pem.bytes())
    chain = b"".join(cert.bytes() for cert in identity.cert_chain_pems)
    return grpc.ssl_channel_credentials(
        trusted.cert_pem.bytes(), identity.private_key_pem.bytes(), chain
    )


def greet(addr, credentials):
    with grpc.secure_channel(addr, credentials) as channel:
        call = channel.unary_unary("/hello.v1.HelloService/SayHello")
        return call(b"", timeout=LIMIT)


def test_a_client_with_a_certificate(server, authority):
    identity = authority.issue_cert("client@example.org")
    with grpc.secure_channel(server, credentials(authority, identity)) as channel:
        call = Dynamic(channel).method("hello.v1.HelloService/SayHello")
        assert call({"name": "Ada"}, timeout=LIMIT) == {"greeting": "Hello, Ada!"}


def test_clients_without_a_good_certificate_are_refused(server, authority):
    stranger = trustme.CA().issue_cert("client@example.org")
    for identity in (None, stranger):
        with pytest.raises(grpc.RpcError) as raised:
            greet(server, credentials(authority, identity))
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_does_not_trust_the_server_leaves(server, authority):
    identity = authority.issue_cert("client@example.org")
    with pytest.raises(grpc.RpcError) as raised:
        greet(server, credentials(trustme.CA(), identity))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in raised.value.details()


def test_without_client_authority_tls_asks_for_no_certificate(files, authority):
    env = {name: path for name, path in files.items() if name != "AHOY_TLS_CLIENT_CA"}
    with Service("greeter", env=env) as service:
        answer = greet(f"localhost:{service.port}", credentials(authority))
        assert b"Hello, World!" in answer


def test_the_caller_shows_its_certificate_to_the_greeter(files, authority, server, tmp_path):
    identity = authority.issue_cert("caller@example.org")
    identity.private_key_and_cert_chain_pem.write_to_path(tmp_path / "caller.pem")
    env = {
        "AHOY_CHANNEL_CA": files["AHOY_TLS_CLIENT_CA"],
        "AHOY_CHANNEL_CERT": str(tmp_path / "caller.pem"),
        "AHOY_CHANNEL_KEY": str(tmp_path / "caller.pem"),
    }
    with (
        Service("caller", "--hello", f"https://{server}", env=env) as caller,
        grpc.insecure_channel(caller.addr) as channel,
    ):
        call = Dynamic(channel).method("world.v1.WorldService/SayHelloWorld")
        assert call({"place": "Oslo"}, timeout=LIMIT) == {"greeting": "Hello, Oslo!"}
