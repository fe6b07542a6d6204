//! The client's half: makes the calls that the suite's runner describes, in three protocols.
//!
//! gRPC goes through [`ahoy::Channel`]; Connect and gRPC-Web, which it does not speak, are written
//! here on hyper's client.

mod call;
mod codec;
mod connect;
mod frames;
mod grpc;
mod transport;

use std::time::Duration;

use http::HeaderMap;
use prost::Message;
use tokio::time::timeout;
use tonic::Status;

use super::{proto, to_list};
use proto::client_compat_response::Result as Outcome;

/// Makes a call and tells how it went.
pub async fn run(request: proto::ClientCompatRequest) -> proto::ClientCompatResponse {
    let test_name = request.test_name.clone();
    let outcome = match call::Call::new(request) {
        Err(error) => Outcome::Error(proto::ClientErrorResult { message: error }),
        Ok(call) => {
            let mut seen = Seen::default();
            let ended = match call.timeout() {
                None => call.make(&mut seen).await,
                Some(millis) => {
                    let limit = Duration::from_millis(millis.into());
                    match timeout(limit, call.make(&mut seen)).await {
                        Ok(ended) => ended,
                        Err(_elapsed) => Err(Status::deadline_exceeded("deadline exceeded")),
                    }
                }
            };
            Outcome::Response(seen.result(ended.err()))
        }
    };
    proto::ClientCompatResponse { test_name, result: Some(outcome) }
}

/// What has come of a call so far.
#[derive(Default)]
struct Seen {
    headers: HeaderMap,
    trailers: HeaderMap,
    payloads: Vec<proto::ConformancePayload>,
    unsent: usize,
    http_status: Option<u16>,
}

impl Seen {
    fn result(self, error: Option<Status>) -> proto::ClientResponseResult {
        proto::ClientResponseResult {
            response_headers: to_list(&self.headers),
            payloads: self.payloads,
            error: error.map(error_of),
            response_trailers: to_list(&self.trailers),
            num_unsent_requests: i32::try_from(self.unsent).unwrap_or(i32::MAX),
            http_status_code: self.http_status.map(i32::from),
            feedback: Vec::new(),
        }
    }
}

fn error_of(status: Status) -> proto::Error {
    let details = tonic_types::pb::Status::decode(status.details()).unwrap_or_default().details;
    proto::Error { code: status.code() as i32, message: Some(status.message().to_owned()), details }
}
