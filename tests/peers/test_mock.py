"""`ahoy mock` and `ahoy test`, driven by software that we did not write."""

import json
import re
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from peers import jsontext
from peers.process import Program, binary, run

ROOT = Path(__file__).parents[2]

CONTRACT = """
syntax = "proto3";
package parcels.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
// Parcels on their way.
service ParcelService {
  // Finds one parcel.
  rpc Find(FindRequest) returns (Parcel) {
    option (google.api.http) = {get: "/v1/parcels/{id}"};
  }
  rpc Follow(FindRequest) returns (stream Parcel);
}
message FindRequest { string id = 1 [(buf.validate.field).string.min_len = 3]; }
message Parcel {
  string id = 1;
  string recipient_email = 2;
  google.protobuf.Timestamp sent_at = 3;
  uint32 weight = 4 [(buf.validate.field).uint32 = {gte: 500, lte: 600}];
}
"""

EXAMPLES = """
examples:
  - name: lost
    method: Find
    request: {id: p-lost}
    status:
      code: NOT_FOUND
      message: nobody has seen it
      details: [{"@type": type.googleapis.com/google.rpc.ErrorInfo, reason: LOST, domain: parcels}]
"""


class Mock(Program):
    """`ahoy mock` on a free port."""

    def __init__(self, folder: Path, *args: str):
        free = ["--listen", "127.0.0.1:0", "--admin", "off"]
        super().__init__(binary("ahoy"), "mock", str(folder), *free, *args)
        self.addr = self.wait_for(r"^mock listening on (\S+)$").group(1)


@pytest.fixture
def folder(tmp_path):
    contract = tmp_path / "parcels/v1/parcels.proto"
    contract.parent.mkdir(parents=True)
    contract.write_text(CONTRACT)
    (contract.parent / "parcels.examples.yaml").write_text(EXAMPLES)
    return tmp_path


def grpcurl(*args, **options):
    return run("grpcurl", "-plaintext", "-max-time", "20", *args, **options)


def find(addr: str, id: str) -> dict:
    data = json.dumps({"id": id})
    return json.loads(grpcurl("-d", data, addr, "parcels.v1.ParcelService/Find").stdout)


def buf_curl(protocol: str, addr: str, id: str, **options):
    url = f"http://{addr}/parcels.v1.ParcelService/Find"
    speak = ["--protocol", protocol, "--http2-prior-knowledge"]
    return run("buf", "curl", *speak, "-d", json.dumps({"id": id}), url, **options)


def get(url: str) -> tuple[int, dict]:
    """A GET's status and JSON."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_folder_becomes_services(folder):
    with Mock(folder) as mock:
        assert "parcels.v1.ParcelService" in grpcurl(mock.addr, "list").stdout.split()
        described = grpcurl(mock.addr, "describe", "parcels.v1.ParcelService").stdout
        assert "// Finds one parcel." in described

        parcel = find(mock.addr, "p-1")
        assert parcel["id"] == "p-1"
        assert re.fullmatch(r"[a-z.]+@example\.com", parcel["recipientEmail"])
        assert 500 <= parcel["weight"] <= 600
        assert find(mock.addr, "p-1") == parcel

        answer = grpcurl("-d", '{"id": "p-1"}', mock.addr, "parcels.v1.ParcelService/Follow")
        assert len(jsontext.split(answer.stdout)) == 3

        for protocol in ("grpc", "grpcweb", "connect"):
            assert json.loads(buf_curl(protocol, mock.addr, "p-1").stdout) == parcel
        assert get(f"http://{mock.addr}/v1/parcels/p-1") == (200, parcel)
    with Mock(folder, "--seed", "7") as other:
        assert find(other.addr, "p-1") != parcel


def test_errors_are_those_of_examples_and_rules(folder):
    with Mock(folder) as mock:
        for protocol in ("grpc", "grpcweb", "connect"):
            error = json.loads(buf_curl(protocol, mock.addr, "p-lost", ok=False).stderr)
            assert (error["code"], error["message"]) == ("not_found", "nobody has seen it")
            assert error["details"][0]["type"] == "google.rpc.ErrorInfo"
            error = json.loads(buf_curl(protocol, mock.addr, "p", ok=False).stderr)
            assert error["code"] == "invalid_argument"
            assert error["details"][0]["type"] == "google.rpc.BadRequest"
        status, error = get(f"http://{mock.addr}/v1/parcels/p-lost")
        assert (status, error["message"]) == (404, "nobody has seen it")
        status, error = get(f"http://{mock.addr}/v1/parcels/p")
        assert (status, error["details"][0]["fieldViolations"][0]["field"]) == (400, "id")


def test_it_follows_its_files(folder):
    examples = folder / "parcels/v1/parcels.examples.yaml"
    with Mock(folder) as mock:
        examples.write_text(EXAMPLES.replace("nobody has seen it", "seen again"))
        mock.wait_for("the files have changed; serving what they say now")
        request = ["-d", '{"id": "p-lost"}', mock.addr, "parcels.v1.ParcelService/Find"]
        assert "seen again" in grpcurl(*request, ok=False).stderr

        # What makes no sense changes nothing, and is told with its place.
        examples.write_text(EXAMPLES.replace("method: Find", "method: Fnd"))
        mock.wait_for(r"parcels/v1/parcels\.examples\.yaml:4:13: .*did you mean Find")
        assert "seen again" in grpcurl(*request, ok=False).stderr


def test_a_mock_passes_the_test_of_its_own_examples(tmp_path):
    proto, junit = str(ROOT / "proto"), tmp_path / "junit.xml"
    with Mock(ROOT / "proto") as mock:
        test = [binary("ahoy"), "test", mock.addr, "--proto", proto, "--junit", str(junit)]
        told = run(*test).stdout
    assert " 0 failed, 0 skipped" in told, told
    suites = ElementTree.parse(junit).getroot()
    assert {suite.get("name") for suite in suites} == {
        "hello.v1.HelloService",
        "world.v1.WorldService",
    }
    assert all(suite.get("failures") == "0" for suite in suites)


@pytest.mark.parametrize("service", ["greeter", "caller"])
def test_the_services_do_what_their_examples_say(service, request):
    addr = request.getfixturevalue(service).addr
    told = run(binary("ahoy"), "test", addr, "--proto", str(ROOT / "proto")).stdout
    assert " 0 failed" in told, told


def test_a_difference_fails_the_test(greeter, folder, tmp_path):
    hello = tmp_path / "other/hello/v1"
    hello.mkdir(parents=True)
    (hello / "hello.proto").write_text((ROOT / "proto/hello/v1/hello.proto").read_text())
    (hello / "hello.examples.yaml").write_text(
        "examples:\n  - {name: a, method: SayHello, response: {greeting: Hi}}\n"
    )
    failed = run(
        binary("ahoy"), "test", greeter.addr, "--proto", str(tmp_path / "other"), ok=False
    )
    assert failed.returncode == 1
    assert '- "Hi"\n       + "Hello, World!"' in failed.stdout
