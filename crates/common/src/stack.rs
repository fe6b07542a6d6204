//! The order of the layers, for calls that come in and for calls that go out.
//!
//! Production and tests build their stacks here. In each, the first layer is the outermost: it
//! sees a call first and its answer last. Inside a stack a call that failed is a response with
//! `grpc-status`, never an error, so that every layer sees every end in the same way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use pin_project_lite::pin_project;
use tower::{Service, ServiceBuilder};

use crate::body::Body;
use crate::client::{Call, ChannelSettings};
use crate::context::Peer;
use crate::layers::compression::{
    InboundCompression, InboundCompressionLayer, MessageBody, OutboundCompression,
    OutboundCompressionLayer,
};
use crate::layers::deadline::{Deadline, DeadlineLayer, ExpiringBody};
use crate::layers::limits::{MessageLimit, MessageLimitLayer, ResponseLimit, ResponseLimitLayer};
use crate::layers::panic::{CatchPanic, CatchPanicBody, CatchPanicLayer};
use crate::layers::telemetry::{
    ClientTelemetry, ClientTelemetryLayer, ObservedResponse, ServerTelemetry, ServerTelemetryLayer,
};
use crate::layers::validation::{ValidatedResponse, Validation, ValidationLayer};
use crate::protocol::contracts::Contracts;
use crate::protocol::edge::{Cors, CorsLayer, Edge, EdgeBody, EdgeLayer};
use crate::server::{Router, ServerSettings};

/// The stack of calls that come in.
pub(crate) type Inbound = Cors<Edge<ServerTelemetry<InboundCompression<Deadline<Limited>>>>>;

/// The stack around the handlers, where messages are of a size that can be held.
type Limited = MessageLimit<Validation<CatchPanic<Router>>>;

/// What it answers with.
pub(crate) type InboundBody =
    EdgeBody<ObservedResponse<MessageBody<ExpiringBody<ValidatedResponse<CatchPanicBody<Body>>>>>>;

/// The stack of calls that go out.
pub(crate) type Outbound = OutboundCompression<ClientTelemetry<ResponseLimit<Deadline<Call>>>>;

/// What the stacks of a server's connections are made of.
pub(crate) struct InboundParts {
    cors: CorsLayer,
    edge: EdgeLayer,
    router: Router,
    telemetry: ServerTelemetryLayer,
    compression: InboundCompressionLayer,
    default_deadline: Option<Duration>,
    limits: MessageLimitLayer,
    validation: ValidationLayer,
}

impl InboundParts {
    pub(crate) fn new(
        contracts: Arc<Contracts>,
        edge: EdgeLayer,
        router: Router,
        telemetry: ServerTelemetryLayer,
        validation: ValidationLayer,
        settings: &ServerSettings,
        per_message: bool,
    ) -> Self {
        // Behind a forwarder nobody here holds a message.
        let passing = router.forwards();
        let max_message_bytes = if passing { usize::MAX } else { settings.max_message_bytes };
        let limits = MessageLimitLayer::new(max_message_bytes);
        Self {
            cors: CorsLayer::new(settings.cors.clone()),
            edge,
            router,
            telemetry,
            compression: InboundCompressionLayer::new()
                .message_limit(settings.max_message_bytes)
                .per_message(per_message)
                .passing(passing),
            default_deadline: settings.default_deadline,
            limits: if passing { limits } else { limits.contracts(contracts) },
            validation,
        }
    }
}

/// The stack of one connection.
pub(crate) fn inbound(parts: &InboundParts, peer: Arc<Peer>) -> Inbound {
    ServiceBuilder::new()
        // Outermost: a browser's question is no call, and every answer is the page's to see.
        .layer(parts.cors.clone())
        // Outside of the rest: all further in see gRPC, whatever the client speaks.
        .layer(parts.edge.clone())
        // Outside of all that works on a call: it counts what the wire carries, and sees how every call ends.
        .layer(parts.telemetry.with_peer(Some(peer)))
        // Outside of all that reads messages: nothing further in sees a compressed one.
        .layer(parts.compression)
        // Outside of all that can take long.
        .layer(DeadlineLayer::inbound(parts.default_deadline))
        // What the handler would have to hold at once; compressed ones were measured above.
        .layer(parts.limits.clone())
        // Inside of the limit: it holds a message as a whole.
        .layer(parts.validation.clone())
        // Around the handlers alone: a panic of ours should not look like one of theirs.
        .layer(CatchPanicLayer)
        .service(parts.router.clone())
}

/// The stack of a channel; `passing`: of calls that were made elsewhere, whose messages nobody
/// here holds.
pub(crate) fn outbound(
    settings: &ChannelSettings,
    telemetry: ClientTelemetryLayer,
    call: Call,
    passing: bool,
) -> Outbound {
    let compression = OutboundCompressionLayer::new()
        .message_limit(settings.max_message_bytes)
        .send(settings.send_compressed)
        .passing(passing);
    let max_message_bytes = if passing { usize::MAX } else { settings.max_message_bytes };
    ServiceBuilder::new()
        // Outside of all that reads messages, as on the way in.
        .layer(compression)
        // Inside of compression, so that it counts what the wire carries.
        .layer(telemetry)
        // What the caller would have to hold at once; inside of telemetry, which counts the end.
        .layer(ResponseLimitLayer::new(max_message_bytes))
        // Outside of all that can take long, connecting above all.
        .layer(DeadlineLayer::outbound(settings.default_deadline))
        .service(call)
}

pin_project! {
    /// The answer to a call that went out, boxed as generated clients take it.
    pub struct OutboundFuture {
        #[pin]
        future: <Outbound as Service<http::Request<Body>>>::Future,
    }
}

impl OutboundFuture {
    pub(crate) fn new(future: <Outbound as Service<http::Request<Body>>>::Future) -> Self {
        Self { future }
    }
}

impl Future for OutboundFuture {
    type Output = Result<Response<Body>, std::convert::Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(self.project().future.poll(cx));
        Poll::Ready(Ok(response.map(Body::new)))
    }
}
