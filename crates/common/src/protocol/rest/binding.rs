//! What a method's `google.api.http` option says, checked against its messages.

use http::Method;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage as _, Value,
};
use rules::Place;

use super::template::{Template, TemplateError};

/// `google.api.http`, an extension of `google.protobuf.MethodOptions`.
pub const HTTP: u32 = 72_295_728;

/// One way to call a method over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The HTTP method; `None` stands for every one.
    pub method: Option<Method>,
    /// What the path has to look like, and which fields it holds.
    pub template: Template,
    /// What the HTTP body holds.
    pub body: BodyField,
    /// The field of the response that is answered; `None` stands for the whole response.
    pub response_body: Option<String>,
}

/// What an HTTP body holds of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyField {
    /// Nothing: fields that are not in the path are query parameters.
    None,
    /// `*`: every field that is not in the path; there are no query parameters.
    Whole,
    /// This field of the top level; the others are query parameters.
    Field(String),
}

/// What is wrong with a method's option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}(google.api.http) of {method}: {reason}", place.as_ref().map(|p| format!("{p}: ")).unwrap_or_default())]
pub struct BindingError {
    /// The method's full name.
    pub method: String,
    /// What is wrong, and what to do.
    pub reason: BindingProblem,
    /// Where it is stated, if the descriptors say so.
    pub place: Option<Box<Place>>,
}

/// The ways in which an option can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingProblem {
    /// The template's grammar.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// No path at all.
    #[error("it has no path: set one of get, put, post, delete, patch or custom")]
    NoPattern,
    /// A custom HTTP method that is no token.
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// A variable of a field that is not there.
    #[error("{template}: {message} has no field `{field}`")]
    NoField {
        /// The template.
        template: String,
        /// The message that lacks it.
        message: String,
        /// The part of the path that is not there.
        field: String,
    },
    /// A variable of a field that no text can be.
    #[error("{template}: `{field}` is {what}, which a path cannot hold")]
    NotText {
        /// The template.
        template: String,
        /// The variable's field.
        field: String,
        /// What it is.
        what: &'static str,
    },
    /// `body` or `response_body` names what is not there.
    #[error("{option}: \"{field}\": {message} has no such field at its top level")]
    NoBodyField {
        /// `body` or `response_body`.
        option: &'static str,
        /// What it names.
        field: String,
        /// The request or the response.
        message: String,
    },
    /// A GET or HEAD with a body.
    #[error("a {0} has no body: leave `body` out, so that fields are query parameters")]
    BodyOfGet(Method),
    /// An additional binding with further ones.
    #[error("additional_bindings may not have additional_bindings of their own")]
    Nested,
}

impl Binding {
    /// The bindings of a method, the option's own first; for a method without the option,
    /// [`Binding::by_name`] alone.
    ///
    /// # Errors
    /// The first of the method's bindings that is wrong.
    pub fn of(method: &MethodDescriptor) -> Result<Vec<Self>, BindingError> {
        let Some(rule) = rule(method) else {
            return Ok(Self::by_name(method).into_iter().collect());
        };
        let read = || {
            let mut bindings = vec![Self::read(method, &rule)?];
            for nested in messages(&rule, "additional_bindings") {
                if !messages(&nested, "additional_bindings").is_empty() {
                    return Err(BindingProblem::Nested);
                }
                bindings.push(Self::read(method, &nested)?);
            }
            Ok(bindings)
        };
        read().map_err(|reason| BindingError {
            method: method.full_name().to_owned(),
            reason,
            place: Place::in_method(method, HTTP).map(Box::new),
        })
    }

    /// `POST /package.Service/Method` with the whole request as the body.
    pub fn by_name(method: &MethodDescriptor) -> Option<Self> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        // Names of contracts are always literals of the grammar.
        let template = Template::parse(&path).ok()?;
        let method = Some(Method::POST);
        Some(Self { method, template, body: BodyField::Whole, response_body: None })
    }

    fn read(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Self, BindingProblem> {
        let (http_method, path) = pattern(rule)?;
        let template = Template::parse(&path)?;
        for variable in template.variables() {
            check_variable(&method.input(), &template, &variable.field)?;
        }
        let body = match text(rule, "body") {
            body if body.is_empty() => BodyField::None,
            body if body == "*" => BodyField::Whole,
            field => {
                top_level(&method.input(), "body", &field)?;
                BodyField::Field(field)
            }
        };
        if let Some(method @ (Method::GET | Method::HEAD)) = &http_method
            && body != BodyField::None
        {
            return Err(BindingProblem::BodyOfGet(method.clone()));
        }
        let response_body = Some(text(rule, "response_body")).filter(|field| !field.is_empty());
        if let Some(field) = &response_body {
            top_level(&method.output(), "response_body", field)?;
        }
        Ok(Self { method: http_method, template, body, response_body })
    }
}

/// The option, if the method has it.
fn rule(method: &MethodDescriptor) -> Option<DynamicMessage> {
    let options = method.options();
    let http = options.descriptor().get_extension(HTTP)?;
    if !options.has_extension(&http) {
        return None;
    }
    match options.get_extension(&http).into_owned() {
        Value::Message(rule) => Some(rule),
        _ => None,
    }
}

fn pattern(rule: &DynamicMessage) -> Result<(Option<Method>, String), BindingProblem> {
    let methods = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    for (name, method) in methods {
        if rule.has_field_by_name(name) {
            return Ok((Some(method), text(rule, name)));
        }
    }
    let custom = rule.get_field_by_name("custom").filter(|_| rule.has_field_by_name("custom"));
    let Some(custom) = custom else {
        return Err(BindingProblem::NoPattern);
    };
    let Value::Message(custom) = &*custom else {
        return Err(BindingProblem::NoPattern);
    };
    let kind = text(custom, "kind");
    let method = match kind.as_str() {
        "*" => None,
        kind => match Method::from_bytes(kind.as_bytes()) {
            Ok(method) => Some(method),
            Err(_) => return Err(BindingProblem::Method(kind.to_owned())),
        },
    };
    Ok((method, text(custom, "path")))
}

/// A variable is a singular field of a primitive type, or of a type whose JSON is one text, below
/// singular messages.
fn check_variable(
    request: &MessageDescriptor,
    template: &Template,
    path: &str,
) -> Result<(), BindingProblem> {
    let not_text = |what| BindingProblem::NotText {
        template: template.to_string(),
        field: path.to_owned(),
        what,
    };
    let mut message = Some(request.clone());
    for name in path.split('.') {
        let Some(within) = message else {
            return Err(not_text("within a field that is no message"));
        };
        let Some(field) = field(&within, name) else {
            return Err(BindingProblem::NoField {
                template: template.to_string(),
                message: within.full_name().to_owned(),
                field: name.to_owned(),
            });
        };
        if field.is_map() {
            return Err(not_text("a map"));
        }
        if field.cardinality() == Cardinality::Repeated {
            return Err(not_text("repeated"));
        }
        message = match field.kind() {
            Kind::Message(message) => Some(message),
            _ => None,
        };
    }
    match message {
        Some(message) if !is_text(&message) => Err(not_text("a message")),
        _ => Ok(()),
    }
}

/// Whether the message's JSON is one text or number.
pub(crate) fn is_text(message: &MessageDescriptor) -> bool {
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else {
        return false;
    };
    matches!(
        name,
        "Timestamp"
            | "Duration"
            | "FieldMask"
            | "BoolValue"
            | "BytesValue"
            | "DoubleValue"
            | "FloatValue"
            | "Int32Value"
            | "Int64Value"
            | "StringValue"
            | "UInt32Value"
            | "UInt64Value"
    )
}

fn top_level(
    message: &MessageDescriptor,
    option: &'static str,
    name: &str,
) -> Result<(), BindingProblem> {
    match field(message, name) {
        Some(_) => Ok(()),
        None => Err(BindingProblem::NoBodyField {
            option,
            field: name.to_owned(),
            message: message.full_name().to_owned(),
        }),
    }
}

fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let Some(list) = message.get_field_by_name(field) else {
        return Vec::new();
    };
    let list = list.as_list().unwrap_or_default();
    list.iter().filter_map(|value| value.as_message().cloned()).collect()
}

#[cfg(test)]
mod tests;
