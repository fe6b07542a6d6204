//! The body of a request as a connection gives it to its stack.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use crate::status;

/// A request body whose transport errors are statuses, and that never ends as whole when it is
/// not: hyper takes a stream that was reset with NO_ERROR for one that has ended.
pub(crate) struct RequestBody {
    body: Incoming,
    http2: bool,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, version: Version) -> Self {
        Self { body, http2: version == Version::HTTP_2 }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(status::of_request(&error))),
            None if self.http2 && !self.body.is_end_stream() => Some(Err(status::abandoned())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
