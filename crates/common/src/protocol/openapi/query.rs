//! Which fields of a request are query parameters.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::schema::is_required;
use super::well_known;
use crate::protocol::rest::binding::is_text;

/// How deep messages are looked into, and how many parameters an operation shows: a request that
/// refers to much in many ways would have a parameter for each way.
const MAX_DEPTH: usize = 6;
const MAX_PARAMETERS: usize = 200;

/// The query parameters of an operation.
#[derive(Default)]
pub(super) struct Query {
    pub(super) parameters: Vec<Parameter>,
    /// Whether there are more than are shown.
    pub(super) more: bool,
}

/// A field of the request, or of a message in it.
pub(super) struct Parameter {
    /// Its path by the names that JSON has, such as `book.title`.
    pub(super) name: String,
    pub(super) field: FieldDescriptor,
    /// Whether it and all that it is in are required.
    pub(super) required: bool,
}

impl Query {
    /// The fields of a request that are not `elsewhere`, which is asked with their dotted paths as
    /// the contract has them.
    pub(super) fn of(
        request: &MessageDescriptor,
        proto_names: bool,
        elsewhere: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut query = Self::default();
        let mut within = vec![request.clone()];
        let prefix = Prefix { proto_names, ..Prefix::default() };
        collect(&mut within, &prefix, elsewhere, &mut query);
        query
    }
}

#[derive(Default)]
struct Prefix {
    proto: String,
    json: String,
    optional: bool,
    proto_names: bool,
}

fn collect(
    within: &mut Vec<MessageDescriptor>,
    prefix: &Prefix,
    elsewhere: &dyn Fn(&str) -> bool,
    query: &mut Query,
) {
    let Some(message) = within.last().cloned() else { return };
    for field in message.fields() {
        let proto = format!("{}{}", prefix.proto, field.name());
        let name = if prefix.proto_names { field.name() } else { field.json_name() };
        let name = format!("{}{name}", prefix.json);
        if elsewhere(&proto) {
            continue;
        }
        let optional = prefix.optional || !is_required(&field);
        match kind(&field) {
            Place::Nowhere => {}
            Place::Parameter if query.parameters.len() < MAX_PARAMETERS => {
                query.parameters.push(Parameter { name, field, required: !optional });
            }
            Place::Within(inner) if within.len() < MAX_DEPTH && !within.contains(&inner) => {
                within.push(inner);
                let prefix = Prefix {
                    proto: format!("{proto}."),
                    json: format!("{name}."),
                    optional,
                    proto_names: prefix.proto_names,
                };
                collect(within, &prefix, elsewhere, query);
                within.pop();
            }
            Place::Parameter | Place::Within(_) => query.more = true,
        }
    }
}

enum Place {
    /// A parameter, which may be repeated.
    Parameter,
    /// A message whose fields are parameters.
    Within(MessageDescriptor),
    /// What text cannot hold: maps, lists of messages, and JSON of any form.
    Nowhere,
}

fn kind(field: &FieldDescriptor) -> Place {
    match field.kind() {
        _ if field.is_map() => Place::Nowhere,
        Kind::Message(message) if is_text(&message) => Place::Parameter,
        Kind::Message(_) if field.is_list() => Place::Nowhere,
        Kind::Message(message) if well_known::schema(message.full_name()).is_some() => {
            Place::Nowhere
        }
        Kind::Message(message) => Place::Within(message),
        _ => Place::Parameter,
    }
}
