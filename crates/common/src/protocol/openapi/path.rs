//! Path templates of `google.api.http` as OpenAPI has them.
//!
//! OpenAPI's parameters hold one segment each, so a variable over several, such as
//! `{name=shelves/*}`, becomes a parameter for each of its wildcards, `/shelves/{shelves}`, called
//! after the literal before it. One that may hold slashes (`**`) stays one parameter and says so.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::protocol::rest::template::{Segment, Template, Variable};

/// What a literal of a path keeps as it is (RFC 3986, `pchar`).
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path, such as `/v1/shelves/{shelves}/books`.
pub(super) struct Path {
    /// As the keys of `paths` are.
    pub(super) text: String,
    /// Its parameters, in their order.
    pub(super) parameters: Vec<Parameter>,
}

/// A part of a path that is chosen by the caller.
pub(super) struct Parameter {
    /// Its name between braces.
    pub(super) name: String,
    /// Of the request, what it is; `None` where the template has no variable for it.
    pub(super) field: Option<FieldDescriptor>,
    /// Of a variable over several segments, the pattern of all.
    pub(super) part_of: Option<String>,
    /// Whether it may hold slashes.
    pub(super) slashes: bool,
}

impl Path {
    pub(super) fn of(template: &Template, request: &MessageDescriptor, proto_names: bool) -> Self {
        let mut path = Self { text: String::new(), parameters: Vec::new() };
        for (index, segment) in template.segments().iter().enumerate() {
            path.text.push('/');
            let slashes = match segment {
                Segment::Literal(literal) => {
                    path.text.extend(utf8_percent_encode(literal, LITERAL));
                    continue;
                }
                Segment::One => false,
                Segment::Rest => true,
            };
            let variables = template.variables().iter();
            let variable = variables.rev().find(|variable| variable.segments.contains(&index));
            let name = match variable {
                Some(variable) if variable.segments.len() == 1 && proto_names => {
                    variable.field.clone()
                }
                Some(variable) if variable.segments.len() == 1 => json_path(request, variable),
                _ => before(template, index).unwrap_or("segment").to_owned(),
            };
            let name = path.unused(name);
            path.text.push('{');
            path.text.push_str(&name);
            path.text.push('}');
            path.parameters.push(Parameter {
                name,
                field: variable.and_then(|variable| resolve(request, &variable.field)),
                part_of: variable.filter(|v| v.segments.len() > 1).map(|v| pattern(template, v)),
                slashes,
            });
        }
        if let Some(verb) = template.verb() {
            path.text.push(':');
            path.text.extend(utf8_percent_encode(verb, LITERAL));
        }
        path
    }

    /// The path with its parameters' names left out: two of the same shape are the same to
    /// OpenAPI.
    pub(super) fn shape(&self) -> String {
        self.parameters.iter().fold(self.text.clone(), |shape, parameter| {
            shape.replacen(&format!("{{{}}}", parameter.name), "{}", 1)
        })
    }

    fn unused(&self, name: String) -> String {
        let taken = |name: &str| self.parameters.iter().any(|parameter| parameter.name == name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or(name)
    }
}

/// The field at the end of a dotted path of original or JSON names.
pub(super) fn resolve(message: &MessageDescriptor, dotted: &str) -> Option<FieldDescriptor> {
    let (first, rest) = match dotted.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (dotted, None),
    };
    let field =
        message.get_field_by_name(first).or_else(|| message.get_field_by_json_name(first))?;
    match (rest, field.kind()) {
        (None, _) => Some(field),
        (Some(rest), Kind::Message(message)) => resolve(&message, rest),
        (Some(_), _) => None,
    }
}

/// The variable's field by its names in lowerCamelCase, as query parameters have them, too.
fn json_path(request: &MessageDescriptor, variable: &Variable) -> String {
    let mut names = Vec::new();
    let mut dotted = variable.field.as_str();
    while let Some(field) = resolve(request, dotted) {
        names.push(field.json_name().to_owned());
        match dotted.rsplit_once('.') {
            Some((parent, _)) => dotted = parent,
            None => break,
        }
    }
    names.reverse();
    names.join(".")
}

/// The literal before a segment.
fn before(template: &Template, index: usize) -> Option<&str> {
    match template.segments().get(index.checked_sub(1)?)? {
        Segment::Literal(literal) => Some(literal),
        _ => None,
    }
}

/// A variable's segments as the template has them.
fn pattern(template: &Template, variable: &Variable) -> String {
    let segments = template.segments().get(variable.segments.clone()).unwrap_or_default();
    let segments: Vec<_> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(literal) => literal.as_str(),
            Segment::One => "*",
            Segment::Rest => "**",
        })
        .collect();
    segments.join("/")
}
