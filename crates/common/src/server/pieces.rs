//! Gives answers to the transport in pieces.
//!
//! The transport takes the next piece when there is room for some of it, and then holds it until
//! its client has taken all. A whole message of megabytes would be held for a client that takes a
//! byte, after the call that made it is long over and no deadline ends it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The largest piece, in bytes: a frame of HTTP/2.
const PIECE: usize = 16 * 1024;

pin_project! {
    /// An answer whose body is given in pieces.
    pub(super) struct InPieces<F> {
        #[pin]
        future: F,
    }
}

impl<F> InPieces<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F, B> Future for InPieces<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Pieces<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(self.project().future.poll(cx));
        Poll::Ready(Ok(response.map(|body| Pieces { body, rest: Bytes::new() })))
    }
}

pin_project! {
    /// A body whose chunks are no longer than a piece.
    pub(super) struct Pieces<B> {
        #[pin]
        body: B,
        rest: Bytes,
    }
}

impl<B: Body<Data = Bytes>> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !this.rest.is_empty() {
            let piece = this.rest.split_to(this.rest.len().min(PIECE));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut polled = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(data) = frame.data_mut()
            && data.len() > PIECE
        {
            *this.rest = data.split_off(PIECE);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.is_empty() {
            true => self.body.size_hint(),
            false => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_and_nothing_is_long() {
        let whole = Bytes::from((0..50_000u32).map(|n| n as u8).collect::<Vec<_>>());
        let mut body = Pieces { body: Full::new(whole.clone()), rest: Bytes::new() };
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, whole);
    }
}
