//! Says which field makes a JSON value no message of a type.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use crate::suggest::did_you_mean;

/// What is wrong with a JSON value, and where in it.
#[derive(Debug)]
pub struct Misfit {
    /// From the outermost field to the innermost; empty for the whole.
    pub path: Path,
    /// In words.
    pub text: String,
}

/// How much of a value is shown, in characters.
const SHOWN: usize = 60;

/// A way into a JSON value, written `items[1].count` or `bySku["a"].count`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To a field, as the JSON calls it.
    Field(String),
    /// To an item of a list.
    Item(usize),
    /// To the value of a map's key.
    Entry(String),
}

impl Path {
    /// The path one step further.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(at) => write!(f, "[{at}]")?,
                Step::Entry(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.0.is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// The message that `value` is.
///
/// # Errors
/// The innermost field that makes it none, and what it may have meant to be.
pub fn message(descriptor: &MessageDescriptor, value: &Value) -> Result<DynamicMessage, Misfit> {
    DynamicMessage::deserialize(descriptor.clone(), value).map_err(|error| {
        let found = explain(descriptor, value, &Path::default());
        found.unwrap_or_else(|| Misfit {
            path: Path::default(),
            text: format!("{}: {error}", descriptor.full_name()),
        })
    })
}

/// Walks to the innermost field that makes `value` no `descriptor`.
fn explain(descriptor: &MessageDescriptor, value: &Value, path: &Path) -> Option<Misfit> {
    let whole = DynamicMessage::deserialize(descriptor.clone(), value).err()?;
    let found = |text: String| Some(Misfit { path: path.clone(), text });
    let members = match value {
        // The well-known types have a JSON form of their own.
        Value::Object(members) if !descriptor.full_name().starts_with("google.protobuf.") => {
            members
        }
        _ if path.0.is_empty() => {
            return found(format!("the message: {whole} ({})", descriptor.full_name()));
        }
        _ => return found(format!("{whole} ({})", descriptor.full_name())),
    };
    for (key, member) in members {
        if let Some(misfit) = explain_member(descriptor, key, member, path) {
            return Some(misfit);
        }
    }
    // Each field is right; together, such as two of a oneof, they are not.
    found(whole.to_string())
}

fn explain_member(
    descriptor: &MessageDescriptor,
    key: &str,
    value: &Value,
    path: &Path,
) -> Option<Misfit> {
    let path = path.then(Step::Field(key.to_owned()));
    let field =
        descriptor.get_field_by_json_name(key).or_else(|| descriptor.get_field_by_name(key));
    let Some(field) = field else {
        if key.starts_with('[') && descriptor.get_extension_by_json_name(key).is_some() {
            return None;
        }
        let text = unknown_field(descriptor, key);
        return Some(Misfit { path, text });
    };
    let alone = Value::Object([(key.to_owned(), value.clone())].into_iter().collect());
    if DynamicMessage::deserialize(descriptor.clone(), &alone).is_ok() {
        return None;
    }
    let inner = match (value, field.kind()) {
        (Value::Object(entries), Kind::Message(entry)) if field.is_map() => {
            let kind = entry.map_entry_value_field().kind();
            entries.iter().find_map(|(key, value)| {
                explain_kind(&kind, value, &path.then(Step::Entry(key.clone())))
            })
        }
        (Value::Array(items), kind) if field.is_list() => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| explain_kind(&kind, item, &path.then(Step::Item(at))))
        }
        (value, kind) if !field.is_list() && !field.is_map() => explain_kind(&kind, value, &path),
        _ => None,
    };
    let text = || format!("expected {}, not {}", type_of(&field), shown(value));
    Some(inner.unwrap_or_else(|| Misfit { text: text(), path }))
}

/// A value as a person has written it, cut short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What is wrong with a message or an enum.
fn explain_kind(kind: &Kind, value: &Value, path: &Path) -> Option<Misfit> {
    match (kind, value) {
        (Kind::Message(message), value) => explain(message, value, path),
        (Kind::Enum(enumeration), Value::String(name)) => {
            if enumeration.get_value_by_name(name).is_some() {
                return None;
            }
            let names: Vec<_> = enumeration.values().map(|v| v.name().to_owned()).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let text = format!(
                "{} has no value {name:?}{}",
                enumeration.full_name(),
                did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("; it has {}", names.join(", ")))
            );
            Some(Misfit { path: path.clone(), text })
        }
        _ => None,
    }
}

fn unknown_field(descriptor: &MessageDescriptor, key: &str) -> String {
    let names: Vec<_> = descriptor.fields().map(|field| field.json_name().to_owned()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let hint = did_you_mean(key, names.iter().copied()).unwrap_or_else(|| {
        if names.is_empty() {
            "; it has no fields".to_owned()
        } else {
            format!("; it has {}", names.join(", "))
        }
    });
    format!("{} has no field {key:?}{hint}", descriptor.full_name())
}

fn type_of(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Bytes => "bytes in base64".to_owned(),
        kind => format!("{kind:?}"),
    };
    match () {
        () if field.is_map() => "a map (a JSON object)".to_owned(),
        () if field.is_list() => format!("a list of {kind}"),
        () => kind,
    }
}
