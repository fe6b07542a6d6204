//! The span of a call, and how it joins the trace that the call came with.
//!
//! Names and attributes follow OpenTelemetry's conventions for RPC and gRPC. While no trace is
//! exported the spans are disabled, which one relaxed load tells.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tonic::Code;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::server::Connection;
use crate::telemetry::metrics::code_name;
use crate::telemetry::w3c::TraceContext;

pub(super) fn server(path: &str, connection: &Connection) -> Span {
    let span = info_span!(
        target: "ahoy::call",
        parent: None,
        "call",
        otel.name = name(path),
        otel.kind = "server",
        otel.status_code = Empty,
        otel.status_description = Empty,
        rpc.system = "grpc",
        rpc.service = split(path).0,
        rpc.method = split(path).1,
        rpc.grpc.status_code = Empty,
        network.peer.address = Empty,
        network.peer.port = Empty,
        service.name = connection.service.as_str(),
    );
    if !span.is_disabled()
        && let Some(peer) = &connection.peer
    {
        span.record("network.peer.address", display(peer.addr.ip()));
        span.record("network.peer.port", peer.addr.port());
    }
    span
}

pub(super) fn client(path: &str, target: &str) -> Span {
    info_span!(
        target: "ahoy::call",
        "call",
        otel.name = name(path),
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
        rpc.system = "grpc",
        rpc.service = split(path).0,
        rpc.method = split(path).1,
        rpc.grpc.status_code = Empty,
        server.address = target,
    )
}

/// Makes the span of a served call a child of what the call came with, and gives what its
/// handler is to pass on: the span if it is exported, else what came.
pub(super) fn adopt(span: &Span, came: Option<TraceContext>) -> Option<TraceContext> {
    if span.is_disabled() {
        return came;
    }
    if let Some(came) = &came {
        set_parent(span, came);
    }
    exported(span, came)
}

/// The same for a call that is made while another is served: the span around it, if there is
/// one, is its parent already.
pub(super) fn adopt_within(span: &Span, context: Option<TraceContext>) -> Option<TraceContext> {
    if span.is_disabled() {
        return context;
    }
    if Span::current().is_none()
        && let Some(context) = &context
    {
        set_parent(span, context);
    }
    exported(span, context)
}

fn set_parent(span: &Span, parent: &TraceContext) {
    let state = parent.state.as_ref().and_then(|state| state.to_str().ok()?.parse().ok());
    let parent = SpanContext::new(
        TraceId::from(parent.trace_id),
        SpanId::from(parent.span_id),
        TraceFlags::new(parent.flags),
        true,
        state.unwrap_or(TraceState::NONE),
    );
    // Fails where spans go to a log only: then there is nothing to link.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
}

fn exported(span: &Span, context: Option<TraceContext>) -> Option<TraceContext> {
    let otel = span.context();
    let own = otel.span().span_context().clone();
    if !own.is_valid() {
        return context;
    }
    let (state, baggage) = context.map(|came| (came.state, came.baggage)).unwrap_or_default();
    Some(TraceContext {
        trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(own.span_id().to_bytes()),
        flags: own.trace_flags().to_u8(),
        state,
        baggage,
    })
}

/// `error`: the status is this side's failure.
pub(super) fn end(span: &Span, code: Code, error: bool) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.grpc.status_code", code as i64);
    if error {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", code_name(code));
    }
}

/// Conventions for gRPC: which statuses are a server's fault.
pub(super) fn server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Of a span: `package.Service/Method`.
fn name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

fn split(path: &str) -> (&str, &str) {
    name(path).rsplit_once('/').unwrap_or((name(path), ""))
}
