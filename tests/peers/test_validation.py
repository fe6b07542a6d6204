"""Rules of contracts, compared with protovalidate's own implementation: the same messages, the same
violations."""

import itertools
import json
from pathlib import Path

import grpc
import protovalidate
import pytest
from google.protobuf import json_format, message_factory
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from peers.dynamic import compile_protos
from peers.process import Program, binary

ROOT = Path(__file__).parents[2]

HEAD = """
syntax = "proto3";
package ruled.v1;
import "buf/validate/validate.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/field_mask.proto";
service Ruled { rpc Say(M) returns (M); }
enum E { E_UNSPECIFIED = 0; E_ONE = 1; E_TWO = 2; }
message Sub { string s = 1 [(buf.validate.field).string.min_len = 2]; Sub sub = 2; int32 n = 3; }
message M {
"""

TEXTS = ["", "a", "ab", "é", "ééé", "abcdef", "a b", "x-y.z", "1.2.3.4", "::1", "fe80::1%eth0"]
NUMBERS = [-1, 0, 1, 4, 5, 6, 10, 11]

FIELDS = {
    # The declaration of a field called f, and values to try.
    "string f = 1 [(buf.validate.field).string = {min_len: 2, max_bytes: 5}];": TEXTS,
    "string f = 1 [(buf.validate.field).string.len = 3];": TEXTS,
    'string f = 1 [(buf.validate.field).string = {prefix: "a", suffix: "b"}];': TEXTS,
    'string f = 1 [(buf.validate.field).string = {contains: "b", not_contains: "c"}];': TEXTS,
    'string f = 1 [(buf.validate.field).string = {in: ["a", ""], not_in: ["a"]}];': TEXTS,
    'string f = 1 [(buf.validate.field).string.pattern = "^[a-z]{2}$"];': TEXTS,
    "string f = 1 [(buf.validate.field).required = true];": TEXTS,
    "optional string f = 1 [(buf.validate.field).required = true];": [None, "", "a"],
    "optional string f = 1 [(buf.validate.field).string.min_len = 1];": [None, "", "a"],
    "string f = 1 [(buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE,"
    " (buf.validate.field).string.min_len = 2];": TEXTS,
    "google.protobuf.StringValue f = 1 [(buf.validate.field).string.min_len = 2];": [None, *TEXTS],
    "int32 f = 1 [(buf.validate.field).int32 = {gte: 1, lt: 6}];": NUMBERS,
    "int64 f = 1 [(buf.validate.field).int64 = {gt: 5, lte: 1}];": NUMBERS,
    "sint32 f = 1 [(buf.validate.field).sint32 = {in: [1, 5], not_in: [5]}];": NUMBERS,
    "sfixed64 f = 1 [(buf.validate.field).sfixed64.const = 4];": NUMBERS,
    "double f = 1 [(buf.validate.field).double = {gt: 0, lte: 5, finite: true}];": [
        *NUMBERS, "NaN", "Infinity", "-Infinity"],
    "float f = 1 [(buf.validate.field).float.lt = 5];": [*NUMBERS, "NaN", "-Infinity"],
    "bool f = 1 [(buf.validate.field).bool.const = true];": [True, False],
    "bytes f = 1 [(buf.validate.field).bytes = {min_len: 2, max_len: 4}];": ["", "YQ==", "YWJj"],
    "bytes f = 1 [(buf.validate.field).bytes.ip = true];": ["", "AAAAAA==", "YQ=="],
    "E f = 1 [(buf.validate.field).enum = {defined_only: true, not_in: [1]}];": [0, 1, 2, 3],
    "repeated int32 f = 1 [(buf.validate.field).repeated ="
    " {min_items: 1, max_items: 3, unique: true, items: {int32: {gt: 0}}}];": [
        [], [1], [0, 1], [1, 1], [1, 2, 3, 4]],
    "repeated Sub f = 1;": [[], [{}], [{"s": "ab"}, {"s": "a", "sub": {}}]],
    "map<string, int32> f = 1 [(buf.validate.field).map ="
    " {min_pairs: 1, max_pairs: 2, keys: {string: {min_len: 2}}, values: {int32: {gt: 0}}}];": [
        {}, {"ab": 1}, {"a": 0}, {"ab": 1, "bc": 2, "cd": 3}],
    "map<int32, Sub> f = 1;": [{}, {"1": {"s": "ab"}}, {"2": {}}],
    "Sub f = 1 [(buf.validate.field).required = true];": [None, {}, {"s": "ab"}],
    "Sub f = 1 [(buf.validate.field).ignore = IGNORE_ALWAYS];": [None, {}],
    "google.protobuf.Duration f = 1 [(buf.validate.field).duration ="
    " {gte: {seconds: 1}, lt: {seconds: 2}}];": [None, "0s", "1s", "1.5s", "2s", "-1s"],
    "google.protobuf.Timestamp f = 1 [(buf.validate.field).timestamp.lt_now = true];": [
        None, "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"],
    'google.protobuf.FieldMask f = 1 [(buf.validate.field).field_mask.in = "a"];': [
        "", "a", "a.b", "ab"],
    'int32 f = 1 [(buf.validate.field).cel = {id: "even", message: "even",'
    ' expression: "this % 2 == 0"}];': NUMBERS,
    'Sub f = 1 [(buf.validate.field).cel = {id: "has", message: "has",'
    ' expression: "has(this.sub) || this.n > 0"}];': [None, {"s": "ab"}, {"s": "ab", "n": 1},
                                                      {"s": "ab", "sub": {"s": "ab"}}],
    'option (buf.validate.message).oneof = {fields: ["f", "g"], required: true};'
    " string f = 1; string g = 2;": ["", "a"],
    "oneof o { option (buf.validate.oneof).required = true; string f = 1; int32 g = 2; }": [
        None, ""],
}

FORMS = {
    "email": ["a@b.c", "a", "a@b", "a@-b", "a b@c"],
    "hostname": ["a.b", "a..b", "-a", "a_b", "1.2", "a.b."],
    "ip": ["1.2.3.4", "::1", "1.2.3", "fe80::1%e"],
    "ipv4": ["1.2.3.4", "01.2.3.4", "::1"],
    "ipv6": ["::1", "::ffff:1.2.3.4", "1::2::3"],
    "uri": ["http://a/b?c#d", "a", "mailto:a@b", "http://[::1]:8/", "x:%zz", "http://a b"],
    "uri_ref": ["", "/a", "../b?c", "a:b", "1:b", "//h"],
    "address": ["a.b", "1.2.3.4", "::1", "a_b"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"],
    "tuuid": ["123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"],
    "ip_with_prefixlen": ["1.2.3.4/24", "::1/64", "1.2.3.4", "1.2.3.4/33", "1.2.3.4/024"],
    "ip_prefix": ["1.2.3.0/24", "1.2.3.4/24", "2001:db8::/32", "2001:db8::1/32"],
    "host_and_port": ["a:1", "a", "[::1]:80", "::1:80", "a:65536", "a:01"],
    "ulid": ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01"],
}
for form, values in FORMS.items():
    FIELDS[f"string f = 1 [(buf.validate.field).string.{form} = true];"] = ["", *values]
for known in ("KNOWN_REGEX_HTTP_HEADER_NAME", "KNOWN_REGEX_HTTP_HEADER_VALUE"):
    for strict in ("true", "false"):
        FIELDS[f"string f = 1 [(buf.validate.field).string = "
               f"{{well_known_regex: {known}, strict: {strict}}}];"] = [
            "", "a", ":a", "a b", "a\\u0001", "a\\n".encode().decode("unicode_escape"), ":"]


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    """A mock of every contract, each in a package of its own, and their messages."""
    folder = tmp_path_factory.mktemp("ruled")
    files = []
    for number, body in enumerate(FIELDS):
        file = folder / f"ruled/v{number}/ruled.proto"
        file.parent.mkdir(parents=True)
        file.write_text(HEAD.replace("ruled.v1", f"ruled.v{number}") + body + "\n}\n")
        files.append(str(file.relative_to(folder)))
    rules = folder / "buf/validate/validate.proto"
    rules.parent.mkdir(parents=True)
    rules.write_text((ROOT / "proto/buf/validate/validate.proto").read_text())
    pool = compile_protos(folder, *files, out=folder / "set.binpb")
    free = ["--listen", "127.0.0.1:0", "--admin", "off"]
    with Program(binary("ahoy"), "mock", str(folder), *free) as mock:
        addr = mock.wait_for(r"^mock listening on (\S+)$").group(1)
        with grpc.insecure_channel(addr) as channel:
            yield pool, channel


def path(violation) -> str:
    """A field as a path."""
    steps = []
    for element in violation.field.elements if violation.field else []:
        step = element.field_name
        if element.subscript is not None:
            step += f"[{json.dumps(element.subscript.value)}]"
        steps.append(step)
    return ".".join(steps)


def theirs(message) -> set[tuple[str, str]]:
    found = protovalidate.collect_violations(message)
    return {(path(violation.proto), reason(violation.proto.rule_id)) for violation in found}


def reason(rule: str) -> str:
    return "".join(c.upper() if c.isalnum() else "_" for c in rule)[:63].strip("_")


def ours(channel, message, number: int) -> set[tuple[str, str]]:
    say = channel.unary_unary(
        f"/ruled.v{number}.Ruled/Say",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=lambda wire: wire,
    )
    try:
        say(message, timeout=20)
        return set()
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        (detail,) = rpc_status.from_call(error).details
        found = error_details_pb2.BadRequest()
        assert detail.Unpack(found)
        return {(violation.field, violation.reason) for violation in found.field_violations}


@pytest.mark.parametrize("number", range(len(FIELDS)), ids=list(FIELDS))
def test_the_same_messages_break_the_same_rules(ruled, number):
    pool, channel = ruled
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ruled.v{number}.M"))
    body, values = list(FIELDS.items())[number]
    others = ["", "b"] if " g = 2" in body else [None]
    for value, other in itertools.product(values, others):
        fields = {} if value is None else {"f": value}
        if other:
            fields["g"] = other if "string g" in body else 1
            if body.startswith("oneof"):
                fields.pop("f", None)
        message = json_format.ParseDict(fields, kind())
        assert ours(channel, message, number) == theirs(message), fields
