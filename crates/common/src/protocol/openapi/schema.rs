//! Messages and enums as JSON Schema, as protobuf's JSON mapping has them.

use std::collections::{BTreeMap, HashSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value, json};

use super::behavior::{Behavior, behaviors, is_deprecated};
use super::comments::Comments;
use super::{rules, well_known};
use crate::protocol::rest::RestSettings;

/// The decimals of an `int64`, whose JSON is a string.
pub(super) const INT64: &str = "^(0|-?[1-9][0-9]{0,18})$";
/// The same of a `uint64`.
pub(super) const UINT64: &str = "^(0|[1-9][0-9]{0,19})$";
/// The values of a `double` that JSON has no numbers for.
pub(super) const NOT_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The schemas of a document, each under the full name of its message or enum. What is asked for
/// is described once, with all that it refers to.
pub(super) struct Schemas<'a> {
    comments: &'a Comments,
    /// Fields have the contract's names instead of lowerCamelCase.
    pub(super) proto_names: bool,
    /// What a message does not have is passed over instead of refused.
    ignore_unknown: bool,
    components: BTreeMap<String, Value>,
    named: HashSet<String>,
    pending: Vec<Definition>,
}

enum Definition {
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

impl<'a> Schemas<'a> {
    pub(super) fn new(comments: &'a Comments, settings: RestSettings) -> Self {
        Self {
            comments,
            proto_names: settings.proto_names,
            ignore_unknown: settings.ignore_unknown,
            components: BTreeMap::new(),
            named: HashSet::new(),
            pending: Vec::new(),
        }
    }

    /// The name of a field in JSON.
    pub(super) fn name<'f>(&self, field: &'f FieldDescriptor) -> &'f str {
        if self.proto_names { field.name() } else { field.json_name() }
    }

    /// Every schema that was referred to.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        while let Some(definition) = self.pending.pop() {
            let (name, schema) = match &definition {
                Definition::Message(message) => {
                    (message.full_name(), self.describe(message, |_| true))
                }
                Definition::Enum(enumeration) => {
                    (enumeration.full_name(), self.describe_enum(enumeration))
                }
            };
            self.components.insert(name.to_owned(), schema);
        }
        self.components.into_iter().collect()
    }

    /// Adds a schema that comes from no contract, or takes the place of a message's, and refers
    /// to it.
    pub(super) fn own(&mut self, name: &str, schema: impl FnOnce() -> Value) -> Value {
        if self.named.insert(name.to_owned()) {
            self.components.insert(name.to_owned(), schema());
        }
        reference(name)
    }

    /// Refers to a message.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        if self.named.insert(message.full_name().to_owned()) {
            self.pending.push(Definition::Message(message.clone()));
        }
        reference(message.full_name())
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptor) -> Value {
        if enumeration.full_name() == "google.protobuf.NullValue" {
            return json!({ "type": "null" });
        }
        if self.named.insert(enumeration.full_name().to_owned()) {
            self.pending.push(Definition::Enum(enumeration.clone()));
        }
        reference(enumeration.full_name())
    }

    /// A message, of its fields those that are `shown`.
    pub(super) fn describe(
        &mut self,
        message: &MessageDescriptor,
        shown: impl Fn(&FieldDescriptor) -> bool,
    ) -> Value {
        if let Some(schema) = well_known::schema(message.full_name()) {
            return schema;
        }
        let fields: Vec<_> = message.fields().filter(|field| shown(field)).collect();
        let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        describe(&mut schema, self.comments.of(message).to_owned());
        if is_deprecated(&message.options()) {
            schema.insert("deprecated".into(), true.into());
        }
        let properties: Map<_, _> =
            fields.iter().map(|field| (self.name(field).to_owned(), self.field(field))).collect();
        if !properties.is_empty() {
            schema.insert("properties".into(), properties.into());
        }
        let required: Vec<_> = fields
            .iter()
            .filter(|field| is_required(field))
            .map(|field| self.name(field))
            .collect();
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        let exclusive: Map<_, _> =
            message.oneofs().flat_map(|oneof| self.exclusions(&oneof)).collect();
        if !exclusive.is_empty() {
            schema.insert("dependentSchemas".into(), exclusive.into());
        }
        if !self.ignore_unknown {
            schema.insert("additionalProperties".into(), false.into());
        }
        schema.into()
    }

    fn describe_enum(&self, enumeration: &EnumDescriptor) -> Value {
        let values: Vec<_> = enumeration.values().collect();
        let names: Vec<_> = values.iter().map(|value| value.name()).collect();
        let mut schema = Map::from_iter([
            ("type".to_owned(), json!("string")),
            ("enum".to_owned(), json!(names)),
        ]);
        describe(&mut schema, self.comments.of(enumeration).to_owned());
        if is_deprecated(&enumeration.options()) {
            schema.insert("deprecated".into(), true.into());
        }
        let said: Vec<_> = values
            .iter()
            .map(|value| {
                let comment = self.comments.of(value);
                match is_deprecated(&value.options()) {
                    true => join(["Deprecated.", comment], " "),
                    false => comment.to_owned(),
                }
            })
            .collect();
        if said.iter().any(|comment| !comment.is_empty()) {
            schema.insert("x-enum-descriptions".into(), said.into());
        }
        schema.into()
    }

    /// A field, with what is said of it.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let schema = if let Some((key, value)) = map_entry(field) {
            let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
            if let Some(keys) = keys(&key.kind()) {
                schema.insert("propertyNames".into(), keys);
            }
            schema.insert("additionalProperties".into(), self.value(&value.kind()));
            schema.into()
        } else if field.is_list() {
            json!({ "type": "array", "items": self.value(&field.kind()) })
        } else {
            self.value(&field.kind())
        };
        self.annotate(schema, field)
    }

    /// A field that a path or a query holds as text, without what is said of it.
    pub(super) fn text(&mut self, field: &FieldDescriptor) -> Value {
        let value = match field.kind() {
            // Text has no null: a wrapper is what it wraps.
            Kind::Message(wrapper) if wrapper.full_name().ends_with("Value") => {
                match wrapper.get_field(1) {
                    Some(wrapped) => self.value(&wrapped.kind()),
                    None => json!({ "type": "string" }),
                }
            }
            kind => self.value(&kind),
        };
        let mut schema = match field.is_list() {
            true => json!({ "type": "array", "items": value }),
            false => value,
        };
        if let Some(schema) = schema.as_object_mut() {
            rules::constrain(schema, field);
        }
        schema
    }

    /// One value of this kind.
    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double => float("double"),
            Kind::Float => float("float"),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64", "pattern": INT64 })
            }
            Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "string", "format": "uint64", "pattern": UINT64 })
            }
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            // `format` is what OpenAPI 3.0 had for it, and what most tools still look for.
            Kind::Bytes => {
                json!({ "type": "string", "format": "byte", "contentEncoding": "base64" })
            }
            Kind::Message(message) => self.message(message),
            Kind::Enum(enumeration) => self.enumeration(enumeration),
        }
    }

    fn annotate(&self, schema: Value, field: &FieldDescriptor) -> Value {
        let Value::Object(mut schema) = schema else { return schema };
        rules::constrain(&mut schema, field);
        describe(&mut schema, self.description(field));
        if is_deprecated(&field.options()) {
            schema.insert("deprecated".into(), true.into());
        }
        for behavior in behaviors(field) {
            match behavior {
                Behavior::OutputOnly => schema.insert("readOnly".into(), true.into()),
                Behavior::InputOnly => schema.insert("writeOnly".into(), true.into()),
                _ => None,
            };
        }
        schema.into()
    }

    /// What the contract says of a field, and what its options and its oneof add.
    pub(super) fn description(&self, field: &FieldDescriptor) -> String {
        let oneof = real_oneof(field).map(|oneof| {
            let others: Vec<_> = oneof
                .fields()
                .filter(|other| other != field)
                .map(|other| format!("`{}`", self.name(&other)))
                .collect();
            let comment = self.comments.of(&oneof);
            match others.as_slice() {
                [] => comment.to_owned(),
                others => {
                    let rule = format!("At most one of this and {} is set.", others.join(", "));
                    join([comment, &rule], " ")
                }
            }
        });
        let notes = behaviors(field).into_iter().filter_map(Behavior::note);
        let notes: Vec<_> = notes.collect();
        let notes = notes.join(" ");
        join([self.comments.of(field), &oneof.unwrap_or_default(), &notes], "\n\n")
    }
    /// For each member of a oneof: where it is, no other is.
    fn exclusions(&self, oneof: &OneofDescriptor) -> Vec<(String, Value)> {
        let members = oneof.fields().map(|field| self.name(&field).to_owned());
        let members: Vec<_> = members.collect();
        if oneof.is_synthetic() || members.len() < 2 {
            return Vec::new();
        }
        let others = |member: &String| -> Map<_, _> {
            let others = members.iter().filter(|other| *other != member);
            others.map(|other| (other.clone(), false.into())).collect()
        };
        let rule = |member: &String| (member.clone(), json!({ "properties": others(member) }));
        members.iter().map(rule).collect()
    }
}

/// The parts that say something.
pub(super) fn join<const N: usize>(parts: [&str; N], between: &str) -> String {
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn describe(schema: &mut Map<String, Value>, description: String) {
    if !description.is_empty() {
        schema.insert("description".into(), description.into());
    }
}

/// Of a map, the fields of its entries.
pub(super) fn map_entry(field: &FieldDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            Some((entry.map_entry_key_field(), entry.map_entry_value_field()))
        }
        _ => None,
    }
}

pub(super) fn is_required(field: &FieldDescriptor) -> bool {
    field.is_required()
        || behaviors(field).contains(&Behavior::Required)
        || rules::is_required(field)
}

/// The oneof that the contract has written; `optional` makes one of its own.
fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

fn keys(kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::String => return None,
        Kind::Bool => json!({ "enum": ["true", "false"] }),
        Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 => json!({ "pattern": UINT64 }),
        _ => json!({ "pattern": INT64 }),
    })
}

fn float(format: &str) -> Value {
    json!({ "anyOf": [
        { "type": "number", "format": format },
        { "type": "string", "enum": NOT_NUMBERS },
    ]})
}
