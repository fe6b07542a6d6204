//! What `list SERVICE` and `describe SYMBOL` print.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MapKey, MessageDescriptor,
    MethodDescriptor, SerializeOptions, ServiceDescriptor, Value,
};

use super::output::to_json;
use super::proto_text::{Printer, type_text};
use super::resolve::Symbol;

/// Messages inside of messages are shown this deep in a JSON example.
const MAX_DEPTH: usize = 6;

/// One line for each method: name, kind, and the types of request and response.
pub(crate) fn methods(service: &ServiceDescriptor) -> String {
    let rows: Vec<_> = service
        .methods()
        .map(|method| {
            let package = service.package_name();
            [
                method.name().to_owned(),
                kind(&method).to_owned(),
                format!(
                    "{} -> {}",
                    type_text(&Kind::Message(method.input()), package),
                    type_text(&Kind::Message(method.output()), package)
                ),
            ]
        })
        .collect();
    let width = |column: fn(&[String; 3]) -> &String| {
        rows.iter().map(|row| column(row).len()).max().unwrap_or(0)
    };
    let (names, kinds) = (width(|[name, _, _]| name), width(|[_, kind, _]| kind));
    rows.iter()
        .map(|[name, kind, types]| format!("{name:names$}  {kind:kinds$}  {types}\n"))
        .collect()
}

/// The kind of a method, in gRPC's words.
fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client-streaming",
        (false, true) => "server-streaming",
        (true, true) => "bidirectional",
    }
}

/// The definition of a symbol as its `.proto` file has it. A message comes with an example as
/// JSON, and a method with its two messages.
pub(crate) fn definition(symbol: &Symbol) -> String {
    match symbol {
        Symbol::Service(service) => {
            let file = service.parent_file();
            let mut printer = begin(&file);
            printer.service(service, None);
            printer.finish()
        }
        Symbol::Method(method) => {
            let file = method.parent_file();
            let mut printer = begin(&file);
            printer.service(method.parent_service(), Some(method.name()));
            let (input, output) = (method.input(), method.output());
            let both = [&input, &output];
            let shown = if input == output { 1 } else { 2 };
            for message in both.into_iter().take(shown) {
                // A message of another file, such as google.protobuf.Empty, has its own comments.
                let mut other = Printer::new(&message.parent_file());
                other.message(message);
                printer.blank_line();
                printer.append(&other.finish());
            }
            printer.append(&example(&input));
            printer.finish()
        }
        Symbol::Message(message) => {
            let mut printer = begin(&message.parent_file());
            printer.message(message);
            printer.append(&example(message));
            printer.finish()
        }
        Symbol::Enum(enumeration) => {
            let mut printer = begin(&enumeration.parent_file());
            printer.enumeration(enumeration);
            printer.finish()
        }
    }
}

/// A printer that has said where the definition stands.
fn begin(file: &FileDescriptor) -> Printer {
    let mut printer = Printer::new(file);
    printer.append(&format!("// {}\n", file.name()));
    if !file.package_name().is_empty() {
        printer.append(&format!("package {};\n", file.package_name()));
    }
    printer.blank_line();
    printer
}

fn example(message: &MessageDescriptor) -> String {
    let sample = sample(message, MAX_DEPTH);
    let options = SerializeOptions::new().skip_default_fields(false);
    match to_json(&sample, true, &options) {
        Ok(json) => format!("\n// {} as JSON:\n{json}\n", message.name()),
        Err(_) => String::new(),
    }
}

/// A message with every field set: lists and maps to one entry, the first field of a oneof.
pub(crate) fn sample(descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    match descriptor.full_name() {
        // Their fields are not members of their JSON.
        name if name.starts_with("google.protobuf.") && name != "google.protobuf.Value" => {
            return message;
        }
        _ if depth == 0 => return message,
        _ => {}
    }
    for field in descriptor.fields() {
        let first_of_oneof = field
            .containing_oneof()
            .is_none_or(|oneof| oneof.fields().next().as_ref() == Some(&field));
        if first_of_oneof && let Some(value) = sample_field(&field, depth - 1) {
            message.set_field(&field, value);
        }
    }
    message
}

fn sample_field(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => MapKey::String("key".to_owned()),
                kind => MapKey::default_value(&kind),
            };
            let value = sample_value(&entry.map_entry_value_field(), depth)?;
            Some(Value::Map(HashMap::from([(key, value)])))
        }
        _ if field.is_list() => Some(Value::List(vec![sample_value(field, depth)?])),
        _ => sample_value(field, depth),
    }
}

fn sample_value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    match field.kind() {
        // What is packed is the caller's choice, and no JSON stands for none.
        Kind::Message(message) if message.full_name() == "google.protobuf.Any" => None,
        Kind::Message(message) if depth == 0 || contains(&message, field.parent_message()) => None,
        Kind::Message(message) => Some(Value::Message(sample(&message, depth))),
        // The first value of an enum is, as a rule, the one that says nothing.
        Kind::Enum(enumeration) => {
            let value = enumeration.values().nth(1).or_else(|| enumeration.values().next())?;
            Some(Value::EnumNumber(value.number()))
        }
        kind => Some(Value::default_value(&kind)),
    }
}

/// Whether `outer` leads back to `inner`, so that an example would repeat itself.
fn contains(outer: &MessageDescriptor, inner: &MessageDescriptor) -> bool {
    let mut seen = vec![outer.clone()];
    let mut next = 0;
    while let Some(message) = seen.get(next).cloned() {
        if message == *inner {
            return true;
        }
        for field in message.fields() {
            if let Kind::Message(child) = field.kind()
                && !seen.contains(&child)
            {
                seen.push(child);
            }
        }
        next += 1;
    }
    false
}
