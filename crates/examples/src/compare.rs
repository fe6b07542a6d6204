//! Compares messages, as JSON, in whole or in what one of them names.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

use crate::misfit::{Path, Step};

/// How an answer is compared with an example's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Every field is equal.
    #[default]
    Exact,
    /// Every field that the example names is equal; lists are equally long.
    Partial,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it is.
    pub path: Path,
    /// What should be there; nothing if there should be nothing.
    pub expected: Option<Value>,
    /// What is there.
    pub actual: Option<Value>,
}

/// A message as JSON, with the fields that have their default, so that equal messages are equal
/// JSON. An `Any` that the message's own pool cannot open is left out.
pub fn in_full(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or(Value::Null)
}

/// What `full` has of the fields that `named` names: a message as it is written, and in full.
pub(crate) fn only_named(descriptor: &MessageDescriptor, named: &Value, full: &Value) -> Value {
    let (Value::Object(named), Value::Object(full)) = (named, full) else {
        return full.clone();
    };
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Value::Object(full.clone());
    }
    let mut kept = Map::new();
    for (key, named) in named {
        let field =
            descriptor.get_field_by_json_name(key).or_else(|| descriptor.get_field_by_name(key));
        let Some(field) = field else { continue };
        let name = field.json_name();
        let value = full.get(name).unwrap_or(&Value::Null);
        let value = match (field.kind(), named, value) {
            (Kind::Message(entry), Value::Object(named), Value::Object(full)) if field.is_map() => {
                match entry.map_entry_value_field().kind() {
                    Kind::Message(message) => each_named(&message, named, full),
                    _ => value.clone(),
                }
            }
            (Kind::Message(message), Value::Array(named), Value::Array(full)) => {
                let items = named.iter().zip(full);
                items.map(|(named, full)| only_named(&message, named, full)).collect()
            }
            (Kind::Message(message), named, full) => only_named(&message, named, full),
            _ => value.clone(),
        };
        kept.insert(name.to_owned(), value);
    }
    Value::Object(kept)
}

fn each_named(
    message: &MessageDescriptor,
    named: &Map<String, Value>,
    full: &Map<String, Value>,
) -> Value {
    let entries = full.iter().map(|(key, value)| {
        let named = named.get(key).unwrap_or(value);
        (key.clone(), only_named(message, named, value))
    });
    Value::Object(entries.collect())
}

/// Whether `actual`, in full, has everything that `expected` names.
pub fn contains(actual: &Value, expected: &Value) -> bool {
    differences(expected, actual, Compare::Partial).is_empty()
}

/// Where `actual` is not what is expected.
pub fn differences(expected: &Value, actual: &Value, compare: Compare) -> Vec<Difference> {
    let mut found = Vec::new();
    collect(expected, actual, compare, &Path::default(), &mut found);
    found
}

fn collect(
    expected: &Value,
    actual: &Value,
    compare: Compare,
    path: &Path,
    found: &mut Vec<Difference>,
) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                let path = path.then(Step::Field(key.clone()));
                match actual.get(key) {
                    Some(actual) => collect(value, actual, compare, &path, found),
                    // An absent field may be written as null.
                    None if value.is_null() => {}
                    None => {
                        found.push(Difference { path, expected: Some(value.clone()), actual: None })
                    }
                }
            }
            if compare == Compare::Exact {
                for (key, value) in actual {
                    if !expected.contains_key(key) && !value.is_null() {
                        let path = path.then(Step::Field(key.clone()));
                        let actual = Some(value.clone());
                        found.push(Difference { path, expected: None, actual });
                    }
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            for at in 0..expected.len().max(actual.len()) {
                let path = path.then(Step::Item(at));
                match (expected.get(at), actual.get(at)) {
                    (Some(expected), Some(actual)) => {
                        collect(expected, actual, compare, &path, found);
                    }
                    (expected, actual) => found.push(Difference {
                        path,
                        expected: expected.cloned(),
                        actual: actual.cloned(),
                    }),
                }
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(Difference {
            path: path.clone(),
            expected: Some(expected.clone()),
            actual: Some(actual.clone()),
        }),
    }
}
