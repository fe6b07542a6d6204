//! Editions, from descriptors that protoc made.

use formats::json::{self, ReadOptions, WriteOptions};
use formats::{Message, Schema, SchemaError, wire};

fn features() -> Message {
    let schema = Schema::decode(include_bytes!("../proto/editions.binpb")).unwrap();
    schema.message("editions.v1.Features").unwrap()
}

fn to_wire(json: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    json::to_wire(&features(), json.as_bytes(), &ReadOptions::default(), &mut wire)
        .unwrap_or_else(|error| panic!("{error}: {json}"));
    wire
}

fn from_wire(wire: &[u8]) -> String {
    let mut json = Vec::new();
    json::from_wire(&features(), wire, &WriteOptions::default(), &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

#[test]
fn features_decide_what_the_wire_has() {
    for (json, wire) in [
        // Presence.
        (r#"{"explicit":0}"#, &[0x08, 0][..]),
        (r#"{"required":0}"#, &[0x18, 0]),
        // An open enum takes every number.
        (r#"{"open":7}"#, &[0x20, 7]),
        (r#"{"closed":"CLOSED_TWO"}"#, &[0x28, 2]),
        // Packed or not.
        (r#"{"expanded":[1,2]}"#, &[0x30, 1, 0x30, 2]),
        (r#"{"packed":[1,2]}"#, &[0x3a, 2, 1, 2]),
        // Messages with a length, or between tags.
        (r#"{"prefixed":{"explicit":1}}"#, &[0x52, 2, 0x08, 1]),
        (r#"{"delimited":{"explicit":1}}"#, &[0x5b, 0x08, 1, 0x5c]),
        (r#"{"list":[{},{"text":"a"}]}"#, &[0x63, 0x64, 0x63, 0x0a, 1, b'a', 0x64]),
        (r#"{"within":{}}"#, &[0x73, 0x74]),
        (r#"{"left":{}}"#, &[0x7b, 0x7c]),
        (r#"{"[editions.v1.extended]":{}}"#, &[0xa3, 6, 0xa4, 6]),
        // Never in a map.
        (r#"{"map":{"k":{"text":"v"}}}"#, &[0x6a, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v']),
    ] {
        assert_eq!(to_wire(json), wire, "{json}");
        assert_eq!(from_wire(wire), json);
    }
    assert!(to_wire(r#"{"implicit":0}"#).is_empty());
    assert_eq!(from_wire(&[0x10, 0]), "{}");
    assert_eq!(from_wire(&[0x28, 9]), "{}", "a closed enum has no value of that number");
    let mut out = Vec::new();
    let options = ReadOptions::default();
    assert!(json::to_wire(&features(), br#"{"closed":9}"#, &options, &mut out).is_err());
    assert!(wire::check(&features(), &[0x42, 1, 0xff]).is_err());
    assert!(wire::check(&features(), &[0x4a, 1, 0xff]).is_ok());
    assert!(wire::check(&features(), &[0x73, 0x0a, 1, 0xff, 0x74]).is_ok());
}

#[test]
fn delimited_messages_merge() {
    let parts = [r#"{"delimited":{"explicit":1}}"#, r#"{"open":1}"#, r#"{"delimited":{"open":0}}"#];
    let wire: Vec<u8> = parts.iter().flat_map(|part| to_wire(part)).collect();
    assert_eq!(
        from_wire(&wire),
        r#"{"open":"OPEN_ONE","delimited":{"explicit":1,"open":"OPEN_ZERO"}}"#
    );
}

#[test]
fn what_is_no_descriptor_set_is_refused() {
    let bytes = include_bytes!("../proto/editions.binpb");
    assert!(matches!(Schema::decode(&bytes[1..]), Err(SchemaError::Decode(_))));
    // A file whose import is missing: message M { x.Y f = 1; }
    let field = [&[0x0a, 1, b'f', 0x18, 1, 0x20, 1, 0x28, 11, 0x32, 4][..], b".x.Y"].concat();
    let message = [&[0x0a, 1, b'M', 0x12, field.len() as u8][..], &field].concat();
    let file = [&[0x22, message.len() as u8][..], &message].concat();
    let set = [&[0x0a, file.len() as u8][..], &file].concat();
    let error = Schema::decode(&set).unwrap_err();
    assert_eq!(
        error.to_string(),
        "M.f: no file of the descriptor set has the type \"x.Y\"; include imports when the set is made"
    );
}
