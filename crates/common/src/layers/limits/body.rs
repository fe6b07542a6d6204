use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use crate::BoxError;
use crate::protocol::frame::{BadHeader, Direction, FrameCounter, FrameError};
use crate::status;

pin_project! {
    /// A body that ends when a message in it is longer than a limit.
    ///
    /// What comes before that message passes, untouched. A header whose flag is unknown and
    /// trailers that cut a message off end the body too, with INTERNAL.
    pub struct LimitedBody<B> {
        #[pin]
        inner: B,
        counter: FrameCounter,
        direction: Direction,
        // Whether there has to be one message, no more and no less.
        single: bool,
        state: State,
    }
}

#[derive(Clone, Copy)]
enum State {
    Open,
    /// The chunk before the bad header has been given, what is wrong has not.
    Failing(FrameError),
    Failed,
}

impl<B> LimitedBody<B> {
    /// Lets messages of up to `limit` bytes pass, headers not counted.
    pub fn new(inner: B, limit: usize, direction: Direction) -> Self {
        let counter = FrameCounter::with_limit(limit);
        Self { inner, counter, direction, single: false, state: State::Open }
    }

    /// Ends the body, with UNIMPLEMENTED, where it has no message or a second one, if `single`.
    /// gRPC's "Status codes and their use in gRPC" has it so; generated code would take the
    /// first of several.
    #[must_use]
    pub fn single(mut self, single: bool) -> Self {
        self.single = single;
        self
    }
}

fn not_single(came: &str) -> Status {
    Status::unimplemented(format!("a request of this method is one message, and {came} came"))
}

impl<B> Body for LimitedBody<B>
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
        let error = match *this.state {
            State::Failed => return Poll::Ready(None),
            State::Failing(error) => error,
            State::Open => {
                let mut frame = match ready!(this.inner.poll_frame(cx)) {
                    None if *this.single
                        && this.counter.begun() == 0
                        && this.counter.is_between_messages() =>
                    {
                        *this.state = State::Failed;
                        return Poll::Ready(Some(this.direction.end_with(not_single("none"))));
                    }
                    None => return Poll::Ready(None),
                    Some(Ok(frame)) => frame,
                    Some(Err(error)) => {
                        return Poll::Ready(Some(Err(Status::from_error(error.into()))));
                    }
                };
                if let Some(trailers) = frame.trailers_ref()
                    && !this.counter.is_between_messages()
                    && status::code_of(trailers).is_none_or(|code| code == Code::Ok)
                {
                    // Generated code would take half a message for none at all.
                    *this.state = State::Failed;
                    return Poll::Ready(Some(
                        this.direction.end_with(FrameError::Truncated.into()),
                    ));
                }
                let Some(data) = frame.data_mut() else {
                    return Poll::Ready(Some(Ok(frame)));
                };
                match this.counter.feed(data) {
                    Ok(()) if *this.single && this.counter.begun() > 1 => {
                        *this.state = State::Failed;
                        return Poll::Ready(Some(this.direction.end_with(not_single("more"))));
                    }
                    Ok(()) => return Poll::Ready(Some(Ok(frame))),
                    Err(BadHeader { offset: 0, error }) => error,
                    Err(BadHeader { offset, error }) => {
                        data.truncate(offset);
                        *this.state = State::Failing(error);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
            }
        };
        *this.state = State::Failed;
        Poll::Ready(Some(this.direction.end_with(error.into())))
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Open if self.single && self.counter.begun() == 0 => false,
            State::Open => self.inner.is_end_stream(),
            State::Failing(_) => false,
            State::Failed => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Open => self.inner.size_hint(),
            State::Failing(_) => SizeHint::new(),
            State::Failed => SizeHint::with_exact(0),
        }
    }
}
