//! gRPC-Web in, gRPC out; and gRPC whose messages are JSON.

use std::sync::Arc;

use http::Request;

use super::edge::{Arrival, Parts};
use crate::body::Body;

pub(crate) fn accept(_parts: &Arc<Parts>, _request: Request<Body>) -> Arrival {
    Arrival::Answered(tonic::Status::unimplemented("not yet").into_http())
}
