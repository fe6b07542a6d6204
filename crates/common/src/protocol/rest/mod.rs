//! REST: HTTP and JSON mapped to methods, as `google.api.http` says.
//!
//! Every binding of every method that is served is a route. A request's path, query and body
//! become one gRPC message, or a stream of them as it comes in; gRPC's answer becomes JSON. A
//! method answers at `POST /package.Service/Method` too, whether it has bindings or not.

pub mod binding;
mod error;
mod headers;
mod percent;
mod query;
mod replies;
mod request;
mod response;
mod route;
mod routes;
pub mod template;
mod websocket;

use std::sync::Arc;

use formats::json::{ReadOptions, WriteOptions};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::Code;

pub use binding::{Binding, BindingError, BodyField};
pub(crate) use error::http_code;

use super::contracts::Contracts;
use super::edge::{Answer, Arrival, Parts, media_type};
use crate::body::Body;
use crate::layers::compression::Encoding;
use error::{Refusal, StatusWriter};
use request::{Many, Messages, One};
use response::{Answering, Form};
use route::{RequestBody, Route};
use routes::{Found, Routes};

/// How REST reads and writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestSettings {
    /// Fields and parameters that the contract does not have are passed over instead of being an
    /// error. `AHOY_REST_IGNORE_UNKNOWN`; default off.
    pub ignore_unknown: bool,
    /// Fields that hold their default are answered, too. `AHOY_REST_EMIT_DEFAULTS`; default off.
    pub emit_defaults: bool,
    /// Fields are answered under the contract's names instead of in lowerCamelCase.
    /// `AHOY_REST_PROTO_NAMES`; default off.
    pub proto_names: bool,
}

/// Why the contracts' bindings cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// A binding is wrong.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// Two bindings are for the same requests.
    #[error("{route} is a route of both {first} and {second}: change one of them")]
    Conflict {
        /// The HTTP method and the template of the second.
        route: String,
        /// The first method's full name.
        first: String,
        /// The second method's full name.
        second: String,
    },
}

/// The routes of a server.
#[derive(Debug)]
pub struct Rest {
    routes: Routes<Arc<Route>>,
    statuses: StatusWriter,
    read: ReadOptions,
    write: WriteOptions,
}

impl Rest {
    /// Reads the bindings of every method.
    ///
    /// # Errors
    /// See [`RestError`].
    pub fn new(contracts: &Contracts, settings: RestSettings) -> Result<Self, RestError> {
        let mut methods: Vec<_> = contracts.methods().collect();
        methods.sort_by(|a, b| a.path.cmp(&b.path));
        let mut routes = Routes::new();
        let mut add = |method: &Arc<_>, binding: Binding| {
            let (http, template) = (binding.method.clone(), binding.template.clone());
            let Some(route) = Route::new(Arc::clone(method), binding) else {
                return Ok(());
            };
            let route = Arc::new(route);
            match routes.add(http.as_ref(), &template, Arc::clone(&route)) {
                Ok(()) => Ok(()),
                Err(first) => Err(RestError::Conflict {
                    route: route.name(),
                    first: first.method.descriptor.full_name().to_owned(),
                    second: route.method.descriptor.full_name().to_owned(),
                }),
            }
        };
        for method in methods {
            let by_name = Binding::by_name(&method.descriptor);
            let mut bindings = Binding::of(&method.descriptor)?;
            bindings.extend(by_name.filter(|by_name| !bindings.contains(by_name)));
            for binding in bindings {
                add(method, binding)?;
            }
        }
        let read = ReadOptions { ignore_unknown: settings.ignore_unknown, ..Default::default() };
        let write = WriteOptions {
            emit_defaults: settings.emit_defaults,
            proto_names: settings.proto_names,
            ..WriteOptions::default()
        };
        let statuses = StatusWriter::new(contracts.schema(), WriteOptions::default());
        Ok(Self { routes, statuses, read, write })
    }
}

/// Makes a call of a request that speaks no other protocol.
pub(crate) fn accept(parts: &Arc<Parts>, request: Request<Body>) -> Arrival {
    match arrive(parts, request) {
        Ok(arrival) => arrival,
        Err(refusal) => Arrival::Answered(refusal.into_response(&parts.rest.statuses)),
    }
}

fn arrive(parts: &Arc<Parts>, request: Request<Body>) -> Result<Arrival, Refusal> {
    let rest = &parts.rest;
    let (mut head, body) = request.into_parts();
    if websocket::is_asked(&head) {
        return websocket::arrive(parts, head);
    }
    let path = head.uri.path();
    let (route, path) = match rest.find(&head.method, path) {
        Ok(found) => found,
        Err(lost) => return lost.answer(parts, &head.method, path).map(Arrival::Answered),
    };
    let route = Arc::clone(route);
    let mut fields = Vec::new();
    let query = head.uri.query().unwrap_or_default();
    let system = query::to_wire(&route, query, &rest.read, &mut fields)?;
    // After the query, so that the path counts.
    route.path_to_wire(path, &rest.read, &mut fields)?;

    let descriptor = &route.method.descriptor;
    let (client_streaming, server_streaming) =
        (descriptor.is_client_streaming(), descriptor.is_server_streaming());
    let content = Content::of(&head.headers, &route, client_streaming)?;
    if !client_streaming && content.length > parts.max_message_bytes as u64 {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ResourceExhausted,
            format!("the body is longer than {} bytes", parts.max_message_bytes),
        ));
    }
    let messages = Messages {
        route: Arc::clone(&route),
        options: rest.read,
        fields,
        content_type: content.media_type,
        limit: parts.max_message_bytes,
    };
    let body = match route.body {
        RequestBody::None => Body::new(One::new(messages, Body::empty(), None)),
        _ if client_streaming => Body::new(Many::new(messages, body, content.lists)),
        _ => Body::new(One::new(messages, body, content.encoding)),
    };

    let form = match system.events || wants_events(&head.headers) {
        true => Form::Events,
        false => Form::Lines,
    };
    let enum_numbers = rest.write.enum_numbers || system.enum_numbers;
    let options = WriteOptions { enum_numbers, ..rest.write };
    let is_head = head.method == Method::HEAD;
    let parts = Arc::clone(parts);
    let answering = Answering { parts, route: Arc::clone(&route), options, form, head: is_head };

    headers::inbound(&mut head.headers)?;
    head.method = Method::POST;
    head.uri = route.uri.clone();
    head.version = Version::HTTP_2;
    let answer: Answer = match server_streaming {
        true => Box::new(|response| Box::pin(answering.many(response))),
        false => Box::new(|response| Box::pin(answering.one(response))),
    };
    Ok(Arrival::Call { request: Request::from_parts(head, body), answer })
}

/// A request that takes no route.
enum Lost<'r> {
    OtherMethods(Vec<Method>),
    Nothing(Vec<&'r Arc<Route>>),
}

impl Rest {
    /// The route of a request, and its path less the verb. HEAD takes the routes of GET.
    fn find<'r, 'p>(
        &'r self,
        method: &Method,
        path: &'p str,
    ) -> Result<(&'r Arc<Route>, &'p str), Lost<'r>> {
        match self.routes.find(method, path) {
            Found::Route(route, path) => Ok((route, path)),
            Found::Nothing(near) => Err(Lost::Nothing(near)),
            Found::OtherMethods(methods) => {
                if *method == Method::HEAD
                    && let Found::Route(route, path) = self.routes.find(&Method::GET, path)
                {
                    return Ok((route, path));
                }
                Err(Lost::OtherMethods(methods))
            }
        }
    }
}

impl Lost<'_> {
    /// What there is instead; OPTIONS asked for just that.
    fn answer(self, parts: &Parts, method: &Method, path: &str) -> Result<Response<Body>, Refusal> {
        match self {
            Self::OtherMethods(mut methods) => {
                if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
                    methods.push(Method::HEAD);
                }
                methods.push(Method::OPTIONS);
                let names: Vec<_> = methods.iter().map(Method::as_str).collect();
                let names = names.join(", ");
                let allow = HeaderValue::try_from(&names).unwrap_or(HeaderValue::from_static(""));
                if *method == Method::OPTIONS {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NO_CONTENT;
                    response.headers_mut().insert(ALLOW, allow);
                    return Ok(response);
                }
                let message = format!("{path} takes {names}, not {method}");
                let code = StatusCode::METHOD_NOT_ALLOWED;
                Err(Refusal::new(code, Code::Unimplemented, message).with(ALLOW, allow))
            }
            Self::Nothing(near) => {
                let near: Vec<_> = near.iter().map(|route| route.name()).collect();
                let near = match near.is_empty() {
                    true => String::new(),
                    false => format!("; near it: {}", near.join(", ")),
                };
                let docs = if parts.docs.is_some() { "; all are at /docs" } else { "" };
                let message = format!("there is no route {method} {path}{near}{docs}");
                Err(Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, message))
            }
        }
    }
}

/// What a request says of its body.
struct Content {
    media_type: String,
    encoding: Option<Encoding>,
    length: u64,
    /// Whether messages may come as a list.
    lists: bool,
}

impl Content {
    /// # Errors
    /// HTTP 415 for what cannot be read, 400 for a body that has no place.
    fn of(headers: &HeaderMap, route: &Route, stream: bool) -> Result<Self, Refusal> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut media_type = String::from_utf8_lossy(media_type(headers)).to_ascii_lowercase();
        let unsupported = |message| {
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
        };
        let encoding = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => None,
            // A stream is read as it comes, not as a whole.
            Some(name) => match Encoding::from_name(name).filter(|_| !stream) {
                Some(encoding) => Some(encoding),
                None => {
                    let takes = if stream { "identity" } else { "gzip, zstd" };
                    let name = String::from_utf8_lossy(name);
                    let what =
                        format!("{} takes content-encoding {takes}, not {name}", route.name());
                    return Err(
                        unsupported(what).with(ACCEPT_ENCODING, HeaderValue::from_static(takes))
                    );
                }
            },
        };
        let lists = match &route.body {
            RequestBody::Bytes(_) => {
                // With its parameters, such as a boundary.
                let whole = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
                media_type = String::from_utf8_lossy(whole.unwrap_or_default()).into_owned();
                false
            }
            RequestBody::None if length > 0 => {
                let what = format!("{} takes no body: its fields are parameters", route.name());
                let code = StatusCode::BAD_REQUEST;
                return Err(Refusal::new(code, Code::InvalidArgument, what));
            }
            RequestBody::None => false,
            RequestBody::Message | RequestBody::Field(..) => match media_type.as_str() {
                "" | "application/json" => true,
                "application/x-ndjson"
                | "application/ndjson"
                | "application/jsonl"
                | "application/json-seq"
                    if stream =>
                {
                    false
                }
                other if other.ends_with("+json") => true,
                other => {
                    let wanted = match stream {
                        true => "application/x-ndjson, application/json",
                        false => "application/json",
                    };
                    let what = format!("{} takes content-type {wanted}, not {other}", route.name());
                    return Err(unsupported(what).with(ACCEPT, HeaderValue::from_static(wanted)));
                }
            },
        };
        Ok(Self { media_type, encoding, length, lists })
    }
}

/// Whether server-sent events are asked for, and not lines as much.
fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut events = 0.0;
    let mut lines = 0.0;
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let quality = match parts.next() {
            Some("text/event-stream") => &mut events,
            Some("application/x-ndjson" | "application/ndjson" | "application/json") => &mut lines,
            _ => continue,
        };
        let asked = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
        *quality = f32::max(*quality, asked.unwrap_or(0.0));
    }
    events > lines
}
