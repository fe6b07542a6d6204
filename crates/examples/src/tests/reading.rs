//! Files of examples: what fits, and what is told of what does not.

use serde_json::json;

use super::pool;
use crate::{Compare, Examples, compare};

const CONTRACT: &str = r#"
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
enum State { STATE_UNSPECIFIED = 0; STATE_PAID = 1; }
message Item { string sku = 1; uint32 count = 2; }
message Order { string id = 1; State state = 2; repeated Item items = 3; map<string, Item> by_key = 4; }
message GetRequest { string id = 1; Item like = 2; optional int32 depth = 3 [(buf.validate.field).int32.lte = 99]; }
service Shop {
  rpc Get(GetRequest) returns (Order);
  rpc List(GetRequest) returns (stream Order);
  rpc Put(stream Order) returns (Item);
  rpc Talk(stream Item) returns (stream Item);
}
service Other { rpc Get(GetRequest) returns (Order); rpc Only(GetRequest) returns (Order); }
"#;

fn read(source: &str) -> Result<Examples, Vec<String>> {
    let files = [("shop/v1/shop.examples.yaml", source)];
    Examples::read(files, &pool(CONTRACT))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn full(name: &str, json: serde_json::Value) -> serde_json::Value {
    let descriptor = pool(CONTRACT).get_message_by_name(name).unwrap();
    compare::in_full(&crate::misfit::message(&descriptor, &json).unwrap())
}

#[test]
fn what_fits_is_read() {
    let examples = read(
        r#"
examples:
  - name: found
    description: One that is there.
    method: shop.v1.Shop/Get
    request: {id: o-1, like: {sku: a}}
    response:
      id: o-1
      state: STATE_PAID
      byKey: {x: {count: 1}}
  - name: missing
    method: Shop/Get
    when: {}
    status: {code: not_found, message: no such order}
  - name: rows
    method: List
    responses: [{id: a}, {id: b}]
    status: UNAVAILABLE
    compare: partial
    delay: 20ms
  - name: none-put
    method: Put
    response: {}
  - name: talk
    method: Talk
    requests: [{sku: a}, {sku: b}]
    responses: [{count: 1}, {count: 2}]
"#,
    )
    .unwrap();
    let names: Vec<_> = examples.for_method("/shop.v1.Shop/Get").map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["found", "missing"]);
    assert_eq!(examples.for_method("shop.v1.Other/Get").count(), 0);
    let found = examples.named("found").unwrap();
    assert_eq!(
        found.responses,
        [json!({"id": "o-1", "state": "STATE_PAID", "byKey": {"x": {"count": 1}}})]
    );
    assert_eq!((found.place.line, found.path().as_str()), (3, "/shop.v1.Shop/Get"));
    let rows = examples.named("rows").unwrap();
    assert_eq!(
        (rows.status.code, rows.compare, rows.delay.as_millis()),
        (14, Compare::Partial, 20)
    );
}

#[test]
fn an_example_applies_to_what_contains_its_request() {
    let examples = read(
        r#"
examples:
  - {name: a, method: Shop/Get, request: {id: o-1, like: {sku: a}}, response: {}}
  - {name: zero, method: Shop/Get, request: {id: ""}, response: {}}
  - {name: any, method: Shop/Get, request: {id: x}, when: {}, response: {}}
  - {name: two, method: Put, requests: [{id: a}, {id: b}], response: {}}
  - {name: first, method: Put, requests: [{id: a}, {id: b}], when: {id: a}, response: {}}
  - {name: talk, method: Talk, requests: [{sku: a}, {sku: b}], responses: [{count: 1}, {count: 2}]}
"#,
    )
    .unwrap();
    let applies = |name: &str, requests: &[serde_json::Value]| {
        let requests: Vec<_> = requests
            .iter()
            .map(|json| {
                let of = if name == "two" || name == "first" {
                    "shop.v1.Order"
                } else {
                    "shop.v1.GetRequest"
                };
                full(of, json.clone())
            })
            .collect();
        examples.named(name).unwrap().applies(&requests)
    };
    let both = json!({"id": "o-1", "like": {"sku": "a", "count": 3}});
    assert!(applies("a", std::slice::from_ref(&both)));
    assert!(!applies("a", &[json!({"id": "o-1"})]));
    assert!(!applies("a", &[json!({"id": "o-1", "like": {"sku": "b"}})]));
    assert!(
        applies("zero", &[json!({"depth": 1})]) && !applies("zero", std::slice::from_ref(&both))
    );
    assert!(applies("any", &[both]));
    let [a, b] = ["a", "b"].map(|id| json!({"id": id, "items": [{}]}));
    assert!(applies("two", &[a.clone(), b.clone()]));
    assert!(!applies("two", std::slice::from_ref(&a)) && !applies("two", &[b.clone(), a.clone()]));
    assert!(applies("first", &[a]) && !applies("first", &[b]) && !applies("first", &[]));
    let talk = examples.named("talk").unwrap();
    let item = |sku: &str| full("shop.v1.Item", json!({"sku": sku}));
    assert_eq!(talk.answer_to(&item("b")), Some(1));
    assert_eq!(talk.answer_to(&item("c")), None);
}

#[test]
fn what_does_not_fit_is_told_by_its_place() {
    let with = |rest: &str| format!("examples:\n  - name: a\n    method: Shop/Get\n{rest}");
    for (source, place, told) in [
        (with("    response: {idd: x}\n"), "4:16", "has no field \"idd\"; it has id"),
        (
            with("    response:\n      items:\n        - {sku: a}\n        - sku: 1\n"),
            "7:11",
            "put in quotes",
        ),
        (with("    response: {state: PAID}\n"), "4:16", "has no value \"PAID\"; it has STATE"),
        (with("    response: {byKey: {x: {y: 1}}}\n"), "4:28", "byKey[\"x\"].y"),
        (
            with("    request: {depth: many}\n    response: {}\n"),
            "4:15",
            "expected int32, not \"many\"",
        ),
        (
            with("    request: {depth: 100}\n    response: {}\n"),
            "4:14",
            "breaks the contract's rules: depth: at most 99",
        ),
        (
            with("    requests: [{}]\n    response: {}\n"),
            "4:5",
            "`requests` where the client sends one",
        ),
        (with("    response: {}\n    status: {code: NO}\n"), "5:20", "no status code"),
        (with("    response: {}\n    status: {code: ABORTED}\n"), "2:5", "has no response"),
        (with("    respnse: {}\n"), "4:5", "did you mean response"),
        (with("    status: {code: 3, details: [{a: b}]}\n"), "4:33", "@type"),
        (with("    response: {}\n    delay: 5h\n"), "5:12", "delay"),
        (with(""), "2:5", "neither a response nor a status"),
        ("examples:\n  - name: a\n    method: Onli\n".into(), "3:13", "did you mean Only?"),
        ("examples:\n  - name: a\n    method: Get\n".into(), "3:13", "several services"),
        ("examples:\n  - method: Only\n".into(), "2:5", "without a name"),
        ("example:\n  - name: a\n".into(), "1:1", "`examples`"),
        ("examples:\n  - name: [a\n".into(), "3:1", "not YAML"),
        (
            with("    response: {}\n  - {name: a, method: Only, response: {}}\n"),
            "5:5",
            "is taken on line 2",
        ),
    ] {
        let problems = read(&source).expect_err(&source);
        let place = format!("shop/v1/shop.examples.yaml:{place}: ");
        assert!(
            problems[0].starts_with(&place) && problems[0].contains(told),
            "{source}{problems:?}"
        );
    }
}

#[test]
fn every_wrong_example_is_told() {
    let source =
        "examples:\n  - {name: a, method: No, response: {}}\n  - {name: b, method: Only}\n";
    assert_eq!(read(source).unwrap_err().len(), 2);
    assert!(read("# none yet\n").unwrap().is_empty());
    let refused =
        "examples:\n  - {name: a, method: Only, request: {depth: 100}, status: INVALID_ARGUMENT}\n";
    assert!(read(refused).is_ok());
}

#[test]
fn differences_are_told_by_their_paths() {
    let expected = full("shop.v1.Order", json!({"id": "a", "items": [{"sku": "x"}]}));
    let actual = full("shop.v1.Order", json!({"id": "b", "items": [{"sku": "x"}, {}]}));
    let found = compare::differences(&expected, &actual, Compare::Exact);
    let found: Vec<_> = found.iter().map(|d| d.path.to_string()).collect();
    assert_eq!(found, ["id", "items[1]"]);
    assert!(compare::differences(&json!({"id": "b"}), &actual, Compare::Partial).is_empty());
}
