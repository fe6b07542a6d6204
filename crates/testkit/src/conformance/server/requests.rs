//! What came: headers and messages.

use ahoy::protocol::frame::{FrameError, Splitter};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;
use tonic::body::Body;

use crate::conformance::{proto, to_list};

/// What a response says of the request's head.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    headers: Vec<proto::Header>,
    timeout_ms: Option<i64>,
}

impl Seen {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let timeout_ms = headers.get("grpc-timeout").and_then(|value| millis(value.to_str().ok()?));
        Self { headers: to_list(headers), timeout_ms }
    }

    pub(super) fn info(
        self,
        requests: Vec<prost_types::Any>,
    ) -> proto::conformance_payload::RequestInfo {
        proto::conformance_payload::RequestInfo {
            request_headers: self.headers,
            timeout_ms: self.timeout_ms,
            requests,
            connect_get_info: None,
        }
    }
}

fn millis(timeout: &str) -> Option<i64> {
    let (digits, unit) = timeout.split_at_checked(timeout.len().checked_sub(1)?)?;
    let amount: i64 = digits.parse().ok()?;
    Some(match unit {
        "H" => amount * 3_600_000,
        "M" => amount * 60_000,
        "S" => amount * 1_000,
        "m" => amount,
        "u" => amount / 1_000,
        "n" => amount / 1_000_000,
        _ => return None,
    })
}

/// The messages of a request.
pub(super) struct Requests {
    body: Body,
    splitter: Splitter,
}

impl Requests {
    pub(super) fn new(body: Body) -> Self {
        // The server's own limit is further out.
        Self { body, splitter: Splitter::with_limit(usize::MAX) }
    }

    /// The next message, and its bytes.
    pub(super) async fn next<M>(&mut self) -> Result<Option<(M, Bytes)>, Status>
    where
        M: Message + Default,
    {
        loop {
            if let Some(message) = self.splitter.next_message()? {
                let wire = message.into_payload();
                let message = M::decode(&*wire)
                    .map_err(|error| Status::invalid_argument(error.to_string()))?;
                return Ok(Some((message, wire)));
            }
            match self.body.frame().await.transpose()? {
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.splitter.feed(data);
                    }
                }
                None if self.splitter.is_empty() => return Ok(None),
                None => return Err(FrameError::Truncated.into()),
            }
        }
    }

    /// The only message. That there is one, the server has seen to.
    pub(super) async fn single<M>(&mut self) -> Result<(M, Bytes), Status>
    where
        M: Message + Default,
    {
        let first = self.next().await?.ok_or_else(|| Status::unimplemented("no message"))?;
        match self.next::<M>().await? {
            None => Ok(first),
            Some(_) => Err(Status::unimplemented("more than one message")),
        }
    }
}
