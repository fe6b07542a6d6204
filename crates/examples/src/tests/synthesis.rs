//! Messages that are made up.

use rules::Rules;

use super::pool;
use crate::{compare, synth};

const CONTRACT: &str = r#"
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/field_mask.proto";
enum State { STATE_UNSPECIFIED = 0; STATE_PAID = 1; STATE_SHIPPED = 2; }
message Tree { string name = 1; repeated Tree children = 2; Tree parent = 3; map<string, Tree> by_name = 4; }
message Customer { string email = 1; string first_name = 2; string phone = 3; Tree tree = 4; }
message Order {
  option (buf.validate.message).oneof = {fields: ["nick", "alias"]};
  string id = 1 [(buf.validate.field).string.uuid = true];
  State state = 2 [(buf.validate.field).enum = {defined_only: true, not_in: [0]}];
  repeated string tags = 3 [(buf.validate.field).repeated = {min_items: 4, max_items: 5, unique: true, items: {string: {max_len: 6}}}];
  map<string, uint32> counts = 4 [(buf.validate.field).map = {min_pairs: 1, keys: {string: {pattern: "^[a-z]{3}-[0-9]+$"}}, values: {uint32: {gte: 1000, lt: 1010}}}];
  string code = 5 [(buf.validate.field).string.pattern = "^(foo|bar)?[A-F0-9]{2,4}$"];
  string short = 6 [(buf.validate.field).string = {prefix: "a-", suffix: ".b", len: 9}];
  string long = 7 [(buf.validate.field).string.min_bytes = 300];
  int64 price_cents = 8 [(buf.validate.field).int64 = {gt: 100000}];
  double ratio = 9 [(buf.validate.field).double = {gte: 0.5, lt: 0.75}];
  google.protobuf.Timestamp created_at = 10 [(buf.validate.field).timestamp.lt_now = true];
  google.protobuf.Timestamp expires_at = 11 [(buf.validate.field).timestamp.gt_now = true];
  google.protobuf.Duration wait = 12 [(buf.validate.field).duration = {gte: {seconds: 1}, lte: {seconds: 2}}];
  google.protobuf.StringValue mail = 13 [(buf.validate.field).string.email = true];
  oneof pick { option (buf.validate.oneof).required = true; string card = 14; int32 iban = 15; Order nested = 16; }
  Customer customer = 17 [(buf.validate.field).required = true];
  bytes key = 18 [(buf.validate.field).bytes.len = 4];
  int32 odd = 19 [(buf.validate.field).int32 = {in: [3, 5]}];
  uint32 outside = 20 [(buf.validate.field).uint32 = {gt: 100, lt: 5}];
  google.protobuf.Struct extra = 21;
  google.protobuf.FieldMask mask = 22 [(buf.validate.field).field_mask.in = "a"];
  string nick = 23;
  string alias = 24;
  float rate = 25;
}
"#;

#[test]
fn what_is_made_up_is_within_the_rules() {
    let pool = pool(CONTRACT);
    let rules = Rules::new(&pool).unwrap();
    let order = pool.get_message_by_name("shop.v1.Order").unwrap();
    for seed in 0..300 {
        let message = synth::message(&order, seed);
        let checked = rules.check(&message);
        assert!(checked.is_ok(), "{checked:?}\n{}", compare::in_full(&message));
    }
}

#[test]
fn a_seed_makes_one_message() {
    let pool = pool(CONTRACT);
    let order = pool.get_message_by_name("shop.v1.Customer").unwrap();
    assert_eq!(synth::message(&order, 7), synth::message(&order, 7));
    assert_ne!(synth::message(&order, 7), synth::message(&order, 8));
    let made = compare::in_full(&synth::message(&order, 7));
    assert!(made["email"].as_str().unwrap().ends_with("@example.com"), "{made}");
    assert!(made["phone"].as_str().unwrap().starts_with("+1 555"), "{made}");
}

#[test]
fn recursive_messages_end() {
    let pool = pool(CONTRACT);
    let tree = pool.get_message_by_name("shop.v1.Tree").unwrap();
    let made = compare::in_full(&synth::message(&tree, 1));
    assert_eq!(made["children"], serde_json::json!([]));
    assert!(made["name"].as_str().is_some_and(|name| !name.is_empty()));
}

#[test]
fn wide_and_deep_contracts_make_messages_of_a_bounded_size() {
    let mut contract = String::from("syntax = \"proto3\"; package shop.v1;\n");
    for level in 0..10 {
        let inner = |field: usize| format!("repeated L{} f{field} = {field};", level + 1);
        let fields: String = (1..20).map(inner).collect();
        contract.push_str(&format!("message L{level} {{ string name = 100; {fields} }}\n"));
    }
    contract.push_str("message L10 { string name = 1; }\n");
    let pool = pool(&contract);
    let made = synth::message(&pool.get_message_by_name("shop.v1.L0").unwrap(), 1);
    assert!(compare::in_full(&made).to_string().len() < 500_000);
}
