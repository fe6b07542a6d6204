//! The contracts of the tests, and both ways through both transcoders.

use std::sync::LazyLock;

use formats::json::{self, ReadOptions, WriteOptions};
use formats::{Message, Schema};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

pub(crate) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    let files = protox::compile(["shop.proto", "legacy.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
});

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(&POOL));

pub(crate) const EVERYTHING: &str = "shop.v1.Everything";
pub(crate) const ORDER: &str = "shop.v1.Order";
pub(crate) const LEGACY: &str = "legacy.v1.Legacy";

pub(crate) fn message(name: &str) -> Message {
    SCHEMA.message(name).unwrap_or_else(|| panic!("no {name}"))
}

pub(crate) fn to_wire(name: &str, json: &str) -> Result<Vec<u8>, json::JsonError> {
    to_wire_with(name, json, &ReadOptions::default())
}

pub(crate) fn to_wire_with(
    name: &str,
    json: &str,
    options: &ReadOptions,
) -> Result<Vec<u8>, json::JsonError> {
    let mut out = b"before".to_vec();
    let result = json::to_wire(&message(name), json.as_bytes(), options, &mut out);
    let wire = out.split_off(6);
    assert_eq!(out, b"before");
    match result {
        Ok(()) => Ok(wire),
        Err(error) => {
            assert_eq!(wire, b"", "nothing is appended when it fails");
            Err(error)
        }
    }
}

pub(crate) fn from_wire(name: &str, wire: &[u8]) -> Result<String, json::WireError> {
    from_wire_with(name, wire, &WriteOptions::default())
}

pub(crate) fn from_wire_with(
    name: &str,
    wire: &[u8],
    options: &WriteOptions,
) -> Result<String, json::WireError> {
    let mut out = b"before{".to_vec();
    let result = json::from_wire(&message(name), wire, options, &mut out);
    let json = out.split_off(7);
    assert_eq!(out, b"before{");
    match result {
        Ok(()) => {
            let json = String::from_utf8(json).unwrap();
            serde_json::from_str::<serde_json::Value>(&json)
                .unwrap_or_else(|error| panic!("{error}: {json}"));
            Ok(json)
        }
        Err(error) => {
            assert_eq!(json, b"", "nothing is appended when it fails");
            Err(error)
        }
    }
}

/// There and back, as JSON that is written without spaces.
#[track_caller]
pub(crate) fn back(name: &str, json: &str) -> String {
    let wire = to_wire(name, json).unwrap_or_else(|error| panic!("{error}: {json}"));
    // As JSON, since comparing messages of its own is where the oracle does not come back from.
    let (ours, theirs) = (oracle(name, &wire), oracle_read(name, json));
    assert_eq!(oracle_write(&ours, false), oracle_write(&theirs, false), "{json}");
    from_wire(name, &wire).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[track_caller]
pub(crate) fn refused(name: &str, json: &str) -> String {
    match to_wire(name, json) {
        Ok(wire) => panic!("taken as {wire:x?}: {json}"),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn oracle(name: &str, wire: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(POOL.get_message_by_name(name).unwrap(), wire).unwrap()
}

/// As prost-reflect reads JSON.
pub(crate) fn oracle_read(name: &str, json: &str) -> DynamicMessage {
    let mut reader = serde_json::Deserializer::from_str(json);
    let descriptor = POOL.get_message_by_name(name).unwrap();
    DynamicMessage::deserialize(descriptor, &mut reader).unwrap()
}

/// As prost-reflect writes JSON.
pub(crate) fn oracle_write(message: &DynamicMessage, defaults: bool) -> serde_json::Value {
    let options = SerializeOptions::new().skip_default_fields(!defaults);
    plain(message.serialize_with_options(serde_json::value::Serializer, &options).unwrap())
}

/// The JSON, so that 1 and 1.0 are the same.
pub(crate) fn plain(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        other => other,
    }
}
