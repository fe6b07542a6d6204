//! One route: which parts of a request become which fields, and which field is answered.

use std::sync::Arc;

use formats::json::{self, ReadOptions};
use formats::{Field, Path};
use http::Uri;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use tonic::Status;

use super::binding::{Binding, BodyField};
use super::error::bad_field;
use super::percent;
use super::template::{Segment, Template};
use crate::protocol::contracts::Method;

/// `google.api.HttpBody`: bytes and their content type in the place of JSON.
const HTTP_BODY: &str = "google.api.HttpBody";

/// A binding, ready for requests.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Arc<Method>,
    /// Where gRPC has the method.
    pub(super) uri: Uri,
    pub(super) http: Option<http::Method>,
    pub(super) template: Template,
    variables: Vec<Variable>,
    pub(super) body: RequestBody,
    pub(super) answer: ResponseBody,
}

/// What the HTTP body of a request is.
#[derive(Clone, Debug)]
pub(super) enum RequestBody {
    /// Not read.
    None,
    /// The request as JSON.
    Message,
    /// A field of it as JSON; whether that may be a list.
    Field(Path, bool),
    /// Bytes, in an `HttpBody` that is the request or this field of it.
    Bytes(Option<u32>),
}

/// What the HTTP body of a response is.
#[derive(Clone, Debug)]
pub(super) enum ResponseBody {
    /// The response as JSON.
    Message,
    /// A field of it as JSON.
    Field(Field),
    /// The bytes of an `HttpBody` that is the response or this field of it.
    Bytes(Option<u32>),
}

#[derive(Debug)]
struct Variable {
    name: String,
    field: Path,
    /// The first segment, and the one after the last unless it is all that is left.
    start: usize,
    end: Option<usize>,
    single: bool,
}

impl Route {
    /// None where the binding names what the messages do not have, which a checked one does not.
    pub(super) fn new(method: Arc<Method>, binding: Binding) -> Option<Self> {
        let Binding { method: http, template, body, response_body } = binding;
        let variables = template.variables().iter().map(|variable| {
            let range = variable.segments.clone();
            let segments = template.segments().get(range.clone()).unwrap_or_default();
            Some(Variable {
                name: variable.field.clone(),
                field: method.input.path(&variable.field)?,
                start: range.start,
                end: Some(range.end).filter(|_| segments.last() != Some(&Segment::Rest)),
                single: variable.single,
            })
        });
        let variables = variables.collect::<Option<Vec<_>>>()?;
        let input = method.descriptor.input();
        let body = match body {
            BodyField::None => RequestBody::None,
            BodyField::Whole if input.full_name() == HTTP_BODY => RequestBody::Bytes(None),
            BodyField::Whole => RequestBody::Message,
            BodyField::Field(name) => {
                let field = field(&input, &name)?;
                match is_http_body(&field) {
                    true => RequestBody::Bytes(Some(field.number())),
                    false => RequestBody::Field(method.input.path(&name)?, may_be_list(&field)),
                }
            }
        };
        let output = method.descriptor.output();
        let answer = match response_body {
            None if output.full_name() == HTTP_BODY => ResponseBody::Bytes(None),
            None => ResponseBody::Message,
            Some(name) => {
                let field = field(&output, &name)?;
                match is_http_body(&field) {
                    true => ResponseBody::Bytes(Some(field.number())),
                    false => ResponseBody::Field(method.output.field(&name)?),
                }
            }
        };
        let uri = method.path.parse().ok()?;
        Some(Self { method, uri, http, template, variables, body, answer })
    }

    /// Such as `GET /v1/hello/{name}`.
    pub(super) fn name(&self) -> String {
        let method = self.http.as_ref().map_or("*", http::Method::as_str);
        format!("{method} {}", self.template)
    }

    /// Whether the field is in the path, or in the body.
    pub(super) fn is_bound(&self, field: &Path) -> bool {
        if self.variables.iter().any(|variable| variable.field.names().eq(field.names())) {
            return true;
        }
        let first = field.names().next();
        match &self.body {
            RequestBody::None => false,
            RequestBody::Message | RequestBody::Bytes(None) => true,
            RequestBody::Field(body, _) => first == Some(body.field().name()),
            RequestBody::Bytes(Some(number)) => {
                let body = self.method.descriptor.input().get_field(*number);
                body.is_some_and(|body| first == Some(body.name()))
            }
        }
    }

    /// Appends the fields that are in the path.
    ///
    /// # Errors
    /// A part of the path is no value of its field.
    pub(super) fn path_to_wire(
        &self,
        path: &str,
        options: &ReadOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Status> {
        for variable in &self.variables {
            let text = part(path, variable.start, variable.end);
            let decoded = match variable.single {
                true => percent::segment(text),
                false => percent::segments(text),
            };
            let Some(decoded) = decoded else {
                return Err(bad_field("path", &variable.name, "its percent-encoding is not UTF-8"));
            };
            json::text_to_wire(&variable.field, &decoded, options, out)
                .map_err(|error| bad_field("path", &variable.name, error.reason()))?;
        }
        Ok(())
    }
}

/// The segments from one up to another, or all that are left.
fn part(path: &str, start: usize, end: Option<usize>) -> &str {
    let mut slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
    let Some(from) = slashes.nth(start) else {
        return "";
    };
    let to = end.and_then(|end| slashes.nth(end.checked_sub(start + 1)?));
    path.get(from + 1..to.unwrap_or(path.len())).unwrap_or_default()
}

fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

fn is_http_body(field: &FieldDescriptor) -> bool {
    let message = match field.kind() {
        Kind::Message(message) => message,
        _ => return false,
    };
    !field.is_list() && message.full_name() == HTTP_BODY
}

/// Whether its JSON may begin with `[`.
fn may_be_list(field: &FieldDescriptor) -> bool {
    let list = |message: &MessageDescriptor| {
        matches!(message.full_name(), "google.protobuf.ListValue" | "google.protobuf.Value")
    };
    field.is_list() || field.kind().as_message().is_some_and(list)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_of_a_path() {
        assert_eq!(part("/v1/a/b", 1, Some(2)), "a");
        assert_eq!(part("/v1/a/b", 1, Some(3)), "a/b");
        assert_eq!(part("/v1/a/b", 0, Some(1)), "v1");
        assert_eq!(part("/v1/a/b/", 2, None), "b/");
        assert_eq!(part("/v1", 1, None), "");
    }
}
