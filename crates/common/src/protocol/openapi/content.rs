//! Bodies: one message, or a stream of them.

use examples::Example;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::failure;
use super::schema::map_entry;

/// The messages of examples.
pub(super) type Shown<'a> = Vec<(&'a Example, Vec<&'a Value>)>;

/// One message.
pub(super) fn one(schema: Value, shown: &Shown<'_>) -> Value {
    let examples =
        examples(shown, |_, messages| messages.first().map(|message| (*message).clone()));
    json!({ "application/json": media(schema, examples) })
}

/// The messages that a client sends.
pub(super) fn requests(schema: Value, shown: &Shown<'_>) -> Value {
    let lines = examples(shown, |_, messages| Some(lines(messages.iter().copied())));
    let list = examples(shown, |_, messages| Some(json!(messages)));
    json!({
        "application/x-ndjson": media(schema.clone(), lines),
        "application/json": media(json!({ "type": "array", "items": schema }), list),
    })
}

/// The messages that a server sends, `status` being what follows the last one if the call fails.
/// The schema of a media type is that of each line, or of the data of each event: OpenAPI 3.1 has
/// no other word for it.
pub(super) fn responses(schema: Value, status: Value, shown: &Shown<'_>) -> Value {
    let lines = examples(shown, |example, messages| {
        let results = messages.iter().map(|message| json!({ "result": message }));
        let failed = (!example.status.is_ok()).then(|| json!({ "error": failure::value(example) }));
        let all: Vec<_> = results.chain(failed).collect();
        Some(lines(all.iter()))
    });
    let line = json!({
        "type": "object",
        "description": "A line: a message, or why the call failed, which is the last one.",
        "properties": { "result": schema.clone(), "error": status },
        "additionalProperties": false,
    });
    json!({
        "application/x-ndjson": media(line, lines),
        "text/event-stream": { "schema": schema },
    })
}

/// Of a `google.api.HttpBody`, which is bytes of any type.
pub(super) fn bytes() -> Value {
    json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } })
}

pub(super) fn is_bytes(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}

/// Whether a field's value is bytes of any type.
pub(super) fn holds_bytes(field: &FieldDescriptor) -> bool {
    let single = !field.is_list() && map_entry(field).is_none();
    matches!(field.kind(), Kind::Message(message) if single && is_bytes(&message))
}

fn media(schema: Value, examples: Map<String, Value>) -> Value {
    match examples.is_empty() {
        true => json!({ "schema": schema }),
        false => json!({ "schema": schema, "examples": examples }),
    }
}

fn examples(
    shown: &Shown<'_>,
    value: impl Fn(&Example, &[&Value]) -> Option<Value>,
) -> Map<String, Value> {
    let examples = shown.iter().filter_map(|(example, messages)| {
        let mut shown = Map::new();
        if !example.description.is_empty() {
            shown.insert("summary".into(), example.description.trim().into());
        }
        shown.insert("value".into(), value(example, messages)?);
        Some((example.name.clone(), shown.into()))
    });
    examples.collect()
}

fn lines<'a>(messages: impl Iterator<Item = &'a Value>) -> Value {
    messages.map(|message| format!("{message}\n")).collect::<String>().into()
}
