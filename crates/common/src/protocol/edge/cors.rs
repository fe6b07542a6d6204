//! Lets pages of other origins call, by setting (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::EdgeBody;
use crate::body::Body;

/// Which pages may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// The origins whose pages may. `AHOY_CORS_ORIGINS`: such as
    /// `https://app.example.org,http://localhost:3000`, or `*`; default none.
    pub origins: Origins,
    /// Whether they may send cookies and what else the browser adds of the user's.
    /// `AHOY_CORS_CREDENTIALS`; default off, and off for `*`.
    pub credentials: bool,
}

/// A set of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every one.
    Any,
    /// These, as browsers send them: scheme, host and a port that is not the scheme's own.
    Listed(Vec<HeaderValue>),
}

/// What browsers keep an answer for, in seconds: the most that any of them does.
const MAX_AGE: &str = "7200";

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl CorsSettings {
    /// Whether a page of this origin may call.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(origins) => origins.contains(origin),
        }
    }
}

/// Adds [`Cors`].
#[derive(Clone, Debug)]
pub struct CorsLayer(Option<Arc<CorsSettings>>);

impl CorsLayer {
    /// Without settings nothing is added, and browsers keep other origins out.
    pub fn new(settings: Option<CorsSettings>) -> Self {
        Self(settings.map(Arc::new))
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors { inner, settings: self.0.clone() }
    }
}

/// Tells browsers which pages may call.
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    settings: Option<Arc<CorsSettings>>,
}

/// What a response is to say.
#[derive(Clone, Debug)]
struct Grant {
    /// None for an origin that may not.
    origin: Option<HeaderValue>,
    credentials: bool,
}

impl<S, B, RB> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<EdgeBody<RB>>, Error = Infallible>,
{
    type Response = Response<EdgeBody<RB>>;
    type Error = Infallible;
    type Future = CorsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return CorsFuture { call: Some(self.inner.call(request)), page: None };
        };
        let Some(origin) = request.headers().get(ORIGIN) else {
            // Caches have to keep answers to pages apart, also where a page is not told anything.
            let grant = Grant { origin: None, credentials: false };
            return CorsFuture::granted(self.inner.call(request), grant);
        };
        let allowed = settings.allows(origin);
        let grant = Grant {
            origin: allowed.then(|| match (&settings.origins, settings.credentials) {
                (Origins::Any, _) => HeaderValue::from_static("*"),
                _ => origin.clone(),
            }),
            credentials: settings.credentials && settings.origins != Origins::Any,
        };
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if is_preflight {
            let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            let preflight = preflight(&grant, asked);
            return CorsFuture { call: None, page: Some(Box::new(Page { grant, preflight })) };
        }
        CorsFuture::granted(self.inner.call(request), grant)
    }
}

/// What a browser asks before a request that a page could not have made without scripts.
fn preflight(grant: &Grant, asked: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if grant.origin.is_some() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        headers.extend(asked.map(|asked| (ACCESS_CONTROL_ALLOW_HEADERS, asked)));
    }
    let vary = "access-control-request-method, access-control-request-headers";
    headers.insert(VARY, HeaderValue::from_static(vary));
    headers
}

impl Grant {
    fn add(self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.origin else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        // Metadata and gRPC's status are the page's to see, too. `*` would not mean those of calls
        // with credentials; and gRPC-Web's trailers of calls that fail at once are headers.
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }
}

pin_project! {
    /// The response, with what a browser wants to be told.
    pub struct CorsFuture<F> {
        #[pin]
        call: Option<F>,
        // On the heap, since most calls have none.
        page: Option<Box<Page>>,
    }
}

/// What the page that made a request is told.
struct Page {
    grant: Grant,
    /// The headers of an answer without a call.
    preflight: HeaderMap,
}

impl<F> CorsFuture<F> {
    fn granted(call: F, grant: Grant) -> Self {
        let page = Page { grant, preflight: HeaderMap::new() };
        Self { call: Some(call), page: Some(Box::new(page)) }
    }
}

impl<F, RB> Future for CorsFuture<F>
where
    F: Future<Output = Result<Response<EdgeBody<RB>>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(call) = this.call.as_pin_mut() else {
            let mut response = Response::new(EdgeBody::translated(Body::empty()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            if let Some(Page { grant, preflight }) = this.page.take().map(|page| *page) {
                *response.headers_mut() = preflight;
                grant.add(response.headers_mut());
            }
            return Poll::Ready(Ok(response));
        };
        if this.page.is_none() {
            return call.poll(cx);
        }
        let Ok(mut response) = ready!(call.poll(cx));
        if let Some(page) = this.page.take() {
            page.grant.add(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
