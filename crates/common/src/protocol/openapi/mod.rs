//! Describes services as OpenAPI 3.1 documents, from their contracts and the comments in them.
//!
//! A document has the services of all packages with the same first part: `hello.v1` and `hello.v2`
//! are both in that of `hello`. What is in a document depends on the contracts alone, and a
//! contract that only grows keeps its operations' ids and its schemas' names.

mod behavior;
mod comments;
mod content;
mod failure;
mod operation;
mod path;
mod query;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod well_known;

use std::collections::{BTreeMap, HashMap, HashSet};

use examples::Examples;
use http::Method;
use prost_reflect::ServiceDescriptor;
use serde_json::{Map, Value, json};

pub(crate) use comments::Comments;

use self::operation::{Described, Writer};
use self::path::Path;
use self::schema::{Schemas, join};
use crate::protocol::rest::{Binding, BindingError, BodyField, RestSettings};

/// What a document says beside the contracts.
pub struct Options<'a> {
    /// Where the services are; `/` is where the document itself is from.
    pub server: &'a str,
    /// How the services read and write JSON.
    pub settings: RestSettings,
    /// The examples of the contracts.
    pub examples: &'a Examples,
}

impl<'a> Options<'a> {
    /// For services that are where the document is from, and do as they do by default.
    pub fn new(examples: &'a Examples) -> Self {
        Self { server: "/", settings: RestSettings::default(), examples }
    }
}

/// The services of each document, by its name.
pub fn documents(
    services: impl IntoIterator<Item = ServiceDescriptor>,
) -> BTreeMap<String, Vec<ServiceDescriptor>> {
    let mut documents: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for service in services {
        documents.entry(name_of(&service).to_owned()).or_default().push(service);
    }
    for services in documents.values_mut() {
        // Shorter first, so that v10 comes after v2 and what is new after what was there.
        services
            .sort_by_key(|service| (service.package_name().len(), service.full_name().to_owned()));
    }
    documents
}

/// The short name of a service: the first part of its package.
pub fn name_of(service: &ServiceDescriptor) -> &str {
    let full_name = service.full_name();
    full_name.split_once('.').map_or(full_name, |(first, _)| first)
}

/// The document of services that [`documents`] has put together.
///
/// # Errors
/// A method's `google.api.http` is wrong.
pub fn document(
    name: &str,
    services: &[ServiceDescriptor],
    options: &Options<'_>,
) -> Result<Value, BindingError> {
    let Some(first) = services.first() else { return Ok(Value::Null) };
    let comments = Comments::new(first.parent_pool());
    let schemas = Schemas::new(&comments, options.settings);
    let mut writer = Writer { comments: &comments, schemas };
    let mut paths = Paths::default();
    let mut tags = Vec::new();
    let mut names = HashSet::new();
    for service in services {
        // The first of a name has it for itself.
        let tag = match names.insert(service.name()) {
            true => service.name(),
            false => service.full_name(),
        };
        tags.push(json!({ "name": tag, "description": comments.of(service) }));
        for method in service.methods() {
            let path = examples::path_of(&method);
            let examples: Vec<_> = options.examples.for_method(&path).collect();
            let described = Described { method: &method, tag, examples: &examples };
            for (index, binding) in Binding::of(&method)?.iter().enumerate() {
                let id = match index {
                    0 => format!("{tag}_{}", method.name()),
                    index => format!("{tag}_{}_{}", method.name(), index + 1),
                };
                paths.add(&mut writer, &described, binding, &id);
            }
        }
    }
    let responses = failure::shared(&mut writer.schemas);
    Ok(json!({
        "openapi": "3.1.0",
        "info": info(name, services, &comments),
        "servers": [{ "url": options.server }],
        "tags": tags,
        "paths": paths.items,
        "components": { "schemas": writer.schemas.finish(), "responses": responses },
    }))
}

/// A document as YAML.
pub fn yaml(document: &Value) -> String {
    // Writing into memory does not fail, and every value is one that YAML has.
    serde_saphyr::to_string(document).unwrap_or_default()
}

/// What holds for every operation.
const HOW: &str = "\
A call that fails is answered with a `google.rpc.Status` as JSON, and with the HTTP status of its \
code. `X-Request-Timeout: 2.5`, in seconds, is the time that a call may take. A stream of \
messages is sent as a line of JSON for each (`application/x-ndjson`); of responses, each line is \
an object with a message as `result`, or at the end of a call that failed with an `error`. \
Responses are server-sent events for those who accept `text/event-stream`: a message is the data \
of an event, and the last event is called `end` or `error`.";

fn info(name: &str, services: &[ServiceDescriptor], comments: &Comments) -> Value {
    let mut versions = Vec::new();
    let mut packages = Vec::new();
    for service in services {
        let package = service.package_name();
        let version = package.split('.').next_back().unwrap_or(package);
        if !versions.contains(&version) {
            versions.push(version);
        }
        let said = comments.of_package(&service.parent_file());
        if !packages.contains(&said) {
            packages.push(said);
        }
    }
    let mut info = Map::from_iter([
        ("title".to_owned(), json!(name)),
        ("version".to_owned(), json!(versions.join(", "))),
    ]);
    let said: Vec<_> = packages.into_iter().filter(|said| !said.is_empty()).collect();
    schema::describe(&mut info, join([&said.join("\n\n"), HOW], "\n\n"));
    info.into()
}

/// The paths of a document.
#[derive(Default)]
struct Paths {
    items: Map<String, Value>,
    /// The names of the parameters of each shape of path, and its key in `items`.
    shapes: HashMap<String, (String, Vec<String>)>,
}

impl Paths {
    fn add(
        &mut self,
        writer: &mut Writer<'_>,
        described: &Described<'_>,
        binding: &Binding,
        id: &str,
    ) {
        let mut path =
            Path::of(&binding.template, &described.method.input(), writer.schemas.proto_names);
        // Paths that differ only in the names of their parameters are one path to OpenAPI.
        let names = path.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let known = self.shapes.entry(path.shape()).or_insert_with(|| (path.text.clone(), names));
        for (parameter, name) in path.parameters.iter_mut().zip(&known.1) {
            parameter.name.clone_from(name);
        }
        let operation = writer.operation(described, binding, &path, id);
        let item = self.items.entry(known.0.clone()).or_insert_with(|| Map::new().into());
        if let Some(item) = item.as_object_mut() {
            // The router lets no two methods have the same route; one that differs only in
            // `**` for `*` is not told apart here, and the first stands for both.
            item.entry(key(binding)).or_insert(operation);
        }
    }
}

/// The key of an operation in its path.
fn key(binding: &Binding) -> String {
    match &binding.method {
        Some(method) => match *method {
            Method::GET
            | Method::PUT
            | Method::POST
            | Method::DELETE
            | Method::OPTIONS
            | Method::HEAD
            | Method::PATCH
            | Method::TRACE => method.as_str().to_lowercase(),
            // OpenAPI 3.1 has no operation for other methods.
            _ => format!("x-{}", method.as_str().to_lowercase()),
        },
        // Any method will do; this is the one that clients are told.
        None if binding.body == BodyField::None => "get".to_owned(),
        None => "post".to_owned(),
    }
}
