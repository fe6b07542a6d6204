//! The Connect protocol in, gRPC out.

use std::sync::Arc;

use http::{HeaderName, Request, Uri};

use super::edge::{Arrival, Parts};
use crate::body::Body;

/// Tells Connect's unary requests from others of the same content type.
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// The three ways in which Connect makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One message, which is the body.
    Post,
    /// One message, which is in the query.
    Get,
    /// Messages in envelopes.
    Stream,
}

/// Whether the query is one of Connect's.
pub(crate) fn is_get(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "connect=v1"))
}

pub(crate) fn accept(_shape: Shape, _parts: &Arc<Parts>, _request: Request<Body>) -> Arrival {
    Arrival::Answered(tonic::Status::unimplemented("not yet").into_http())
}
