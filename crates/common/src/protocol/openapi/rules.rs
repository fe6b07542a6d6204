//! The rules of `buf.validate` that JSON Schema has words for. What else a rule asks for, the
//! service still checks.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value as Reflected};
use serde_json::{Map, Value, json};

/// The rules of strings and the keywords for them.
const STRING: [(&str, &str); 2] = [("min_len", "minLength"), ("max_len", "maxLength")];
/// The same of numbers.
const NUMBER: [(&str, &str); 4] = [
    ("gte", "minimum"),
    ("gt", "exclusiveMinimum"),
    ("lte", "maximum"),
    ("lt", "exclusiveMaximum"),
];
const LIST: [(&str, &str); 3] =
    [("min_items", "minItems"), ("max_items", "maxItems"), ("unique", "uniqueItems")];
const MAP: [(&str, &str); 2] = [("min_pairs", "minProperties"), ("max_pairs", "maxProperties")];
const FORMATS: [(&str, &str); 7] = [
    ("email", "email"),
    ("hostname", "hostname"),
    ("ipv4", "ipv4"),
    ("ipv6", "ipv6"),
    ("uri", "uri"),
    ("uri_ref", "uri-reference"),
    ("uuid", "uuid"),
];

/// Whether the rules say that the field has to be set.
pub(super) fn is_required(field: &FieldDescriptor) -> bool {
    rules(field).is_some_and(|rules| get(&rules, "required") == Some(json!(true)))
}

/// Adds what the rules say of a field's value.
pub(super) fn constrain(schema: &mut Map<String, Value>, field: &FieldDescriptor) {
    let Some(rules) = rules(field) else { return };
    if let Some(list) = message(&rules, "repeated") {
        copy(schema, &list, &LIST);
        if let Some(items) = message(&list, "items")
            && let Some(Value::Object(schema)) = schema.get_mut("items")
        {
            constrain_value(schema, &items, &field.kind());
        }
    } else if let Some(map) = message(&rules, "map") {
        copy(schema, &map, &MAP);
    } else {
        constrain_value(schema, &rules, &field.kind());
    }
}

fn constrain_value(schema: &mut Map<String, Value>, rules: &DynamicMessage, kind: &Kind) {
    let (group, keywords): (_, &[_]) = match kind {
        Kind::String => ("string", &STRING),
        Kind::Int32 => ("int32", &NUMBER),
        Kind::Sint32 => ("sint32", &NUMBER),
        Kind::Sfixed32 => ("sfixed32", &NUMBER),
        Kind::Uint32 => ("uint32", &NUMBER),
        Kind::Fixed32 => ("fixed32", &NUMBER),
        Kind::Float => ("float", &NUMBER),
        Kind::Double => ("double", &NUMBER),
        // Those of 64 bits are strings in JSON, and of strings nothing is less than another.
        _ => return,
    };
    let Some(rules) = message(rules, group) else { return };
    copy(schema, &rules, keywords);
    if group != "string" {
        return;
    }
    if let Some(length) = get(&rules, "len") {
        schema.insert("minLength".into(), length.clone());
        schema.insert("maxLength".into(), length);
    }
    if let Some(Value::String(pattern)) = get(&rules, "pattern")
        && is_common(&pattern)
    {
        schema.insert("pattern".into(), pattern.into());
    }
    for (rule, format) in FORMATS {
        if get(&rules, rule) == Some(json!(true)) {
            schema.insert("format".into(), format.into());
        }
    }
    if let Some(values) = get(&rules, "in") {
        schema.insert("enum".into(), values);
    }
}

/// Whether RE2, whose pattern it is, and ECMAScript read it in the same way: neither flags nor
/// classes that only one has.
fn is_common(pattern: &str) -> bool {
    !["(?", r"\A", r"\z", r"\p", r"\P", r"\Q", r"\C", "[[:"].iter().any(|own| pattern.contains(own))
}

/// The rules of a field, unless they do not hold for one that is not set: JSON has its default,
/// too, and a schema has no word for an exception.
fn rules(field: &FieldDescriptor) -> Option<DynamicMessage> {
    let pool = field.parent_pool();
    let extension = pool.get_extension_by_name("buf.validate.field")?;
    let options = field.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let rules = options.get_extension(&extension).as_message()?.clone();
    (!rules.has_field_by_name("ignore")).then_some(rules)
}

fn message(rules: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    rules.get_field_by_name(name)?.as_message().cloned()
}

fn copy(schema: &mut Map<String, Value>, rules: &DynamicMessage, keywords: &[(&str, &str)]) {
    for (rule, keyword) in keywords {
        if let Some(value) = get(rules, rule) {
            schema.insert((*keyword).to_owned(), value);
        }
    }
}

/// A rule that is set, as JSON.
fn get(rules: &DynamicMessage, name: &str) -> Option<Value> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    as_json(&*rules.get_field_by_name(name)?)
}

fn as_json(value: &Reflected) -> Option<Value> {
    Some(match value {
        Reflected::Bool(value) => json!(value),
        Reflected::I32(value) => json!(value),
        Reflected::U32(value) => json!(value),
        Reflected::U64(value) => json!(value),
        Reflected::F32(value) if value.is_finite() => json!(value),
        Reflected::F64(value) if value.is_finite() => json!(value),
        Reflected::String(value) => json!(value),
        Reflected::List(values) => values.iter().map(as_json).collect::<Option<Vec<_>>>()?.into(),
        _ => return None,
    })
}
