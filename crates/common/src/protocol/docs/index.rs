//! The index: every service with its methods, and how to call it in each protocol.

use std::fmt::Write as _;

use examples::Examples;
use prost_reflect::{MethodDescriptor, ServiceDescriptor};
use serde_json::Value;

use super::html::{escape, first_paragraph};
use crate::protocol::openapi::Comments;
use crate::protocol::rest::binding::{Binding, BodyField};

/// There is no script, and nothing from elsewhere.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("index.css");

/// What a client needs for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is plain text.
    None,
    /// Trust in the server's certificate.
    Tls,
    /// A certificate of its own, too.
    MutualTls,
}

impl Security {
    /// The flags of `curl` and `buf curl`, with a space after them.
    fn flags(self) -> &'static str {
        match self {
            Self::None | Self::Tls => "",
            Self::MutualTls => "--cacert CA.pem --cert CERT.pem --key KEY.pem ",
        }
    }

    /// The flags of `grpcurl`, likewise.
    fn grpcurl(self) -> &'static str {
        match self {
            Self::None => "-plaintext ",
            Self::Tls => "",
            Self::MutualTls => "-cacert CA.pem -cert CERT.pem -key KEY.pem ",
        }
    }
}

/// Where the services and the other pages are, as the reader sees it.
pub(super) struct Place<'a> {
    pub(super) security: Security,
    /// With its port, if it has one.
    pub(super) host: &'a str,
    /// What goes before the paths of the services; as a rule nothing.
    pub(super) prefix: &'a str,
    /// The page of a document, below its name.
    pub(super) reference: &'a str,
}

impl Place<'_> {
    fn base(&self) -> String {
        let scheme = if self.security == Security::None { "http" } else { "https" };
        format!("{scheme}://{}{}", self.host, self.prefix)
    }
}

pub(super) fn page<'a>(
    documents: impl Iterator<Item = (&'a str, &'a [ServiceDescriptor])>,
    place: &Place<'_>,
    examples: &Examples,
) -> String {
    let mut body = String::new();
    for (name, services) in documents {
        let name = escape(name);
        let _ = write!(
            body,
            "<section>\n<h2>{name}</h2>\n<p class=\"links\"><a href=\"{name}/{}\">Docs</a> \
             <a href=\"{name}/openapi.json\">openapi.json</a> \
             <a href=\"{name}/openapi.yaml\">openapi.yaml</a></p>\n",
            place.reference
        );
        for described in services {
            service(&mut body, described, place, examples);
        }
        body.push_str("</section>\n");
    }
    if body.is_empty() {
        body.push_str("<p>No contract describes what is served here.</p>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Services</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Services</h1>\n{body}</main>\n\
         </body>\n</html>\n"
    )
}

fn service(body: &mut String, service: &ServiceDescriptor, place: &Place<'_>, examples: &Examples) {
    let comments = Comments::new(service.parent_pool());
    let _ = write!(
        body,
        "<h3><code>{}</code></h3>\n<p>{}</p>\n<div class=\"wide\"><table>\n\
         <tr><th>method</th><th>kind</th><th>HTTP</th></tr>\n",
        escape(service.full_name()),
        first_paragraph(comments.of(service)),
    );
    for method in service.methods() {
        let routes: Vec<_> = Binding::of(&method)
            .unwrap_or_default()
            .iter()
            .map(|binding| {
                format!(
                    "<code>{}</code>",
                    escape(&format!("{} {}", verb(binding), binding.template))
                )
            })
            .collect();
        let _ = writeln!(
            body,
            "<tr><td>{}<p>{}</p></td><td>{}</td><td>{}</td></tr>",
            escape(method.name()),
            first_paragraph(comments.of(&method)),
            kind(&method),
            routes.join("<br>"),
        );
    }
    body.push_str("</table></div>\n");
    if let Some(method) = to_try(service) {
        let path = examples::path_of(&method);
        let request = examples.for_method(&path).next();
        let request = request.and_then(|example| example.requests.first().cloned());
        let request = request.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let _ = writeln!(body, "<h4>Call {}</h4>", escape(method.name()));
        for (protocol, command) in calls(&method, &request, place) {
            let _ = write!(body, "<p>{protocol}</p>\n<pre>{}</pre>\n", escape(&command));
        }
    }
}

/// The method that is the easiest to call.
fn to_try(service: &ServiceDescriptor) -> Option<MethodDescriptor> {
    let unary =
        |method: &MethodDescriptor| !method.is_client_streaming() && !method.is_server_streaming();
    service.methods().find(unary).or_else(|| service.methods().find(|m| !m.is_client_streaming()))
}

fn calls(
    method: &MethodDescriptor,
    request: &Value,
    place: &Place<'_>,
) -> Vec<(&'static str, String)> {
    let name = format!("{}/{}", method.parent_service().full_name(), method.name());
    let (host, base) = (place.host, place.base());
    let json = quote(&request.to_string());
    let (flags, grpcurl) = (place.security.flags(), place.security.grpcurl());
    let prior = match place.security {
        Security::None => "--http2-prior-knowledge ",
        Security::Tls | Security::MutualTls => "",
    };
    let mut calls = Vec::new();
    if let Some(binding) = Binding::of(method).unwrap_or_default().first() {
        calls.push(("REST", rest(binding, request, &base, flags)));
    }
    if !method.is_server_streaming() {
        calls.push((
            "Connect",
            format!(
                "curl {flags}-d {json} -H 'content-type: application/json' \
                 -H 'connect-protocol-version: 1' {}",
                quote(&format!("{base}/{name}"))
            ),
        ));
    }
    calls.push(("gRPC", format!("grpcurl {grpcurl}-d {json} {} {name}", quote(host))));
    calls.push((
        "gRPC, or with another --protocol Connect or gRPC-Web",
        format!(
            "buf curl --protocol grpc {prior}{flags}-d {json} {}",
            quote(&format!("{base}/{name}"))
        ),
    ));
    calls
}

/// A call of a binding with curl.
fn rest(binding: &Binding, request: &Value, base: &str, flags: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut path = binding.template.to_string();
    let mut left = request.clone();
    for variable in binding.template.variables() {
        let (Some(open), Some(field)) = (path.find('{'), variable.field.split('.').next_back())
        else {
            break;
        };
        let Some(close) = path.get(open..).and_then(|rest| rest.find('}')) else { break };
        let given = left.as_object_mut().and_then(|left| left.shift_remove(&variable.field));
        let value = given.as_ref().map(text).filter(|text| !text.is_empty());
        let value = value.unwrap_or_else(|| field.to_uppercase());
        let value = match variable.single {
            true => utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string(),
            false => value,
        };
        path.replace_range(open..=open + close, &value);
    }
    let (mut query, mut data) = (String::new(), String::new());
    match &binding.body {
        BodyField::None => {
            let scalars = left.as_object().into_iter().flatten();
            for (name, value) in
                scalars.filter(|(_, value)| !value.is_object() && !value.is_array())
            {
                query.push(if query.is_empty() { '?' } else { '&' });
                let value = text(value);
                let _ = write!(query, "{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
            }
        }
        BodyField::Whole => data = left.to_string(),
        BodyField::Field(field) => {
            data = left.get(field).map_or_else(|| "{}".to_owned(), Value::to_string);
        }
    }
    let method = match verb(binding).as_str() {
        "GET" if data.is_empty() => String::new(),
        "POST" if !data.is_empty() => String::new(),
        verb => format!("-X {verb} "),
    };
    let data = match data.is_empty() {
        true => data,
        false => format!("-d {} -H 'content-type: application/json' ", quote(&data)),
    };
    format!("curl {flags}{method}{data}{}", quote(&format!("{base}{path}{query}")))
}

fn verb(binding: &Binding) -> String {
    match &binding.method {
        Some(method) => method.to_string(),
        None if binding.body == BodyField::None => "GET".to_owned(),
        None => "POST".to_owned(),
    }
}

fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "unary",
        (false, true) => "server streaming",
        (true, false) => "client streaming",
        (true, true) => "bidirectional",
    }
}

/// The text as one word of a shell.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
