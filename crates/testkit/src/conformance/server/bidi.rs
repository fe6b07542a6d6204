//! Streams both ways, one after the other or in turns.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use tonic::body::Body;
use tonic::{Code, Status};

use super::answer::{Head, end_with, message, respond, status};
use super::requests::{Requests, Seen};
use super::wait;
use crate::conformance::{any_of, proto};

struct Call {
    seen: Seen,
    requests: Requests,
    definition: proto::StreamResponseDefinition,
    full_duplex: bool,
    /// What came since the last response.
    received: Vec<prost_types::Any>,
    more: bool,
    sent: usize,
    trailers: Option<HeaderMap>,
}

pub(super) async fn call(seen: Seen, mut requests: Requests) -> Result<Response<Body>, Status> {
    let mut received = Vec::new();
    let mut first = None;
    while let Some((request, wire)) = requests.next::<proto::BidiStreamRequest>().await? {
        received.push(any_of("BidiStreamRequest", &wire));
        let full_duplex = first.get_or_insert(request).full_duplex;
        if full_duplex {
            break;
        }
    }
    let proto::BidiStreamRequest { response_definition, full_duplex, .. } =
        first.unwrap_or_default();
    let definition = response_definition.unwrap_or_default();
    let head = Head::new(&definition.response_headers, &definition.response_trailers);
    let (headers, trailers) = head.into_parts();
    let trailers = Some(trailers);
    let call = Call {
        seen,
        requests,
        definition,
        full_duplex,
        received,
        more: full_duplex,
        sent: 0,
        trailers,
    };
    let frames = stream::unfold(call, |mut call| async {
        let frame = call.next().await?;
        Some((frame, call))
    });
    Ok(respond(headers, frames))
}

impl Call {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        self.trailers.as_ref()?;
        if let Err(status) = self.receive().await {
            return Some(Ok(self.end(&status)));
        }
        if let Some(data) = self.definition.response_data.get(self.sent).cloned() {
            wait(self.definition.response_delay_ms).await;
            let received = std::mem::take(&mut self.received);
            let info = match self.sent {
                0 => Some(std::mem::take(&mut self.seen).info(received)),
                _ if received.is_empty() => None,
                _ => Some(Seen::default().info(received)),
            };
            self.sent += 1;
            return Some(Ok(Frame::data(message(data, info))));
        }
        let status = match self.definition.error.take() {
            None => Status::new(Code::Ok, ""),
            Some(error) => {
                let received = std::mem::take(&mut self.received);
                let info = std::mem::take(&mut self.seen).info(received);
                status(error, Some(&info).filter(|_| self.sent == 0))
            }
        };
        Some(Ok(self.end(&status)))
    }

    /// In turns, waits for the next request, but for the first, which is here.
    async fn receive(&mut self) -> Result<(), Status> {
        if !self.full_duplex || !self.more || !self.received.is_empty() {
            return Ok(());
        }
        match self.requests.next::<proto::BidiStreamRequest>().await? {
            Some((_, wire)) => self.received.push(any_of("BidiStreamRequest", &wire)),
            None => self.more = false,
        }
        Ok(())
    }

    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        Frame::trailers(end_with(self.trailers.take().unwrap_or_default(), status))
    }
}
