"""A developer's first minutes, as the README tells them: a contract of their own, a service for it;
and what the build says of a mistake in it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from peers import jsontext
from peers.process import Program, run

ROOT = Path(__file__).parents[2]
TARGET = Path(os.environ["AHOY_BIN"]).parent
BUILD_LIMIT = 600

pytestmark = pytest.mark.timeout(2 * BUILD_LIMIT)

README = (ROOT / "README.md").read_text().split("## Add a service", 1)[1]


def from_readme(language: str) -> str:
    """The first block of that language in the README's part about adding a service."""
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE).group(1)


CONTRACT = from_readme("proto")


@pytest.fixture(scope="module")
def copy():
    """The repository as it is checked in, at a path that stays the same, so that a second run
    builds only what has changed."""
    copy = TARGET / "tmp" / "peers-new-service"
    shutil.rmtree(copy, ignore_errors=True)
    for name in run("git", "ls-files", cwd=ROOT).stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            # With its times: Cargo goes by them.
            shutil.copy2(ROOT / name, copy / name)
    write(copy / "proto/orders/v1/orders.proto", CONTRACT)
    write(copy / "crates/orders/Cargo.toml", from_readme("toml"))
    write(copy / "crates/orders/src/main.rs", from_readme("rust"))
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def build(copy: Path, package: str, ok: bool = True) -> subprocess.CompletedProcess:
    # Offline: all that it needs is what the rest of the repository needs.
    env = {"CARGO_TARGET_DIR": str(TARGET), "CARGO_TERM_COLOR": "never"}
    command = ["cargo", "build", "--offline", "--package", package]
    return run(*command, cwd=copy, env=env, ok=ok, limit=BUILD_LIMIT)


def test_a_new_contract_becomes_a_service(copy):
    build(copy, "orders")
    env = {"AHOY_LISTEN": "127.0.0.1:0", "AHOY_ADMIN": "off", "AHOY_LOG_FORMAT": "json"}
    with Program(str(TARGET / "debug/orders"), env=env) as service:
        addr = service.wait_for(r'"listen":"([^"]+)"').group(1)
        method = "orders.v1.OrdersService/GetOrder"
        answer = run("grpcurl", "-plaintext", "-d", '{"id": "o-1"}', addr, method)
        assert jsontext.split(answer.stdout) == [{"customer": "Ada", "totalCents": "1995"}]
        answer = run("grpcurl", "-plaintext", addr, method, ok=False)
        assert "Code: NotFound" in answer.stderr
        answer = run("curl", "--silent", "--max-time", "20", f"http://{addr}/v1/orders/o-1")
        assert json.loads(answer.stdout) == {"customer": "Ada", "totalCents": "1995"}
        described = run("grpcurl", "-plaintext", addr, "describe", "orders.v1.OrdersService")
        assert "// Finds one order" in described.stdout
    (TARGET / "debug/orders").unlink()


ANNOTATIONS = 'import "google/api/annotations.proto";'
RULED = """import "buf/validate/validate.proto";
message Ruled {
  string a = 1 [(buf.validate.field).int32.gt = 0];
}
// Finds orders."""


@pytest.mark.parametrize(
    "right, wrong, mark, told",
    [
        ("(GetOrderRequest)", "(GetOrdrRequest)", "GetOrdrRequest", "not defined"),
        ("string customer = 1;", "string customer = 1", "uint64 total", "expected ';'"),
        ("package orders.v1;", "package order.v1;", "package", "orders/v1"),
        ("{id}", "{ident}", "option (google", "no field `ident`"),
        ("/{id}", "/{id", "option (google", "expected `}`"),
        ("// The orders", 'import "orders/v1/lost.proto"; // The orders', "import", "lost.proto"),
        ("string customer", "strin customer", "strin ", "do: did you mean string?"),
        (ANNOTATIONS, "", "option (google", f"do: write `{ANNOTATIONS}`"),
        ("// Finds orders.", RULED, "string a = 1", "rules of int32 do not fit it"),
    ],
)
def test_a_mistake_in_it_is_told_by_its_place(copy, right, wrong, mark, told):
    contract = copy / "proto/orders/v1/orders.proto"
    assert right in CONTRACT
    mistaken = CONTRACT.replace(right, wrong)
    before = mistaken[: mistaken.index(mark)].split("\n")
    place = f"{len(before)}:{len(before[-1]) + 1}"
    write(contract, mistaken)
    try:
        failed = build(copy, "contracts", ok=False)
        assert failed.returncode != 0
        assert f"--> proto/orders/v1/orders.proto:{place}" in failed.stderr, failed.stderr
        assert told in failed.stderr
        assert "= do: " in failed.stderr
    finally:
        write(contract, CONTRACT)


def test_a_mistake_in_an_example_is_told_by_its_place(copy):
    """An example that no longer fits its contract fails the build of the contracts."""
    examples = copy / "proto/hello/v1/hello.examples.yaml"
    right = examples.read_text()
    mark = 'response: { greeting: "Hello, World!" }'
    wrong = right.replace(mark, mark.replace("greeting", "greting"), 1)
    before = wrong[: wrong.index("greting")].split("\n")
    place = f"{len(before)}:{len(before[-1]) + 1}"
    write(examples, wrong)
    try:
        failed = build(copy, "contracts", ok=False)
        assert failed.returncode != 0
        assert f"--> proto/hello/v1/hello.examples.yaml:{place}" in failed.stderr, failed.stderr
        assert 'has no field "greting"; did you mean greeting?' in failed.stderr
        assert "= do: " in failed.stderr
    finally:
        write(examples, right)
