//! The pages that describe what a server serves: an index at `/docs`, and for each document an
//! interactive page at `/NAME/docs` with its OpenAPI at `/NAME/openapi.json` and `.yaml`.
//!
//! Everything comes from memory, is made when it is first asked for, and needs nothing from
//! elsewhere, so that it works where there is no internet.

mod asset;
mod html;
mod index;
mod reference;
mod site;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use prost_reflect::ServiceDescriptor;

pub use index::Security;
pub use site::{Site, SiteError, site};

use self::asset::Asset;
use super::contracts::Contracts;
use super::openapi;
use super::rest::{BindingError, RestSettings};
use crate::body::Body;

const HTML: &str = "text/html; charset=utf-8";

/// The pages of a server.
pub struct Docs {
    documents: BTreeMap<String, Document>,
    contracts: Arc<Contracts>,
    settings: RestSettings,
    security: Security,
}

struct Document {
    services: Vec<ServiceDescriptor>,
    files: OnceLock<Result<Files, BindingError>>,
}

#[derive(Debug)]
struct Files {
    json: Asset,
    yaml: Asset,
    page: Asset,
}

/// The script of the pages, which is the same for all.
static SCRIPT_FILE: LazyLock<Asset> =
    LazyLock::new(|| Asset::compressed("text/javascript; charset=utf-8", reference::SCRIPT_GZIP));

impl Docs {
    /// For what a server serves.
    pub fn new(contracts: Arc<Contracts>, settings: RestSettings, security: Security) -> Self {
        let mut services: Vec<_> =
            contracts.methods().map(|method| method.descriptor.parent_service().clone()).collect();
        services.sort_by(|one, other| one.full_name().cmp(other.full_name()));
        services.dedup();
        let documents = openapi::documents(services).into_iter();
        let documents = documents
            .map(|(name, services)| (name, Document { services, files: OnceLock::new() }))
            .collect();
        Self { documents, contracts, settings, security }
    }

    fn files(&self, name: &str) -> Option<Result<&Files, &BindingError>> {
        let document = self.documents.get(name)?;
        let files = document.files.get_or_init(|| {
            let options = openapi::Options {
                settings: self.settings,
                ..openapi::Options::new(self.contracts.examples())
            };
            let value = openapi::document(name, &document.services, &options)?;
            Ok(Files {
                json: Asset::new("application/json", format!("{value:#}")),
                yaml: Asset::new("application/yaml", openapi::yaml(&value)),
                page: Asset::new(HTML, reference::linked(name)),
            })
        });
        Some(files.as_ref())
    }
}

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docs").field("documents", &self.documents.keys()).finish_non_exhaustive()
    }
}

/// Which page a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page<'a> {
    Index,
    Script,
    Reference(&'a str),
    Json(&'a str),
    Yaml(&'a str),
}

fn page_of(path: &str) -> Option<Page<'_>> {
    match path.strip_prefix('/')?.split_once('/') {
        None if path == "/docs" => Some(Page::Index),
        None => None,
        Some(("docs", reference::SCRIPT)) => Some(Page::Script),
        Some((name, "docs")) => Some(Page::Reference(name)),
        Some((name, "openapi.json")) => Some(Page::Json(name)),
        Some((name, "openapi.yaml")) => Some(Page::Yaml(name)),
        Some(_) => None,
    }
}

/// The page that a request asks for, if it asks for one.
pub(crate) fn accept<B>(docs: &Docs, request: &Request<B>) -> Option<Response<Body>> {
    let method = request.method();
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let page = page_of(request.uri().path())?;
    let (name, file): (_, fn(&Files) -> &Asset) = match page {
        Page::Index => return Some(docs.index(request)),
        Page::Script => {
            let mut response = SCRIPT_FILE.answer(method, request.headers());
            guard(&mut response, None);
            return Some(response);
        }
        Page::Reference(name) => (name, |files| &files.page),
        Page::Json(name) => (name, |files| &files.json),
        Page::Yaml(name) => (name, |files| &files.yaml),
    };
    let mut response = match docs.files(name)? {
        Ok(files) => file(files).answer(method, request.headers()),
        Err(error) => failed(error),
    };
    guard(&mut response, matches!(page, Page::Reference(_)).then_some(reference::POLICY));
    Some(response)
}

impl Docs {
    fn index<B>(&self, request: &Request<B>) -> Response<Body> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = request.uri().authority().cloned().or(host);
        let host = host.as_ref().map_or("localhost", Authority::as_str);
        let documents = self.documents.iter();
        let documents =
            documents.map(|(name, document)| (name.as_str(), document.services.as_slice()));
        let place = index::Place { security: self.security, host, prefix: "", reference: "docs" };
        let html = index::page(documents, &place, self.contracts.examples());
        let mut response = match *request.method() {
            Method::HEAD => Response::new(Body::default()),
            _ => Response::new(Body::new(Full::new(Bytes::from(html)))),
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        guard(&mut response, Some(index::POLICY));
        response
    }
}

/// What keeps a browser from doing more with an answer than it is for.
fn guard(response: &mut Response<Body>, policy: Option<&'static str>) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(policy) = policy {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
}

fn failed(error: &BindingError) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(format!("{error}\n")))));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
