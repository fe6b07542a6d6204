//! The transcoder against `prost-reflect`.

mod generate;

use std::sync::LazyLock;

use formats::json::{self, ReadOptions, WriteOptions};
use formats::{Message, Schema};
use prost::DecodeError;
use prost::encoding::{self, DecodeContext, WireType};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};
use serde_json::Value;

pub use generate::message as generate;

/// The messages that input is taken for. The first byte of a fuzzer's input says which.
pub const MESSAGES: [&str; 3] = ["shop.v1.Everything", "shop.v1.Order", "legacy.v1.Legacy"];

/// The contracts of `formats`' own tests.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/formats/tests/proto");
    let files = protox::compile(["shop.proto", "legacy.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
});

/// The oracle's reader takes less depth than the transcoder.
const DEPTH: u32 = 40;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(&POOL));

fn read() -> ReadOptions {
    ReadOptions { max_depth: DEPTH, ..Default::default() }
}

fn write() -> WriteOptions {
    WriteOptions { max_depth: DEPTH, ..Default::default() }
}

fn message(name: &str) -> Message {
    SCHEMA.message(name).unwrap()
}

fn pick(data: &[u8]) -> (&'static str, &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    (MESSAGES[usize::from(*first) % MESSAGES.len()], rest)
}

/// Any bytes: they are refused, or become what the oracle makes of them and what is read back.
pub fn wire_to_json(data: &[u8]) {
    let (name, wire) = pick(data);
    check_wire(name, wire);
}

/// As [`wire_to_json`], for a message of that name. Gives back the JSON.
pub fn check_wire(name: &str, wire: &[u8]) -> Option<String> {
    let ours = from_wire(name, wire);
    if let Ok(json) = &ours {
        // A string that another one replaces is not looked at.
        match normalized(name, wire) {
            Ok(normal) => {
                assert_eq!(normalized(name, &normal).as_ref(), Ok(&normal), "{name}");
                let again = from_wire(name, &normal).unwrap();
                assert!(parse(&again) == parse(json), "{name}: {json} became {again}");
            }
            Err(reason) => assert!(reason.contains("not UTF-8"), "{name} {reason}"),
        }
        settled(name, json);
    }
    // The oracle keeps numbers that a closed enum does not have.
    if name != "legacy.v1.Legacy"
        && maps_are_maps(&POOL.get_message_by_name(name).unwrap(), wire).unwrap_or_default()
        && let Some(theirs) = oracle(name, wire).and_then(|message| oracle_json(&message))
    {
        match &ours {
            Ok(json) => same(&parse(json), &theirs),
            Err(reason) => assert!(stricter(reason), "{name}: {reason}"),
        }
    }
    ours.ok()
}

/// Whether no map's number has another wire type, which the oracle does not look at.
fn maps_are_maps(descriptor: &MessageDescriptor, mut wire: &[u8]) -> Result<bool, DecodeError> {
    while !wire.is_empty() {
        let (number, wire_type) = encoding::decode_key(&mut wire)?;
        let field = descriptor.get_field(number);
        if field.as_ref().is_some_and(|field| field.is_map())
            && wire_type != WireType::LengthDelimited
        {
            return Ok(false);
        }
        let before = wire;
        encoding::skip_field(wire_type, number, &mut wire, DecodeContext::default())?;
        if wire_type == WireType::LengthDelimited
            && let Some(Kind::Message(inner)) = field.map(|field| field.kind())
        {
            let mut content = &before[..before.len() - wire.len()];
            encoding::decode_varint(&mut content)?;
            if !maps_are_maps(&inner, content)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What the transcoder refuses to write on purpose, and the oracle writes.
fn stricter(reason: &str) -> bool {
    [
        "nested too deeply",
        "that holds nothing",
        "a timestamp is between",
        "a duration is at most",
        "neither NaN nor infinities",
        "would not be read from JSON",
        "is in no known contract",
    ]
    .iter()
    .any(|known| reason.contains(known))
}

/// Any text: it is refused, or becomes what the oracle makes of it, and what is written back.
pub fn json_to_wire(data: &[u8]) {
    let (name, json) = pick(data);
    let mut wire = Vec::new();
    if json::to_wire(&message(name), json, &read(), &mut wire).is_err() {
        assert!(wire.is_empty());
        return;
    }
    let ours = from_wire(name, &wire).unwrap_or_else(|error| panic!("{name}: {error}"));
    settled(name, &ours);
    if let Some(theirs) = oracle_read(name, json).and_then(|message| oracle_json(&message)) {
        same(&parse(&ours), &theirs);
    }
}

/// JSON that was written is read as the message that is written as that JSON.
fn settled(name: &str, json: &str) {
    let mut wire = Vec::new();
    json::to_wire(&message(name), json.as_bytes(), &read(), &mut wire)
        .unwrap_or_else(|error| panic!("{name} {json}: {error}"));
    let again = from_wire(name, &wire).unwrap_or_else(|error| panic!("{name} {json}: {error}"));
    // Null is every number of NullValue, and read as zero, which is not written.
    let null = json.contains("\"nullValue\":null");
    assert!(null || parse(&again) == parse(json), "{name}: {json} came back as {again}");
}

fn normalized(name: &str, wire: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    formats::wire::normalize(&message(name), wire, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn from_wire(name: &str, wire: &[u8]) -> Result<String, String> {
    let mut out = Vec::new();
    json::from_wire(&message(name), wire, &write(), &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// As the oracle reads the wire.
pub fn oracle(name: &str, wire: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(POOL.get_message_by_name(name).unwrap(), wire).ok()
}

fn oracle_read(name: &str, json: &[u8]) -> Option<DynamicMessage> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let descriptor = POOL.get_message_by_name(name).unwrap();
    let message = DynamicMessage::deserialize(descriptor, &mut reader).ok()?;
    reader.end().ok()?;
    Some(message)
}

/// As the oracle writes it.
pub fn oracle_json(message: &DynamicMessage) -> Option<Value> {
    // By way of text, since a float would become a double otherwise.
    serde_json::to_string(message).ok().map(|json| parse(&json))
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Panics with the first place where the two are not the same.
pub fn same(ours: &Value, theirs: &Value) {
    if let Some(difference) = difference(ours, theirs) {
        panic!("{difference}");
    }
}

fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let within =
        |place: String, difference: Option<String>| Some(format!("{place} {}", difference?));
    match (ours, theirs) {
        // The oracle takes minus zero for the default, which it is not.
        (Value::Object(a), Value::Object(b)) if a.values().any(minus_zero) => {
            let without = |object: &serde_json::Map<String, Value>| {
                let mut object = object.clone();
                object.retain(|_, value| !minus_zero(value));
                Value::Object(object)
            };
            difference(&without(a), &without(b))
        }
        // Whether serde_json keeps an object's order depends on what else is built.
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(key, value)| match b.get(key) {
                Some(other) => within(key.clone(), difference(value, other)),
                None => Some(format!("{key} is missing")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| within(index.to_string(), difference(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => {
            // serde_json reads floats with an error in the last places.
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let near = a == b || (a - b).abs() <= a.abs() * 1e-14 || a.abs().max(b.abs()) < 1e-300;
            (!near).then(|| format!("{a:?} is not {b:?}"))
        }
        // The oracle writes wrappers of what is no finite number as null.
        (Value::String(a), Value::Null) if ["NaN", "Infinity", "-Infinity"].contains(&&**a) => None,
        _ => (ours != theirs).then(|| format!("{ours} is not {theirs}")),
    }
}

fn minus_zero(value: &Value) -> bool {
    value.as_f64().is_some_and(|value| value == 0.0 && value.is_sign_negative())
}
