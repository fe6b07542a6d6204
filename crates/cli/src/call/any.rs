//! Finds the types packed into `google.protobuf.Any`, which JSON needs to know.

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};

const ANY: &str = "google.protobuf.Any";

/// Messages packed deeper than this are left as they are.
const MAX_DEPTH: usize = 32;

/// The full names of the packed types that the message's own pool does not know.
pub(crate) fn unknown_types(message: &DynamicMessage) -> BTreeSet<String> {
    let mut unknown = BTreeSet::new();
    let pool = message.descriptor().parent_pool().clone();
    collect(message, &pool, MAX_DEPTH, &mut unknown);
    unknown
}

/// Leaves out every `Any` that has no JSON form, so that the rest of the message can be shown.
pub(crate) fn clear_unknown(message: &mut DynamicMessage) {
    let lost: Vec<_> =
        message.fields().filter(|(_, value)| !can_show(value)).map(|(field, _)| field).collect();
    for field in lost {
        message.clear_field(&field);
    }
    for (_, value) in message.fields_mut() {
        match value {
            Value::List(items) => items.retain(can_show),
            Value::Map(entries) => entries.retain(|_, item| can_show(item)),
            _ => {}
        }
        for_each_message_mut(value, &mut clear_unknown);
    }
}

fn can_show(value: &Value) -> bool {
    match value {
        Value::Message(message) if message.descriptor().full_name() == ANY => {
            !type_url(message).is_empty() && unknown_types(message).is_empty()
        }
        _ => true,
    }
}

/// The last part of a type URL, which is the full name of a message.
pub(crate) fn type_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn type_url(any: &DynamicMessage) -> String {
    any.get_field_by_number(1).and_then(|url| url.as_str().map(str::to_owned)).unwrap_or_default()
}

fn collect(
    message: &DynamicMessage,
    pool: &DescriptorPool,
    depth: usize,
    unknown: &mut BTreeSet<String>,
) {
    if depth == 0 {
        return;
    }
    if message.descriptor().full_name() == ANY {
        let url = type_url(message);
        if url.is_empty() {
            return;
        }
        let Some(descriptor) = pool.get_message_by_name(type_name(&url)) else {
            unknown.insert(type_name(&url).to_owned());
            return;
        };
        let packed = message
            .get_field_by_number(2)
            .and_then(|value| value.as_bytes().cloned())
            .and_then(|bytes| DynamicMessage::decode(descriptor, bytes).ok());
        if let Some(packed) = packed {
            collect(&packed, pool, depth - 1, unknown);
        }
        return;
    }
    for (_, value) in message.fields() {
        for_each_message(value, &mut |inner| collect(inner, pool, depth - 1, unknown));
    }
}

fn for_each_message(value: &Value, visit: &mut impl FnMut(&DynamicMessage)) {
    match value {
        Value::Message(message) => visit(message),
        Value::List(items) => items.iter().for_each(|item| for_each_message(item, visit)),
        Value::Map(entries) => entries.values().for_each(|item| for_each_message(item, visit)),
        _ => {}
    }
}

fn for_each_message_mut(value: &mut Value, visit: &mut impl FnMut(&mut DynamicMessage)) {
    match value {
        Value::Message(message) => visit(message),
        Value::List(items) => items.iter_mut().for_each(|item| for_each_message_mut(item, visit)),
        Value::Map(entries) => {
            entries.values_mut().for_each(|item| for_each_message_mut(item, visit))
        }
        _ => {}
    }
}
