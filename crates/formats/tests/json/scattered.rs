//! Messages that are several, one after the other: protobuf merges them.

use formats::json::{ReadOptions, WriteOptions, field_from_wire, field_to_wire, text_to_wire};

use crate::common::*;

/// The messages that these are, merged, against the oracle.
#[track_caller]
fn merged(name: &str, parts: &[&str]) -> String {
    let wire: Vec<u8> = parts.iter().flat_map(|part| to_wire(name, part).unwrap()).collect();
    let json = from_wire(name, &wire).unwrap();
    let written: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plain(written), oracle_write(&oracle(name, &wire), false), "{parts:?}");
    let defaults = WriteOptions { emit_defaults: true, ..Default::default() };
    from_wire_with(name, &wire, &defaults).unwrap();
    json
}

#[test]
fn the_last_scalar_counts() {
    let json = merged(ORDER, &[r#"{"id":"a","note":"b"}"#, r#"{"id":"c"}"#]);
    assert_eq!(json, r#"{"id":"c","note":"b"}"#);
    // An explicit default is the last one, too: id "", which is not written then.
    let wire = [to_wire(ORDER, r#"{"id":"a"}"#).unwrap(), vec![0x0a, 0]].concat();
    assert_eq!(from_wire(ORDER, &wire).unwrap(), "{}");
}

#[test]
fn lists_go_on_and_messages_merge() {
    let json = merged(
        ORDER,
        &[
            r#"{"items":[{"name":"a"}],"main":{"name":"m","tags":["x"]}}"#,
            r#"{"id":"i","items":[{"name":"b"}],"main":{"quantity":5,"tags":["y"],"part":{"name":"p"}}}"#,
            r#"{"main":{"part":{"quantity":9}}}"#,
        ],
    );
    assert_eq!(
        json,
        r#"{"id":"i","items":[{"name":"a"},{"name":"b"}],"#.to_owned()
            + r#""main":{"name":"m","quantity":5,"tags":["x","y"],"part":{"name":"p","quantity":9}}}"#
    );
    merged(
        LEGACY,
        &[r#"{"detail":{"depth":1}}"#, r#"{"detail":{"inner":{"plain":1}},"line":[{}]}"#],
    );
    merged(EVERYTHING, &[r#"{"rInt32":[1,2]}"#, r#"{"rString":["a"]}"#, r#"{"rInt32":[3]}"#]);
}

#[test]
fn of_a_oneof_the_last_counts() {
    let barter = r#"{"barter":{"name":"a"}}"#;
    assert_eq!(merged(ORDER, &[barter, r#"{"cash":1}"#]), r#"{"cash":1}"#);
    assert_eq!(merged(ORDER, &[r#"{"cash":1}"#, barter]), barter);
    assert_eq!(
        merged(ORDER, &[barter, r#"{"barter":{"quantity":1}}"#]),
        r#"{"barter":{"name":"a","quantity":1}}"#
    );
    // What was set between unsets the first.
    assert_eq!(
        merged(ORDER, &[barter, r#"{"cash":1}"#, r#"{"barter":{"quantity":1}}"#]),
        r#"{"barter":{"quantity":1}}"#
    );
}

#[test]
fn what_is_replaced_has_to_be_right_too() {
    // barter: a message that ends within a field, then cash.
    assert!(from_wire(ORDER, &[0x32, 1, 0x0a, 0x38, 1]).is_err());
    // by_name: an unknown value of a closed enum, then a tag that no field has.
    assert!(from_wire(LEGACY, &[0x4a, 4, 0x10, 9, 0x07, 0]).is_err());
    // card_number: no UTF-8, then cash.
    assert!(from_wire(ORDER, &[0x2a, 1, 0xff, 0x38, 1]).is_err());
}

#[test]
fn of_a_key_the_last_entry_counts() {
    assert_eq!(
        merged(
            ORDER,
            &[
                r#"{"gifts":{"a":{"name":"1"},"b":{"name":"2"}}}"#,
                r#"{"gifts":{"a":{"quantity":3}}}"#
            ]
        ),
        r#"{"gifts":{"b":{"name":"2"},"a":{"quantity":3}}}"#
    );
    let many: Vec<String> =
        (0..50).map(|n| format!(r#"{{"mInt32":{{"{}":{n}}}}}"#, n % 20)).collect();
    let json = merged(EVERYTHING, &many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(json.matches(':').count(), 21);
    // The value before the key, the key twice, and a value in two parts.
    let swapped = [0x1a, 7, 0x12, 2, 0x10, 1, 0x0a, 1, b'k'];
    assert_eq!(from_wire(ORDER, &swapped).unwrap(), r#"{"gifts":{"k":{"quantity":1}}}"#);
    let parts = [
        &[0x1a, 17, 0x12, 2, 0x10, 1, 0x0a, 1, b'k'][..],
        &[0x12, 3, 0x0a, 1, b'n', 0x0a, 1, b'l', 0x18, 0],
    ]
    .concat();
    assert_eq!(from_wire(ORDER, &parts).unwrap(), r#"{"gifts":{"l":{"name":"n","quantity":1}}}"#);
    // Neither.
    assert_eq!(from_wire(ORDER, &[0x1a, 0]).unwrap(), r#"{"gifts":{"":{}}}"#);
    // A field that an entry does not have, between a key and a value that has no default.
    let between = [0xe2, 3, 15, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0x18, 1, 0x12, 2, 0x20, 1];
    assert_eq!(from_wire(EVERYTHING, &between).unwrap(), r#"{"mSfixed64":{"9":true}}"#);
}

#[test]
fn well_known_types_merge_too() {
    for (first, second) in [
        (r#"{"timestamp":"2020-01-01T00:00:00Z"}"#, r#"{"timestamp":"1970-01-01T00:00:00.5Z"}"#),
        (r#"{"fieldMask":"a,b"}"#, r#"{"fieldMask":"c"}"#),
        (r#"{"struct":{"a":1}}"#, r#"{"struct":{"b":2,"a":3}}"#),
        (r#"{"listValue":[1]}"#, r#"{"listValue":[2]}"#),
        (r#"{"value":{"a":1}}"#, r#"{"value":{"b":[1]}}"#),
        (r#"{"value":{"a":1}}"#, r#"{"value":5}"#),
        (r#"{"value":[1]}"#, r#"{"value":[2]}"#),
        (r#"{"int32Value":5}"#, r#"{"int32Value":6}"#),
        (r#"{"stringValue":"a"}"#, r#"{"stringValue":"b"}"#),
        (
            r#"{"any":{"@type":"x/shop.v1.Item","name":"a"}}"#,
            r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#,
        ),
        (r#"{"cValue":{"a":1}}"#, r#"{"cValue":{"b":1}}"#),
        (r#"{"mSfixed64":{"1":{"a":1}}}"#, r#"{"mSfixed64":{"1":{"b":1}}}"#),
    ] {
        merged(EVERYTHING, &[first, second]);
    }
}

#[test]
fn a_thousand_levels_of_merging_take_linear_time() {
    // Every level has its field twice, so each has to be brought together.
    let mut wire = Vec::new();
    for _ in 0..90 {
        let inner = std::mem::take(&mut wire);
        for part in [&inner[..], &[0x18, 1, 0x18, 2][..]] {
            wire.extend([0x8a, 1]);
            prost::encoding::encode_varint(part.len() as u64, &mut wire);
            wire.extend(part);
        }
    }
    let json = from_wire(EVERYTHING, &wire).unwrap();
    assert_eq!(json.matches("fInt32").count(), 90);
}

#[test]
fn a_request_is_put_together_from_its_parts() {
    let options = ReadOptions::default();
    let order = message(ORDER);
    let mut wire = to_wire(ORDER, r#"{"id":"body","main":{"name":"body","quantity":1}}"#).unwrap();
    text_to_wire(&order.path("main.name").unwrap(), "path", &options, &mut wire).unwrap();
    text_to_wire(&order.path("main.part.price").unwrap(), "1.5", &options, &mut wire).unwrap();
    text_to_wire(&order.path("main.tags").unwrap(), "a", &options, &mut wire).unwrap();
    text_to_wire(&order.path("main.tags").unwrap(), "b", &options, &mut wire).unwrap();
    text_to_wire(&order.path("size").unwrap(), "SIZE_SMALL", &options, &mut wire).unwrap();
    text_to_wire(&order.path("size").unwrap(), "2", &options, &mut wire).unwrap();
    text_to_wire(&order.path("id").unwrap(), "", &options, &mut wire).unwrap();
    field_to_wire(&order.path("items").unwrap(), br#"[{"name":"i"}]"#, &options, &mut wire)
        .unwrap();
    field_to_wire(&order.path("main.part").unwrap(), br#"{"quantity":0}"#, &options, &mut wire)
        .unwrap();
    field_to_wire(&order.path("main.part.name").unwrap(), b" null ", &options, &mut wire).unwrap();
    assert_eq!(
        from_wire(ORDER, &wire).unwrap(),
        r#"{"items":[{"name":"i"}],"size":"SIZE_LARGE","main":{"name":"path","quantity":1,"#
            .to_owned()
            + r#""tags":["a","b"],"part":{"price":1.5}}}"#
    );
    let error = field_to_wire(&order.path("main.part").unwrap(), b"{\"x\":1}", &options, &mut wire);
    assert_eq!(error.unwrap_err().to_string(), "line 1, column 2: part.x: no such field");
    let error = text_to_wire(&order.path("main.quantity").unwrap(), "x", &options, &mut wire);
    assert_eq!(error.unwrap_err().to_string(), "main.quantity: expected a number");
    assert!(order.path("items.name").is_none());
    assert!(order.path("main.nope").is_none());
    assert!(order.path("id.x").is_none());
    assert!(order.path("").is_none());
}

#[test]
fn text_of_every_kind() {
    let everything = message(EVERYTHING);
    let options = ReadOptions::default();
    for (field, text, json) in [
        ("f_double", "NaN", r#"{"fDouble":"NaN"}"#),
        ("f_int64", "-5", r#"{"fInt64":"-5"}"#),
        ("fBool", "true", r#"{"fBool":true}"#),
        ("fBytes", "_w", r#"{"fBytes":"/w=="}"#),
        ("fEnum", "-1", r#"{"fEnum":"SIZE_NEGATIVE"}"#),
        ("r_int32", "5", r#"{"rInt32":[5]}"#),
        ("timestamp", "2020-01-01T00:00:00Z", r#"{"timestamp":"2020-01-01T00:00:00Z"}"#),
        ("duration", "1s", r#"{"duration":"1s"}"#),
        ("field_mask", "a,bC", r#"{"fieldMask":"a,bC"}"#),
        ("int32_value", "0", r#"{"int32Value":0}"#),
        ("string_value", "x", r#"{"stringValue":"x"}"#),
        ("bytes_value", "", r#"{"bytesValue":""}"#),
        ("value", "5", r#"{"value":"5"}"#),
        ("o_int32", "0", r#"{"oInt32":0}"#),
    ] {
        let mut wire = Vec::new();
        text_to_wire(&everything.path(field).unwrap(), text, &options, &mut wire).unwrap();
        assert_eq!(from_wire(EVERYTHING, &wire).unwrap(), json);
    }
    for (field, text) in [
        ("f_bool", "TRUE"),
        ("f_int32", ""),
        ("f_message", "{}"),
        ("m_string", "a"),
        ("struct", "{}"),
        ("timestamp", "now"),
        ("f_bytes", "*"),
        ("f_enum", "NOPE"),
    ] {
        let mut wire = b"kept".to_vec();
        let path = everything.path(field).unwrap();
        assert!(text_to_wire(&path, text, &options, &mut wire).is_err(), "{field}");
        assert_eq!(wire, b"kept");
    }
}

#[test]
fn one_field_as_json() {
    let wire = to_wire(ORDER, r#"{"id":"a","items":[{"name":"b"}],"gifts":{"x":{}}}"#).unwrap();
    let only = |field: &str| {
        let mut out = b"{".to_vec();
        let field = message(ORDER).field(field).unwrap();
        field_from_wire(&field, &wire, &WriteOptions::default(), &mut out).unwrap();
        String::from_utf8(out.split_off(1)).unwrap()
    };
    assert_eq!(only("id"), r#""a""#);
    assert_eq!(only("items"), r#"[{"name":"b"}]"#);
    assert_eq!(only("gifts"), r#"{"x":{}}"#);
    assert_eq!(only("size"), r#""SIZE_UNSPECIFIED""#);
    assert_eq!(only("main"), "{}");
    assert_eq!(only("cash"), "0");
}
