//! The answer of the door.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;

use super::{Answer, EdgeBody};
use crate::BoxError;
use crate::body::Body;

pin_project! {
    /// The response of an [`super::Edge`].
    pub struct EdgeFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projection]
    enum State<F> {
        /// A gRPC call.
        Grpc { #[pin] call: F },
        /// A call in another protocol, until gRPC's response is here.
        Translated { #[pin] call: F, answer: Option<Answer> },
        /// The same, from then on.
        Answering { answer: BoxFuture<'static, Response<Body>> },
        /// No call.
        Answered { response: Option<Response<Body>> },
    }
}

impl<F> EdgeFuture<F> {
    pub(super) fn grpc(call: F) -> Self {
        Self { state: State::Grpc { call } }
    }

    pub(super) fn translated(call: F, answer: Answer) -> Self {
        Self { state: State::Translated { call, answer: Some(answer) } }
    }

    pub(super) fn answered(response: Response<Body>) -> Self {
        Self { state: State::Answered { response: Some(response) } }
    }
}

impl<F, RB> Future for EdgeFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
    RB: HttpBody<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Output = Result<Response<EdgeBody<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projection::Grpc { call } => {
                    let Ok(response) = ready!(call.poll(cx));
                    return Poll::Ready(Ok(response.map(EdgeBody::grpc)));
                }
                Projection::Translated { call, answer } => {
                    let Ok(response) = ready!(call.poll(cx));
                    let response = response.map(Body::new);
                    let next = match answer.take() {
                        Some(answer) => State::Answering { answer: answer(response) },
                        None => State::Answered { response: Some(response) },
                    };
                    state.set(next);
                }
                Projection::Answering { answer } => {
                    let response = ready!(answer.as_mut().poll(cx));
                    return Poll::Ready(Ok(response.map(EdgeBody::translated)));
                }
                Projection::Answered { response } => {
                    let response = response.take().unwrap_or_default();
                    return Poll::Ready(Ok(response.map(EdgeBody::translated)));
                }
            }
        }
    }
}
