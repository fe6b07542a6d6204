//! Bodies on both sides of the door.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::BoxError;
use crate::body::Body;
use crate::status;

pin_project! {
    /// gRPC's own body, or one that another protocol was translated to or from.
    #[project = SideProjection]
    enum Side<B> {
        Grpc { #[pin] body: B },
        Translated { #[pin] body: Body },
    }
}

impl<B: HttpBody> Side<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Grpc { body } => body.is_end_stream(),
            Self::Translated { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Grpc { body } => body.size_hint(),
            Self::Translated { body } => body.size_hint(),
        }
    }
}

pin_project! {
    /// A request's body further in: gRPC's own, or one that a protocol makes.
    pub struct EdgeRequest<B> {
        #[pin]
        side: Side<B>,
    }
}

impl<B> EdgeRequest<B> {
    pub(super) fn grpc(body: B) -> Self {
        Self { side: Side::Grpc { body } }
    }

    pub(super) fn translated(body: Body) -> Self {
        Self { side: Side::Translated { body } }
    }
}

impl<B> HttpBody for EdgeRequest<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.project().side.project() {
            SideProjection::Grpc { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|error| failed(error.into())))),
            SideProjection::Translated { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.side.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.side.size_hint()
    }
}

fn failed(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => status::of_request(&*error),
    }
}

pin_project! {
    /// A response's body outside of the door: gRPC's own, or one that a protocol made of it.
    pub struct EdgeBody<B> {
        #[pin]
        side: Side<B>,
    }
}

impl<B> EdgeBody<B> {
    pub(super) fn grpc(body: B) -> Self {
        Self { side: Side::Grpc { body } }
    }

    pub(crate) fn translated(body: Body) -> Self {
        Self { side: Side::Translated { body } }
    }
}

impl<B> HttpBody for EdgeBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().side.project() {
            SideProjection::Grpc { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            SideProjection::Translated { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.side.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.side.size_hint()
    }
}
