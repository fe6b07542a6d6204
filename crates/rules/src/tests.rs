#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::{CheckError, Rules};

/// Compiles a contract that may import the rules.
fn pool(source: &str) -> DescriptorPool {
    use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
    struct Sources(String);
    impl FileResolver for Sources {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            let rules = include_str!("../../../proto/buf/validate/validate.proto");
            match name {
                "buf/validate/validate.proto" => File::from_source(name, rules),
                "test.proto" => File::from_source(name, &self.0),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let mut resolver = ChainFileResolver::new();
    let head = "syntax = \"proto3\"; package t; import \"buf/validate/validate.proto\";\n";
    resolver.add(Sources(format!("{head}{source}")));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("test.proto").map_err(|error| panic!("{error:?}")).unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
}

/// What `t.M` with that JSON violates, as `field rule`.
fn broken(pool: &DescriptorPool, rules: &Rules, json: &str) -> Vec<String> {
    let descriptor = pool.get_message_by_name("t.M").unwrap();
    let mut reader = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor, &mut reader).unwrap();
    match rules.check(&message) {
        Ok(()) => Vec::new(),
        Err(CheckError::Violations(violations)) => {
            violations.iter().map(|v| format!("{} {}", v.field, v.rule)).collect()
        }
        Err(CheckError::Evaluation { rule, problem }) => vec![format!("{rule}: {problem}")],
    }
}

#[track_caller]
fn check(contract: &str, cases: &[(&str, &[&str])]) {
    let pool = pool(contract);
    let rules = Rules::new(&pool).unwrap();
    for (json, expected) in cases {
        assert_eq!(broken(&pool, &rules, json), *expected, "{json}");
    }
}

#[test]
fn texts() {
    check(
        r#"message M {
          string name = 1 [(buf.validate.field).string = {min_len: 2, max_bytes: 5}];
          string code = 2 [(buf.validate.field).string.pattern = "^[a-z]{2}$", (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
          optional string mail = 3 [(buf.validate.field).string.email = true];
          string kind = 4 [(buf.validate.field).string = {in: ["a", "b", ""], not_contains: "x"}];
        }"#,
        &[
            (r#"{"name": "Ada"}"#, &[]),
            ("{}", &["name string.min_len"]),
            (r#"{"name": "éééé"}"#, &["name string.max_bytes"]),
            (r#"{"name": "Ada", "code": "DE"}"#, &["code string.pattern"]),
            (r#"{"name": "Ada", "mail": ""}"#, &["mail string.email_empty"]),
            (r#"{"name": "Ada", "mail": "a"}"#, &["mail string.email"]),
            (r#"{"name": "Ada", "kind": "x"}"#, &["kind string.in", "kind string.not_contains"]),
        ],
    );
}

#[test]
fn numbers_and_bounds() {
    check(
        r#"enum E { E_UNSPECIFIED = 0; E_ONE = 1; }
        message M {
          int32 a = 1 [(buf.validate.field).int32 = {gte: 0, lt: 10}];
          uint64 b = 2 [(buf.validate.field).uint64 = {gt: 10, lt: 5}];
          double c = 3 [(buf.validate.field).double = {finite: true, lte: 1.5}];
          E e = 4 [(buf.validate.field).enum = {defined_only: true, not_in: [1]}];
          bool f = 5 [(buf.validate.field).bool.const = false];
        }"#,
        &[
            ("{}", &[]),
            (r#"{"a": 10}"#, &["a int32.gte_lt"]),
            (r#"{"b": 7}"#, &["b uint64.gt_lt_exclusive"]),
            (r#"{"b": "11"}"#, &[]),
            (r#"{"c": "NaN"}"#, &["c double.lte", "c double.finite"]),
            (r#"{"c": "-Infinity"}"#, &["c double.finite"]),
            (r#"{"e": 7}"#, &["e enum.defined_only"]),
            (r#"{"e": "E_ONE"}"#, &["e enum.not_in"]),
            (r#"{"f": true}"#, &["f bool.const"]),
        ],
    );
}

#[test]
fn lists_maps_and_what_is_in_them() {
    check(
        r#"message Item { string sku = 1 [(buf.validate.field).required = true]; Item inner = 2; }
        message M {
          repeated Item items = 1 [(buf.validate.field).repeated.max_items = 2];
          map<string, Item> by_key = 2 [(buf.validate.field).map.keys.string.max_len = 3];
          repeated int32 numbers = 3 [(buf.validate.field).repeated = {unique: true, items: {int32: {gt: 0}}}];
          Item free = 4 [(buf.validate.field).ignore = IGNORE_ALWAYS];
          repeated string names = 5 [(buf.validate.field).repeated.items = {required: true, string: {min_len: 2}}];
        }"#,
        &[
            ("{}", &[]),
            (r#"{"items": [{"sku": "a"}, {}]}"#, &["items[1].sku required"]),
            (r#"{"items": [{"sku": "a", "inner": {}}]}"#, &["items[0].inner.sku required"]),
            (
                r#"{"items": [{"sku": "a"}, {"sku": "a"}, {"sku": "a"}]}"#,
                &["items repeated.max_items"],
            ),
            (
                r#"{"byKey": {"long": {}}}"#,
                &["by_key[\"long\"] string.max_len", "by_key[\"long\"].sku required"],
            ),
            (r#"{"numbers": [1, 0, 1]}"#, &["numbers repeated.unique", "numbers[1] int32.gt"]),
            (r#"{"free": {}}"#, &[]),
            (r#"{"names": ["ab", ""]}"#, &["names[1] string.min_len"]),
        ],
    );
}

#[test]
fn presence_and_oneofs() {
    check(
        r#"import "google/protobuf/wrappers.proto";
        message M {
          option (buf.validate.message).oneof = {fields: ["x", "y"], required: true};
          optional int32 x = 1 [(buf.validate.field).int32.gt = 0];
          string y = 2;
          oneof pick { option (buf.validate.oneof).required = true; string a = 3; int32 b = 4; }
          google.protobuf.StringValue w = 5 [(buf.validate.field).string.min_len = 1];
          M deep = 6 [(buf.validate.field).required = false];
        }"#,
        &[
            (r#"{"x": 1, "a": ""}"#, &[]),
            (r#"{"a": ""}"#, &[" message.oneof"]),
            (r#"{"x": 1, "y": "y"}"#, &[" message.oneof", "pick required"]),
            (r#"{"x": 0, "b": 0}"#, &["x int32.gt"]),
            (r#"{"x": 1, "b": 0, "w": ""}"#, &["w string.min_len"]),
            (r#"{"x": 1, "b": 0, "deep": {"y": "a"}}"#, &["deep.pick required"]),
        ],
    );
}

#[test]
fn of_a_group_only_what_is_set_keeps_its_rules() {
    check(
        r#"message M {
          option (buf.validate.message).oneof = {fields: ["x", "y"]};
          string x = 1 [(buf.validate.field).string.min_len = 2];
          string y = 2 [(buf.validate.field).string.min_len = 2, (buf.validate.field).ignore = IGNORE_UNSPECIFIED];
        }"#,
        &[
            (r#"{"y": "ab"}"#, &[]),
            (r#"{"x": "a", "y": ""}"#, &["x string.min_len", "y string.min_len"]),
        ],
    );
}

#[test]
fn messages_in_lists_and_maps_are_passed_over_when_told_to() {
    check(
        r#"message Sub { string s = 1 [(buf.validate.field).string.min_len = 2]; }
        message M {
          repeated Sub never = 1 [(buf.validate.field).repeated.items.ignore = IGNORE_ALWAYS];
          repeated Sub set = 2 [(buf.validate.field).repeated.items.ignore = IGNORE_IF_ZERO_VALUE];
          map<string, Sub> by_key = 3 [(buf.validate.field).map.values.ignore = IGNORE_IF_ZERO_VALUE];
        }"#,
        &[
            (r#"{"never": [{}, {"s": "a"}]}"#, &[]),
            (r#"{"set": [{}, {"s": "a"}]}"#, &["set[1].s string.min_len"]),
            (r#"{"byKey": {"a": {}, "b": {"s": "a"}}}"#, &["by_key[\"b\"].s string.min_len"]),
        ],
    );
}

#[test]
fn times() {
    check(
        r#"import "google/protobuf/duration.proto"; import "google/protobuf/timestamp.proto";
        import "google/protobuf/field_mask.proto";
        message M {
          google.protobuf.Duration d = 1 [(buf.validate.field).duration = {gte: {}, lte: {seconds: 60}}];
          google.protobuf.Timestamp t = 2 [(buf.validate.field).timestamp.lt_now = true];
          google.protobuf.FieldMask m = 3 [(buf.validate.field).field_mask.in = "a"];
        }"#,
        &[
            (r#"{"d": "60s", "t": "2020-01-01T00:00:00Z", "m": "a.b,a"}"#, &[]),
            (r#"{"d": "60.000000001s"}"#, &["d duration.gte_lte"]),
            (r#"{"d": "-1s"}"#, &["d duration.gte_lte"]),
            (r#"{"t": "9000-01-01T00:00:00Z"}"#, &["t timestamp.lt_now"]),
            (r#"{"m": "ab"}"#, &["m field_mask.in"]),
        ],
    );
    assert_eq!(crate::wkt::instant(1_795_000_000_000_000_000), "2026-11-18T11:06:40Z");
    assert_eq!(crate::wkt::instant(-1), "1969-12-31T23:59:59Z");
    assert_eq!(crate::wkt::seconds(-1_500_000_000), "-1.5s");
}

#[test]
#[cfg(feature = "cel")]
fn expressions() {
    check(
        r#"import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        message Sub { int32 n = 1; }
        message M {
          option (buf.validate.message).cel = {id: "range", message: "first is over last", expression: "this.first <= this.last"};
          option (buf.validate.message).cel = {id: "sub", expression: "!has(this.sub) || this.sub.n > 0 ? '' : 'sub.n has to be positive'"};
          option (buf.validate.message).cel_expression = "!has(this.labels.a) || this.labels['a'] == 'b'";
          int32 first = 1;
          int32 last = 2;
          Sub sub = 3;
          map<string, string> labels = 4;
          string mail = 5 [(buf.validate.field).cel = {id: "mail", expression: "this == '' || this.isEmail()"}];
          repeated Sub subs = 6 [(buf.validate.field).cel = {id: "all", expression: "this.all(s, s.n < 3)"}];
          google.protobuf.Timestamp at = 7 [(buf.validate.field).cel = {id: "past", expression: "this < now"}];
          google.protobuf.StringValue w = 8;
        }"#,
        &[
            ("{}", &[]),
            (r#"{"first": 1}"#, &[" range"]),
            (r#"{"sub": {}}"#, &[" sub"]),
            (r#"{"sub": {"n": 1}}"#, &[]),
            (r#"{"labels": {"a": "b"}}"#, &[]),
            (r#"{"labels": {"a": "c"}}"#, &[" !has(this.labels.a) || this.labels['a'] == 'b'"]),
            (r#"{"mail": "a"}"#, &["mail mail"]),
            (r#"{"subs": [{"n": 1}, {"n": 3}]}"#, &["subs all"]),
            (r#"{"at": "9000-01-01T00:00:00Z"}"#, &["at past"]),
        ],
    );
}

#[test]
#[cfg(feature = "cel")]
fn functions_in_every_form() {
    const TEXTS: [&str; 12] = [
        "1.2.3.4",
        "::1",
        "1.2.3.4/8",
        "1.0.0.0/8",
        "::1/64",
        "1::/16",
        "a.b",
        "a.b:80",
        "[::1]",
        "[::1]:80",
        "::1:80",
        "1.2.3.4:1",
    ];
    for (expression, kept) in [
        ("this.isIp()", &["1.2.3.4", "::1", "::1:80"][..]),
        ("this.isIp(0)", &["1.2.3.4", "::1", "::1:80"]),
        ("this.isIp(4)", &["1.2.3.4"]),
        ("this.isIp(6)", &["::1", "::1:80"]),
        ("this.isIp(5)", &[]),
        ("this.isIp('4')", &[]),
        ("this.isIpPrefix()", &["1.2.3.4/8", "1.0.0.0/8", "::1/64", "1::/16"]),
        ("this.isIpPrefix(4)", &["1.2.3.4/8", "1.0.0.0/8"]),
        ("this.isIpPrefix(6)", &["::1/64", "1::/16"]),
        ("this.isIpPrefix(true)", &["1.0.0.0/8", "1::/16"]),
        ("this.isIpPrefix(4, true)", &["1.0.0.0/8"]),
        ("this.isIpPrefix(6, true)", &["1::/16"]),
        ("this.isIpPrefix(6, false)", &["::1/64", "1::/16"]),
        (
            "this.isHostAndPort(false)",
            &["1.2.3.4", "a.b", "a.b:80", "[::1]", "[::1]:80", "1.2.3.4:1"],
        ),
        ("this.isHostAndPort(true)", &["a.b:80", "[::1]:80", "1.2.3.4:1"]),
        ("this.isHostname()", &["a.b"]),
        ("this.isUri()", &["a.b:80"]),
    ] {
        let rules =
            format!(r#"(buf.validate.field).cel = {{id: "x", expression: "{expression}"}}"#);
        let pool = pool(&format!("message M {{ string f = 1 [{rules}]; }}"));
        let rules = Rules::new(&pool).unwrap();
        let keeps =
            |text: &&str| broken(&pool, &rules, &format!(r#"{{"f": "{text}"}}"#)).is_empty();
        assert_eq!(TEXTS.into_iter().filter(keeps).collect::<Vec<_>>(), kept, "{expression}");
    }
    check(
        r#"message M {
          optional double up = 1 [(buf.validate.field).cel = {id: "up", expression: "this.isInf(1)"}];
          optional double down = 2 [(buf.validate.field).cel = {id: "down", expression: "this.isInf(-1)"}];
          optional double any = 3 [(buf.validate.field).cel = {id: "any", expression: "this.isInf(0) && this.isInf()"}];
          repeated double unlike = 4 [(buf.validate.field).cel = {id: "unique", expression: "this.unique()"}];
          optional bytes raw = 5 [(buf.validate.field).cel =
            {id: "raw", expression: "this.startsWith(b'a') && this.contains(b'b') && this.endsWith(b'c')"}];
        }"#,
        &[
            (r#"{"up": "Infinity", "down": "-Infinity", "any": "-Infinity"}"#, &[]),
            (r#"{"up": "-Infinity", "down": "Infinity"}"#, &["up up", "down down"]),
            (r#"{"up": "NaN", "any": 1}"#, &["up up", "any any"]),
            (r#"{"unlike": [0, 1, "NaN", "NaN"]}"#, &[]),
            (r#"{"unlike": [0, -0.0]}"#, &["unlike unique"]),
            (r#"{"raw": "YWJj"}"#, &[]),
            (r#"{"raw": "YWI="}"#, &["raw raw"]),
        ],
    );
}

#[test]
fn what_cannot_be_kept_is_refused() {
    for (contract, told) in [
        ("message M { int32 a = 1 [(buf.validate.field).string.min_len = 1]; }", "those of int32"),
        ("message M { string a = 1 [(buf.validate.field).string.pattern = '(']; }", "regex"),
        (
            "message M { option (buf.validate.message).oneof = {fields: ['no']}; int32 a = 1; }",
            "no field no",
        ),
    ] {
        let error = Rules::new(&pool(contract)).unwrap_err();
        assert!(error.problem.contains(told) || error.to_string().contains(told), "{error}");
        assert!(error.of.starts_with("t.M"), "{error}");
    }
    #[cfg(feature = "cel")]
    {
        let contract = "message M { int32 a = 1 [(buf.validate.field).cel = {id: 'x', expression: 'this >'}]; }";
        assert!(Rules::new(&pool(contract)).unwrap_err().problem.contains("this >"));
    }
}

/// Rules of `t.M`, of which `this` is one.
#[cfg(feature = "cel")]
fn with_expression(expression: &str) -> Result<(DescriptorPool, Rules), crate::RuleError> {
    let contract = format!(
        r#"import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        message Sub {{ int32 n = 1; Sub next = 2; }}
        message M {{
          option (buf.validate.message).cel = {{id: "x", expression: "{expression}"}};
          string note = 1;
          Sub sub = 2;
          repeated Sub subs = 3;
          map<string, Sub> by_key = 4;
          google.protobuf.Timestamp at = 5;
          google.protobuf.StringValue w = 6;
          repeated string names = 7;
        }}"#
    );
    let pool = pool(&contract);
    Rules::new(&pool).map(|rules| (pool, rules))
}

#[test]
#[cfg(feature = "cel")]
fn an_expression_about_what_there_is_not_is_refused() {
    for (expression, told) in [
        ("this.nte != ''", "t.M has no field nte"),
        ("has(this.nte)", "t.M has no field nte"),
        ("this.note == '' || this.sub.next.next.m > 0", "t.Sub has no field m"),
        ("this.subs.all(s, s.m > 0)", "t.Sub has no field m"),
        ("this.subs[0].m > 0", "t.Sub has no field m"),
        ("this.by_key['a'].m > 0 || this.by_key.a.n > 0", "t.Sub has no field m"),
        ("this.subs.n > 0", "a list has no field n"),
        ("this.note.n > 0", "string has no field n"),
        ("this.by_key.all(k, k.n > 0)", "string has no field n"),
        ("tihs.note != ''", "there is no tihs"),
        ("this.note.isEmial()", "there is no isEmial"),
        ("siez(this.note) > 0", "there is no siez"),
        ("this.subs.exists(s, t.n > 0)", "there is no t"),
    ] {
        let error = with_expression(expression).map(drop).unwrap_err();
        assert!(error.problem.contains(told), "{expression}: {error}");
    }
    for expression in [
        "this.note != '' && size(this.note) < 9 && this.note.isEmail()",
        "has(this.sub) ? this.sub.next.n > 0 : this.names.all(n, n.startsWith('a'))",
        "this.subs.filter(s, s.n > 0).map(s, s.next).all(s, s.n > 0)",
        "this.by_key.all(k, k != '' && this.by_key[k].n > 0) && this.by_key.a.n > 0",
        "this.at < now && this.at.getFullYear() > 2000 && this.w != 'a'",
        "type(this.note) == string && [1].exists(x, [2].all(y, x < y)) && {'a': this.note}.a == ''",
        "this.names[0].size() > int(duration('1s').getSeconds()) && this.names.unique()",
        "!has(this.by_key.a) || this.note.matches('a') || optional.of(1).hasValue()",
    ] {
        with_expression(expression).map(drop).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
#[cfg(feature = "cel")]
fn what_cannot_be_evaluated_is_not_the_message_s_fault() {
    let (pool, rules) = with_expression("this.names[0] != ''").unwrap();
    assert_eq!(broken(&pool, &rules, r#"{"names": ["a"]}"#), [""; 0]);
    assert_eq!(broken(&pool, &rules, r#"{"names": [""]}"#), [" x"]);
    let unknown = broken(&pool, &rules, "{}");
    assert!(unknown[0].starts_with("x: Index out of bounds"), "{unknown:?}");
    let (pool, rules) = with_expression("1").unwrap();
    assert_eq!(broken(&pool, &rules, "{}"), ["x: it is neither a bool nor a text"]);
    // What is broken is told.
    let contract = "message M { repeated int32 a = 1 [(buf.validate.field).repeated.min_items = 1,
        (buf.validate.field).cel = {id: 'x', expression: 'this[0] > 0'}]; }";
    check(contract, &[("{}", &["a repeated.min_items"])]);
}

#[test]
fn a_mistake_has_its_line() {
    let contract = "message M {\n  string b = 2;\n  int32 a = 1 [\n    (buf.validate.field).required = true,\n\
        \x20   (buf.validate.field).string.min_len = 1];\n}";
    let error = Rules::new(&pool(contract)).unwrap_err();
    assert!(error.to_string().starts_with("test.proto:5: the rules of t.M.a: "), "{error}");
}

#[test]
fn messages_without_rules_do_not_matter() {
    let pool = pool(
        "message Plain { int32 a = 1; Plain inner = 2; }
        message M { repeated Plain plain = 1; Deep deep = 2; }
        message Deep { Deep deep = 1; Leaf leaf = 2; }
        message Leaf { string a = 1 [(buf.validate.field).required = true]; }",
    );
    let rules = Rules::new(&pool).unwrap();
    for (name, matters) in [("t.Plain", false), ("t.M", true), ("t.Deep", true), ("t.Leaf", true)] {
        assert_eq!(rules.has(name), matters, "{name}");
    }
}

#[test]
fn what_is_told_is_bounded() {
    let pool = pool(
        "message M { repeated string a = 1 [(buf.validate.field).repeated.items.string.len = 1]; }",
    );
    let rules = Rules::new(&pool).unwrap();
    let json = format!(r#"{{"a": [{}]}}"#, vec!["\"long\""; 1000].join(","));
    assert_eq!(broken(&pool, &rules, &json).len(), crate::MAX_VIOLATIONS);
}

#[test]
#[cfg(feature = "cel")]
fn how_much_is_evaluated_is_bounded() {
    let contract = "message M { repeated int32 a = 1 [(buf.validate.field).repeated.items.cel = {id: 'x', expression: 'this > 0'}];
        repeated int32 b = 2 [(buf.validate.field).repeated.max_items = 2, (buf.validate.field).cel = {id: 'y', expression: 'this.all(n, n > 0)'}]; }";
    let pool = pool(contract);
    let rules = Rules::new(&pool).unwrap();
    let many = |field: &str, value: &str, count: usize| {
        broken(&pool, &rules, &format!(r#"{{"{field}": [{}]}}"#, vec![value; count].join(",")))
    };
    assert_eq!(many("a", "1", 9_999), [""; 0]);
    assert_eq!(many("a", "1", 10_001), ["a[10000] too_many"]);
    assert_eq!(many("b", "0", 2), ["b y"]);
    assert_eq!(many("b", "0", 3), ["b repeated.max_items"]);
}
