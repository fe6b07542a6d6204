//! A binding of a method as an OpenAPI operation.

use examples::Example;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::content;
use super::failure;
use super::path::{self, Path, resolve};
use super::query::{self, Query};
use super::schema::{Schemas, is_required, join};
use crate::protocol::rest::binding::{Binding, BodyField};

/// What operations are made with.
pub(super) struct Writer<'a> {
    pub(super) comments: &'a Comments,
    pub(super) schemas: Schemas<'a>,
}

/// A method on its way into a document.
pub(super) struct Described<'a> {
    pub(super) method: &'a MethodDescriptor,
    pub(super) tag: &'a str,
    pub(super) examples: &'a [&'a Example],
}

impl Writer<'_> {
    /// The operation of one binding; `id` is unique in the document.
    pub(super) fn operation(
        &mut self,
        described: &Described<'_>,
        binding: &Binding,
        path: &Path,
        id: &str,
    ) -> Value {
        let method = described.method;
        let mut operation = Map::new();
        operation.insert("operationId".into(), id.into());
        operation.insert("tags".into(), json!([described.tag]));
        operation.insert("summary".into(), method.name().into());
        let query = self.query(binding, &method.input());
        operation.insert("description".into(), self.description(method, query.more).into());
        if super::behavior::is_deprecated(&method.options()) {
            operation.insert("deprecated".into(), true.into());
        }

        let example = match described.examples {
            [first, ..] => first.requests.first(),
            [] => None,
        };
        let in_path =
            path.parameters.iter().map(|parameter| self.path_parameter(parameter, example));
        let mut parameters: Vec<_> = in_path.collect();
        for parameter in &query.parameters {
            parameters.push(self.query_parameter(parameter, example));
        }
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = self.request_body(described, binding, id) {
            operation.insert("requestBody".into(), body);
        }

        let service = self.comments.of(method.parent_service());
        let said = [self.comments.of(method), service];
        let mut responses = Map::from_iter([("200".to_owned(), self.success(described, binding))]);
        responses.extend(failure::responses(&mut self.schemas, &said, described.examples));
        operation.insert("responses".into(), responses.into());
        operation.insert("x-grpc-method".into(), full_name(method).into());
        operation.into()
    }

    /// The fields that are query parameters.
    fn query(&self, binding: &Binding, input: &MessageDescriptor) -> Query {
        let body = match &binding.body {
            BodyField::Whole => return Query::default(),
            BodyField::None => None,
            BodyField::Field(body) => resolve(input, body),
        };
        let body = body.as_ref().map_or("", |field| field.name());
        let elsewhere = |field: &str| field == body || in_path(binding, field);
        Query::of(input, self.schemas.proto_names, &elsewhere)
    }

    fn description(&self, method: &MethodDescriptor, more: bool) -> String {
        let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
            (false, false) => "",
            (false, true) => "The response is a stream of messages.",
            (true, false) => "The request is a stream of messages.",
            (true, true) => {
                "Request and response are streams of messages. For both at once, a WebSocket at \
                 this path takes each request as a text message, and an empty one as their end; it \
                 answers with what the lines of the response would be."
            }
        };
        let more = match more {
            true => {
                "Fields of messages within messages are query parameters of the same form, \
                     also where they are not listed."
            }
            false => "",
        };
        let grpc = format!("gRPC: `{}`", full_name(method));
        join([self.comments.of(method), kind, more, &grpc], "\n\n")
    }

    fn path_parameter(&mut self, parameter: &path::Parameter, example: Option<&Value>) -> Value {
        let said = parameter.field.as_ref().map(|field| self.schemas.description(field));
        let part = parameter.part_of.as_ref().zip(parameter.field.as_ref());
        let part = part.map(|(pattern, field)| {
            format!("A part of `{}`, which is `{pattern}`.", self.schemas.name(field))
        });
        let slashes = if parameter.slashes { "It may hold slashes." } else { "" };
        let description =
            join([&said.unwrap_or_default(), &part.unwrap_or_default(), slashes], "\n\n");
        let mut schema = match (&parameter.field, &parameter.part_of) {
            (Some(field), None) => self.schemas.text(field),
            _ => json!({ "type": "string" }),
        };
        if let Some(schema) = schema.as_object_mut()
            && schema.get("type") == Some(&json!("string"))
            && !parameter.slashes
        {
            // A segment of a path is never empty.
            schema.entry("minLength").or_insert_with(|| 1.into());
        }
        let mut shown = Map::from_iter([
            ("name".to_owned(), json!(parameter.name)),
            ("in".to_owned(), json!("path")),
            ("required".to_owned(), json!(true)),
        ]);
        super::schema::describe(&mut shown, description);
        shown.insert("schema".into(), schema);
        if parameter.part_of.is_none()
            && let Some(value) = example.and_then(|example| at(example, &parameter.name))
            && *value != ""
        {
            shown.insert("example".into(), value.clone());
        }
        shown.into()
    }

    fn query_parameter(&mut self, parameter: &query::Parameter, example: Option<&Value>) -> Value {
        let field = &parameter.field;
        let mut shown = Map::from_iter([
            ("name".to_owned(), json!(parameter.name)),
            ("in".to_owned(), json!("query")),
        ]);
        super::schema::describe(&mut shown, self.schemas.description(field));
        if parameter.required {
            shown.insert("required".into(), true.into());
        }
        if super::behavior::is_deprecated(&field.options()) {
            shown.insert("deprecated".into(), true.into());
        }
        shown.insert("schema".into(), self.schemas.text(field));
        if let Some(value) = example.and_then(|example| at(example, &parameter.name)) {
            shown.insert("example".into(), value.clone());
        }
        shown.into()
    }

    fn request_body(
        &mut self,
        described: &Described<'_>,
        binding: &Binding,
        id: &str,
    ) -> Option<Value> {
        let input = described.method.input();
        let field = match &binding.body {
            BodyField::None => return None,
            BodyField::Whole => None,
            BodyField::Field(name) => Some(resolve(&input, name)?),
        };
        if field.as_ref().map_or_else(|| content::is_bytes(&input), content::holds_bytes) {
            return Some(json!({ "content": content::bytes() }));
        }
        let in_path = |field: &FieldDescriptor| in_path(binding, field.name());
        let schema = match &field {
            Some(field) => self.schemas.field(field),
            None if input.fields().any(|field| in_path(&field)) => {
                let body = self.schemas.describe(&input, |field| !in_path(field));
                self.schemas.own(&format!("{id}_Body"), || body)
            }
            None => self.schemas.message(&input),
        };
        let examples = described.examples.iter();
        let examples = examples.map(|example| (*example, self.parts(&example.requests, &field)));
        let examples = examples.collect();
        let content = match described.method.is_client_streaming() {
            true => content::requests(schema, &examples),
            false => content::one(schema, &examples),
        };
        // Nothing is read as a message of defaults.
        let required = match &field {
            Some(field) => is_required(field),
            None => input.fields().any(|field| is_required(&field) && !in_path(&field)),
        };
        Some(match required {
            true => json!({ "content": content, "required": true }),
            false => json!({ "content": content }),
        })
    }

    fn success(&mut self, described: &Described<'_>, binding: &Binding) -> Value {
        let output = described.method.output();
        let said = self.comments.of(&output);
        let description = if said.is_empty() { "The call succeeded." } else { said };
        let field = binding.response_body.as_ref().and_then(|name| resolve(&output, name));
        if field.as_ref().map_or_else(|| content::is_bytes(&output), content::holds_bytes) {
            return json!({ "description": description, "content": content::bytes() });
        }
        let schema = match &field {
            Some(field) => self.schemas.field(field),
            None => self.schemas.message(&output),
        };
        let answered =
            |example: &&&Example| example.status.is_ok() || !example.responses.is_empty();
        let examples = described.examples.iter().filter(answered);
        let examples = examples.map(|example| (*example, self.parts(&example.responses, &field)));
        let examples = examples.collect();
        let content = match described.method.is_server_streaming() {
            true => {
                let failure = failure::status(&mut self.schemas);
                content::responses(schema, failure, &examples)
            }
            false => content::one(schema, &examples),
        };
        json!({ "description": description, "content": content })
    }

    /// Of messages, the field that is the body.
    fn parts<'m>(&self, messages: &'m [Value], field: &Option<FieldDescriptor>) -> Vec<&'m Value> {
        let part = |message: &'m Value| match field {
            Some(field) => message.get(self.schemas.name(field)),
            None => Some(message),
        };
        messages.iter().filter_map(part).collect()
    }
}

/// Whether the path holds this field, a dotted path of the contract's names.
fn in_path(binding: &Binding, field: &str) -> bool {
    binding.template.variables().iter().any(|variable| variable.field == field)
}

/// What an example has at a dotted path of JSON names.
fn at<'a>(example: &'a Value, dotted: &str) -> Option<&'a Value> {
    dotted.split('.').try_fold(example, |value, name| value.get(name))
}

/// Such as `hello.v1.HelloService/SayHello`.
fn full_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}
