//! Makes the request stream of a call that is being served the request stream of a call to
//! another service, and lets the one end as the other does.
//!
//! Nothing is buffered and nothing spawned: a message is read when the other call can send it,
//! and an answer when the caller can take it. A half-close passes as a half-close. Anything else
//! must not, or the other service would take a broken stream for a complete one: when the inbound
//! stream fails, or the answers are dropped, the outbound call is cancelled (RST_STREAM).
//!
//! `Streaming` ends a request stream that fails with CANCELLED as if it had been half-closed, so
//! the server below has to fail a stream that its caller reset with another code.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::stream;
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tonic::{CancellationHandle, Request, Status, Streaming};

/// An outbound request that carries the messages of `inbound`, each through `map`, and the link
/// through which its call is to be made.
pub(crate) fn bridge<In, Out>(
    inbound: Streaming<In>,
    map: fn(In) -> Out,
) -> (Request<Outbound<In, Out>>, Link) {
    let (failed, failure) = oneshot::channel();
    let mut request = Request::new(());
    let cancel = request.cancellation_handle();
    let link = Link { failure: Some(failure), cancel: Some(cancel.clone()) };
    let end = Some((failed, cancel));
    (request.map(|()| Outbound { inbound, map, end }), link)
}

/// The request stream of the outbound call.
pub(crate) struct Outbound<In, Out> {
    inbound: Streaming<In>,
    map: fn(In) -> Out,
    /// Taken when the inbound stream has failed.
    end: Option<(oneshot::Sender<Status>, CancellationHandle)>,
}

impl<In, Out> Stream for Outbound<In, Out> {
    type Item = Out;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Out>> {
        if self.end.is_none() {
            return Poll::Pending;
        }
        match Pin::new(&mut self.inbound).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(Some((self.map)(message))),
            Poll::Ready(Some(Err(status))) => {
                if let Some((failed, cancel)) = self.end.take() {
                    // The call may have ended already, and then nobody asks why.
                    let _ = failed.send(status);
                    cancel.cancel();
                }
                // Not the end, which would be a half-close: the cancellation ends the body.
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The answering side of a bridge. Dropping it cancels the outbound call, if that has not ended.
pub(crate) struct Link {
    failure: Option<oneshot::Receiver<Status>>,
    cancel: Option<CancellationHandle>,
}

impl Link {
    /// Waits for the outbound call, or for the inbound stream to fail.
    pub(crate) async fn call<T>(
        &mut self,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut call = pin!(call);
        poll_fn(|cx| {
            let polled = call.as_mut().poll(cx);
            self.or_failure(cx, polled)
        })
        .await
    }

    /// The answers of the outbound call, each through `map`, until they end or the inbound
    /// stream fails.
    pub(crate) fn answers<In, Out>(
        mut self,
        mut answers: Streaming<In>,
        map: fn(In) -> Out,
    ) -> impl Stream<Item = Result<Out, Status>> {
        stream::poll_fn(move |cx| {
            let polled = Pin::new(&mut answers).poll_next(cx);
            let polled = polled.map(|item| item.map(|item| item.map(map)).transpose());
            self.or_failure(cx, polled).map(Result::transpose)
        })
    }

    /// The outbound call's own error when the inbound stream is sound, else the inbound error
    /// that the other is only the echo of.
    fn or_failure<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<T, Status>>,
    ) -> Poll<Result<T, Status>> {
        match polled {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            Poll::Ready(Err(status)) => {
                Poll::Ready(Err(self.failure(cx).unwrap_or_else(|| pass_on(status))))
            }
            Poll::Pending => {
                self.failure(cx).map_or(Poll::Pending, |status| Poll::Ready(Err(status)))
            }
        }
    }

    fn failure(&mut self, cx: &mut Context<'_>) -> Option<Status> {
        match Pin::new(self.failure.as_mut()?).poll(cx) {
            Poll::Ready(failure) => {
                self.failure = None;
                failure.ok()
            }
            Poll::Pending => None,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel.cancel();
        }
    }
}

/// The status of a call that was made, as the status of the call being served: its code, message,
/// details and metadata. A status that came in the place of response headers has those of HTTP
/// among its metadata, and these describe another message.
pub(crate) fn pass_on(mut status: Status) -> Status {
    const HTTP: [&str; 5] =
        ["content-length", "date", "grpc-accept-encoding", "grpc-encoding", "server"];
    for name in HTTP {
        status.metadata_mut().remove(name);
    }
    status
}
