"""The documents and pages that a server has of itself, read by those who read such things."""

import gzip
import importlib
import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from peers.offline import offline
from peers.process import Service, binary, run

HOOKS = Path(__file__).parent / "hooks"

SERVICES = [("greeter", "hello"), ("caller", "world")]
services = pytest.mark.parametrize(("service", "name"), SERVICES)


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@services
def test_documents_validate(service, name, request):
    addr = request.getfixturevalue(service).addr
    _, headers, as_json = get(f"http://{addr}/{name}/openapi.json")
    assert headers["content-type"] == "application/json"
    document = json.loads(as_json)
    OpenAPIV31SpecValidator(document).validate()
    _, headers, as_yaml = get(f"http://{addr}/{name}/openapi.yaml")
    assert headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml) == document


def test_what_a_client_has_is_not_sent_again(greeter):
    url = f"http://{greeter.addr}/docs/scalar.js"
    status, headers, body = get(url, **{"accept-encoding": "gzip"})
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(gzip.decompress(body)) > 2 * len(body)
    known = {"accept-encoding": "gzip", "if-none-match": headers["etag"]}
    status, _, body = get(url, **known)
    assert (status, body) == (304, b"")


@services
def test_a_generated_client_calls(service, name, request, tmp_path, monkeypatch):
    addr = request.getfixturevalue(service).addr
    package = f"generated_{name}"
    source = ["--url", f"http://{addr}/{name}/openapi.json"]
    target = ["--output-path", str(tmp_path / package), "--meta", "none"]
    run("openapi-python-client", "generate", *source, *target, cwd=tmp_path)

    monkeypatch.syspath_prepend(str(tmp_path))
    try:

        def module(path):
            return importlib.import_module(f"{package}.{path}")

        def hello(method):
            return module(f"api.hello_service.hello_service_{method}")

        models = module("models")
        with module("client").Client(base_url=f"http://{addr}") as client:
            if name == "hello":
                answer = hello("say_hello").sync("Ada & Ben/C", client=client, language="de")
                assert answer.greeting == "Hallo, Ada & Ben/C!"
                ada = models.HelloV1SayHelloRequest(name="Ada")
                assert hello("say_hello_3").sync(client=client, body=ada).greeting == "Hello, Ada!"
                failed = hello("say_hello").sync_detailed("Ada", client=client, language="xx")
                assert failed.status_code == 400
                assert isinstance(failed.parsed, models.GoogleRpcStatus)
                assert "language" in failed.parsed.message
                assert failed.parsed.details[0].type_.endswith("google.rpc.BadRequest")
            else:
                place = models.WorldV1SayHelloWorldRequest(place="Oslo")
                world = module("api.world_service.world_service_say_hello_world_3")
                assert world.sync(client=client, body=place).greeting == "Hello, Oslo!"
    finally:
        for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == package]:
            del sys.modules[loaded]


# Which names and languages there are is not a matter of types, and protobuf reads null as absent.
MATTERS_OF_CONTENT = "positive_data_acceptance,negative_data_rejection"


@pytest.mark.timeout(300)
@services
def test_no_answer_is_undocumented(service, name, request, tmp_path):
    addr = request.getfixturevalue(service).addr
    run(
        "schemathesis",
        "run",
        f"http://{addr}/{name}/openapi.json",
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1"),
        # A stream may be asked to pause for a minute between two messages.
        *("-H", "X-Request-Timeout: 0.2", "--request-timeout", "20"),
        *("--exclude-checks", MATTERS_OF_CONTENT),
        env={"SCHEMATHESIS_HOOKS": "lines_of_json", "PYTHONPATH": str(HOOKS)},
        cwd=tmp_path,
        limit=240,
    )


@services
def test_the_page_works_without_internet(service, name, request):
    addr = request.getfixturevalue(service).addr
    with offline() as tab:
        page = tab.page
        page.goto(f"http://{addr}/docs")
        page.get_by_role("link", name="Docs").click()
        page.get_by_role("heading", name=f"{name.title()}Service").wait_for()

        page.get_by_role("button", name="Search").first.click()
        method = {"hello": "GreetEveryone", "world": "GreetPlaces"}[name]
        page.keyboard.type(method.removeprefix("Greet").lower())
        page.get_by_role("option", name=f"Operation: {method}").wait_for()
        page.keyboard.press("Escape")

        page.get_by_role("button", name="Test Request").first.click()
        client = page.get_by_role("dialog")
        variable = client.get_by_role("row").filter(has_text="Required").first
        variable.get_by_role("combobox").last.click()
        # What an example has is there already.
        page.keyboard.press("Control+A")
        page.keyboard.type("Oslo")
        with page.expect_response(lambda response: "/v1/" in response.url) as answer:
            client.get_by_role("button", name="Send").first.click()
        assert answer.value.url.startswith(f"http://{addr}/v1/{name}/Oslo")
        # In the language of the example.
        client.get_by_text(re.compile("Oslo.?!")).wait_for()

        assert tab.elsewhere == []
        assert tab.complaints == []


def test_pages_work_as_files(tmp_path):
    run(binary("ahoy"), "docs", "--out", str(tmp_path / "site"))
    document = json.loads((tmp_path / "site/world/openapi.json").read_text())
    OpenAPIV31SpecValidator(document).validate()
    with offline() as tab:
        tab.page.goto((tmp_path / "site/index.html").as_uri())
        tab.page.get_by_role("link", name="Docs").last.click()
        tab.page.get_by_role("heading", name="WorldService").wait_for()
        assert tab.elsewhere == []
        assert tab.complaints == []


def test_documents_of_other_contracts(tmp_path):
    shop = tmp_path / "proto/shop/v1/shop.proto"
    shop.parent.mkdir(parents=True)
    shop.write_text(
        """
        syntax = "proto3";
        package shop.v1;
        import "shop/v1/item.proto";
        // Sells.
        service ShopService { rpc Buy(Item) returns (Item); }
        """
    )
    shop.with_name("item.proto").write_text(
        'syntax = "proto3"; package shop.v1; message Item { int64 id = 1; Item next = 2; }'
    )
    out = tmp_path / "site"
    server = "https://api.example.com/base"
    args = ["--proto", str(tmp_path / "proto"), "--server", server]
    run(binary("ahoy"), "docs", "--out", str(out), *args)
    document = yaml.safe_load((out / "shop/openapi.yaml").read_text())
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": server}]
    assert list(document["paths"]) == ["/shop.v1.ShopService/Buy"]
    assert "https://api.example.com/base/shop.v1.ShopService/Buy" in (out / "index.html").read_text()

    shop.write_text(shop.read_text().replace("Buy(Item)", "Buy(Thing)"))
    failed = run(binary("ahoy"), "docs", "--out", str(out), *args, ok=False)
    assert failed.returncode == 1
    assert "Thing" in failed.stderr


def test_docs_can_be_off():
    with Service("greeter", env={"AHOY_DOCS": "off"}) as service:
        for path in ("docs", "hello/docs", "hello/openapi.json", "docs/scalar.js"):
            assert get(f"http://{service.addr}/{path}")[0] == 404
        assert get(f"http://{service.addr}/v1/hello/Ada")[0] == 200
