//! Calls that the client ends: by cancelling, or at its deadline.
//!
//! A stub's call is cancelled by dropping it, which leaves nothing to read a status from. The
//! cases therefore cancel from the other end: the request's body fails with HTTP/2's CANCEL, the
//! channel resets the stream with that code, and the call completes with what the channel makes
//! of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::Shared;
use http_body::Frame;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tower::ServiceExt;

use super::expect::{self, CaseError};
use super::streaming::{REQUEST_SIZES, RESPONSE_SIZES, ask};
use super::{Channel, Target};
use crate::interop::proto::test_service_client::TestServiceClient;
use crate::interop::proto::{StreamingInputCallRequest, StreamingOutputCallRequest};
use crate::interop::zeros;

/// A call can be cancelled before it sends a message.
///
/// # Errors
/// When the call completes with another code than CANCELLED.
pub async fn cancel_after_begin(target: Target) -> Result<(), CaseError> {
    let (mut client, cancel) = cancellable(&target);
    let requests = tokio_stream::pending::<StreamingInputCallRequest>();
    let call = client.streaming_input_call(requests);
    // Polled in this order: the call begins, then it is cancelled.
    let (result, ()) = futures_util::join!(call, async { cancel.now() });
    expect::failure("StreamingInputCall", result, Code::Cancelled)?;
    Ok(())
}

/// A call can be cancelled between two messages.
///
/// # Errors
/// When the response is not as asked, or the call completes with another code than CANCELLED.
pub async fn cancel_after_first_response(target: Target) -> Result<(), CaseError> {
    let (mut client, cancel) = cancellable(&target);
    let [request, ..] = REQUEST_SIZES;
    let [response, ..] = RESPONSE_SIZES;
    let requests = tokio_stream::once(ask(request, response)).chain(tokio_stream::pending());
    let responses = client.full_duplex_call(requests).await;
    let mut responses = expect::success("FullDuplexCall", responses)?.into_inner();
    expect::payloads("FullDuplexCall", &mut responses, &[response]).await?;
    cancel.now();
    let outcome = responses.message().await;
    expect::failure("FullDuplexCall", outcome, Code::Cancelled)?;
    Ok(())
}

/// A call ends at its deadline, though the server keeps it open.
///
/// # Errors
/// When the call completes with another code than DEADLINE_EXCEEDED.
pub async fn timeout_on_sleeping_server(target: Target) -> Result<(), CaseError> {
    let message = StreamingOutputCallRequest {
        payload: Some(zeros(27_182)),
        ..StreamingOutputCallRequest::default()
    };
    let requests = tokio_stream::once(message).chain(tokio_stream::pending());
    let mut request = Request::new(requests);
    request.set_timeout(Duration::from_millis(1));
    let call = target.client().full_duplex_call(request).await;
    expect::failure("FullDuplexCall", expect::next(call).await, Code::DeadlineExceeded)?;
    Ok(())
}

/// A client whose one call can be cancelled.
fn cancellable(target: &Target) -> (TestServiceClient<Channel>, Cancel) {
    let (sender, receiver) = oneshot::channel();
    let cancelled = receiver.shared();
    let channel = target.channel.clone().map_request(move |request: http::Request<Body>| {
        let cancelled = cancelled.clone();
        request.map(|inner| Body::new(Cancellable { inner, cancelled }))
    });
    let client = TestServiceClient::new(Channel::new(channel));
    (client, Cancel(sender))
}

struct Cancel(oneshot::Sender<()>);

impl Cancel {
    fn now(self) {
        // Nobody listens when the call is over already, which its outcome then shows.
        let _ = self.0.send(());
    }
}

/// A request body that fails when its call is cancelled.
struct Cancellable {
    inner: Body,
    cancelled: Shared<oneshot::Receiver<()>>,
}

impl http_body::Body for Cancellable {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(Ok(())) = self.cancelled.poll_unpin(cx) {
            return Poll::Ready(Some(Err(cancel())));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }
}

/// CANCELLED to readers of statuses, CANCEL to hyper, which looks for an h2 error among causes.
fn cancel() -> Status {
    let mut status = Status::cancelled("cancelled by the client");
    status.set_source(Arc::new(h2::Error::from(h2::Reason::CANCEL)));
    status
}
