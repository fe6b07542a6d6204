use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::{Broken, Checks};
use crate::BoxError;
use crate::protocol::frame::{FrameError, Splitter};

pin_project! {
    /// The body of a request whose messages are checked one by one as they are read, or one that
    /// passes as it is.
    pub struct ValidatedRequest<B> {
        #[pin]
        inner: B,
        check: Option<Box<Check>>,
    }
}

struct Check {
    splitter: Splitter,
    checks: Arc<Checks>,
    broken: Broken,
    failed: bool,
}

impl<B> ValidatedRequest<B> {
    pub(super) fn unchecked(inner: B) -> Self {
        Self { inner, check: None }
    }

    pub(super) fn new(inner: B, checks: Arc<Checks>, broken: Broken) -> Self {
        // How long a message may be was decided further out.
        let splitter = Splitter::with_limit(usize::MAX);
        Self { inner, check: Some(Box::new(Check { splitter, checks, broken, failed: false })) }
    }
}

impl Check {
    fn poll_frame<B>(
        &mut self,
        mut inner: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        if self.failed {
            return Poll::Ready(None);
        }
        loop {
            match self.splitter.next_message() {
                Ok(None) => {}
                Ok(Some(message)) => match self.checks.check(message.payload()) {
                    Ok(()) => return Poll::Ready(Some(Ok(Frame::data(message.frame)))),
                    Err(status) => {
                        let _ = self.broken.set(status.clone());
                        return self.fail(status);
                    }
                },
                Err(error) => return self.fail(error.into()),
            }
            let frame = match ready!(inner.as_mut().poll_frame(cx)) {
                None if self.splitter.is_empty() => return Poll::Ready(None),
                None => return self.fail(FrameError::Truncated.into()),
                Some(Err(error)) => return self.fail(Status::from_error(error.into())),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(chunk) => self.splitter.feed(chunk),
                Err(_) if !self.splitter.is_empty() => {
                    return self.fail(FrameError::Truncated.into());
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn fail(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.failed = true;
        Poll::Ready(Some(Err(status)))
    }
}

impl<B> Body for ValidatedRequest<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        match this.check {
            Some(check) => check.poll_frame(this.inner, cx),
            None => this.inner.poll_frame(cx).map_err(|error| Status::from_error(error.into())),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.check {
            Some(check) => {
                check.failed || (check.splitter.is_empty() && self.inner.is_end_stream())
            }
            None => self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.check {
            Some(_) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}
