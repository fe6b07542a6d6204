//! Messages whose JSON is not an object of their fields.

use serde_json::{Value, json};

/// The schema of such a message, by its full name. What it is for is in its description.
///
/// See "JSON mapping" in the guide to proto3, <https://protobuf.dev/programming-guides/json>.
pub(super) fn schema(full_name: &str) -> Option<Value> {
    let schema = match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({
            "type": "string",
            "format": "date-time",
            "description": "A time in RFC 3339, such as `2026-01-31T12:00:00Z`.",
        }),
        "Duration" => json!({
            "type": "string",
            "pattern": r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?s$",
            "description": "A time span in seconds, such as `1.5s`.",
            "examples": ["1.5s"],
        }),
        "FieldMask" => json!({
            "type": "string",
            "description": "Names of fields with commas between, such as `user.displayName,photo`.",
        }),
        "Empty" => json!({ "type": "object", "description": "Nothing: `{}`." }),
        "Struct" => json!({
            "type": "object",
            "additionalProperties": true,
            "description": "Any JSON object.",
        }),
        "ListValue" => {
            json!({ "type": "array", "items": {}, "description": "Any JSON array." })
        }
        "Value" => json!({ "description": "Any JSON value." }),
        "Any" => json!({
            "type": "object",
            "properties": {
                "@type": {
                    "type": "string",
                    "description": "The type of the message, such as `type.googleapis.com/google.rpc.BadRequest`.",
                },
            },
            "required": ["@type"],
            "additionalProperties": true,
            "description": "A message of the type that `@type` names, beside its fields. A message whose \
                JSON is not an object has it as `value`.",
        }),
        "BoolValue" => wrapper(json!({ "type": ["boolean", "null"] })),
        "StringValue" => wrapper(json!({ "type": ["string", "null"] })),
        "BytesValue" => wrapper(json!({
            "type": ["string", "null"],
            "format": "byte",
            "contentEncoding": "base64",
        })),
        "Int32Value" => wrapper(json!({ "type": ["integer", "null"], "format": "int32" })),
        "UInt32Value" => {
            wrapper(json!({ "type": ["integer", "null"], "format": "uint32", "minimum": 0 }))
        }
        "Int64Value" => wrapper(
            json!({ "type": ["string", "null"], "format": "int64", "pattern": super::schema::INT64 }),
        ),
        "UInt64Value" => wrapper(
            json!({ "type": ["string", "null"], "format": "uint64", "pattern": super::schema::UINT64 }),
        ),
        "FloatValue" => wrapper(nullable_float("float")),
        "DoubleValue" => wrapper(nullable_float("double")),
        _ => return None,
    };
    Some(schema)
}

fn nullable_float(format: &str) -> Value {
    json!({ "anyOf": [
        { "type": ["number", "null"], "format": format },
        { "type": "string", "enum": super::schema::NOT_NUMBERS },
    ]})
}

fn wrapper(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), "The value, or null if it is not set.".into());
    }
    schema
}
