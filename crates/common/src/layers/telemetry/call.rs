//! What is known of one call, from its first byte to its status.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri};
use tonic::{Code, GrpcMethod, Status};
use tracing::{Level, Span, debug, enabled, info};

use super::server::Connection;
use super::span;
use crate::CallContext;
use crate::protocol::edge::Spoken;
use crate::protocol::frame::FrameCounter;
use crate::status;
use crate::telemetry::metrics::{ClientCalls, MethodId, Outcome, code_name};
use crate::telemetry::w3c::TraceContext;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A call in progress. Dropped before its end, it was cancelled.
#[derive(Debug)]
pub(super) struct Call {
    side: Side,
    method: MethodId,
    start: Instant,
    /// Swapped with the thread's while the call is polled.
    context: Option<CallContext>,
    span: Span,
    request: Arc<Traffic>,
    pub(super) response: FrameCounter,
    /// What the access log wants to know, if it is on.
    access: Option<Box<Access>>,
    /// The status if the body ends without one.
    otherwise: Code,
    ended: bool,
}

#[derive(Debug)]
enum Side {
    Server(Arc<Connection>),
    Client(Arc<ClientCalls>),
}

/// What went by in the request's body, which the handler or the transport has taken away.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    messages: AtomicU64,
    payload_bytes: AtomicU64,
}

impl Traffic {
    pub(super) fn set(&self, counter: &FrameCounter) {
        self.messages.store(counter.messages(), Relaxed);
        self.payload_bytes.store(counter.payload_bytes(), Relaxed);
    }
}

#[derive(Debug)]
struct Access {
    uri: Uri,
    user_agent: Option<HeaderValue>,
    timeout: Option<HeaderValue>,
    protocol: &'static str,
}

impl Access {
    fn of<B>(request: &Request<B>) -> Box<Self> {
        Box::new(Self {
            uri: request.uri().clone(),
            user_agent: request.headers().get(USER_AGENT).cloned(),
            timeout: request.headers().get(GRPC_TIMEOUT).cloned(),
            protocol: request.extensions().get().map_or("grpc", |Spoken(protocol)| protocol),
        })
    }
}

impl Call {
    pub(super) fn server<B>(connection: &Arc<Connection>, request: &Request<B>) -> Box<Self> {
        let start = Instant::now();
        let path = request.uri().path();
        let method = connection.calls.find(path);
        connection.calls.started(method);

        let access = enabled!(target: "ahoy::access", Level::INFO).then(|| Access::of(request));
        let came = TraceContext::extract(request.headers());
        let span = span::server(path, connection);
        // Somebody will read the trace id, so there has to be one.
        let trace = span::adopt(&span, came)
            .or_else(|| access.is_some().then(|| TraceContext::new_root(false)));
        let peer = connection.peer.clone();
        let context = CallContext { trace: trace.map(Arc::new), peer, deadline: None };
        Self::new(Side::Server(Arc::clone(connection)), method, start, Some(context), span, access)
    }

    /// Also writes the trace into the request.
    pub(super) fn client<B>(calls: &Arc<ClientCalls>, request: &mut Request<B>) -> Box<Self> {
        let start = Instant::now();
        let generated = request.extensions().get::<GrpcMethod<'_>>().is_some();
        let path = request.uri().path();
        let method = calls.find(path, generated);
        calls.started(method);

        let access = enabled!(target: "ahoy::access", Level::DEBUG).then(|| Access::of(request));
        let span = span::client(path, calls.target());
        // Without a span of ours the caller's own is the parent of what comes next.
        if let Some(trace) =
            span::adopt_within(&span, CallContext::current().trace.as_deref().cloned())
        {
            trace.inject(request.headers_mut());
        }
        Self::new(Side::Client(Arc::clone(calls)), method, start, None, span, access)
    }

    fn new(
        side: Side,
        method: MethodId,
        start: Instant,
        context: Option<CallContext>,
        span: Span,
        access: Option<Box<Access>>,
    ) -> Box<Self> {
        // Moved from the future to the body, and through all that stands around them.
        Box::new(Self {
            side,
            method,
            start,
            context,
            span,
            request: Arc::default(),
            response: FrameCounter::new(),
            access,
            otherwise: Code::Unknown,
            ended: false,
        })
    }

    /// Where the request's body reports what went by.
    pub(super) fn request(&self) -> Arc<Traffic> {
        Arc::clone(&self.request)
    }

    /// Runs a poll of what answers the call.
    pub(super) fn run<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        let span = &self.span;
        match &self.side {
            Side::Server(connection) => CallContext::enter(&mut self.context, || {
                connection.service.enter(|| span.in_scope(poll))
            }),
            Side::Client(_) => span.in_scope(poll),
        }
    }

    /// Reads the head of the response; `empty`: no body follows it.
    pub(super) fn head(&mut self, http: StatusCode, headers: &HeaderMap, empty: bool) {
        match status::code_of(headers) {
            // A response that is nothing but trailers.
            Some(code) => self.end(code),
            None => self.otherwise = status::code_of_http(http),
        }
        if empty {
            self.end(self.otherwise);
        }
    }

    /// Reads trailers, or the lack of them at the end.
    pub(super) fn trailers(&mut self, trailers: Option<&HeaderMap>) {
        self.end(trailers.and_then(status::code_of).unwrap_or(self.otherwise));
    }

    /// Reads the error that a body failed with.
    pub(super) fn failed(&mut self, error: &dyn Any) {
        self.end(error.downcast_ref::<Status>().map_or(Code::Unknown, Status::code));
    }

    /// The first end counts.
    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let duration = self.start.elapsed();
        let request_bytes = self.request.payload_bytes.load(Relaxed);
        let response_bytes = self.response.payload_bytes();
        match &self.side {
            Side::Server(connection) => {
                let (received_bytes, sent_bytes) = (request_bytes, response_bytes);
                let outcome = Outcome { code, duration, sent_bytes, received_bytes };
                connection.calls.finished(self.method, &outcome);
                span::end(&self.span, code, span::server_error(code));
            }
            Side::Client(calls) => {
                let (sent_bytes, received_bytes) = (request_bytes, response_bytes);
                let outcome = Outcome { code, duration, sent_bytes, received_bytes };
                calls.finished(self.method, &outcome);
                span::end(&self.span, code, code != Code::Ok);
            }
        }
        if let Some(access) = self.access.take() {
            self.log(&access, code, duration);
        }
        self.span = Span::none();
    }

    #[cold]
    fn log(&mut self, access: &Access, code: Code, duration: Duration) {
        let method = access.uri.path();
        let method = method.strip_prefix('/').unwrap_or(method);
        let status = code_name(code);
        let duration_ms = duration.as_micros() as f64 / 1_000.0;
        let request_messages = self.request.messages.load(Relaxed);
        let request_bytes = self.request.payload_bytes.load(Relaxed);
        let (response_messages, response_bytes) =
            (self.response.messages(), self.response.payload_bytes());
        let text = |value: &Option<HeaderValue>| value.as_ref()?.to_str().ok().map(str::to_owned);
        let timeout = text(&access.timeout);
        match &self.side {
            Side::Server(connection) => {
                let user_agent = text(&access.user_agent);
                let peer = connection.peer.as_ref().map(|peer| tracing::field::display(peer.addr));
                CallContext::enter(&mut self.context, || {
                    connection.service.enter(|| {
                        info!(
                            target: "ahoy::access",
                            method,
                            status,
                            duration_ms,
                            request_messages,
                            request_bytes,
                            response_messages,
                            response_bytes,
                            peer,
                            user_agent,
                            timeout,
                            protocol = access.protocol,
                            "served"
                        );
                    });
                });
            }
            Side::Client(calls) => debug!(
                target: "ahoy::access",
                method,
                status,
                duration_ms,
                request_messages,
                request_bytes,
                response_messages,
                response_bytes,
                channel = %calls.target(),
                timeout,
                "called"
            ),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A call whose client takes nothing is dropped at its deadline.
        let deadline = self.context.as_ref().and_then(|context| context.deadline);
        let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.end(if is_over { Code::DeadlineExceeded } else { Code::Cancelled });
    }
}
