//! What tasks hold of a connection, and of its streams.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Frame;

use super::connection::{Answered, Connection, Outgoing};
use super::error::Error;
use super::stream::{Key, Whole};

/// A connection that several tasks use, mostly of one thread.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Connection>);

impl Shared {
    pub(crate) fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self(Mutex::new(connection)))
    }

    /// Runs with the connection, and then wakes who has something to do because of that: not
    /// before, since whoever is woken may want the connection too.
    #[inline]
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut Connection) -> R) -> R {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = run(&mut connection);
        if !connection.wakes.is_empty() {
            let wakes = std::mem::take(&mut connection.wakes);
            drop(connection);
            wakes.into_iter().for_each(std::task::Waker::wake);
        }
        result
    }
}

/// Opens streams. When it is dropped the connection ends with the last of them.
#[derive(Debug)]
pub(crate) struct Requests(Arc<Shared>);

impl Requests {
    pub(crate) fn new(connection: Arc<Shared>) -> Self {
        Self(connection)
    }

    pub(crate) fn connection(&self) -> &Arc<Shared> {
        &self.0
    }

    /// How many streams the peer takes at a time.
    pub(crate) fn max_streams(&self) -> usize {
        self.0.with(|connection| connection.max_streams())
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.0.with(Connection::leave);
    }
}

/// Resolves when a connection may have room for another stream, or takes none any more. To be
/// kept until the stream was opened, so that nobody else waits for room that is not used.
#[derive(Debug)]
pub(crate) struct Room {
    connection: Arc<Shared>,
    turn: Option<u64>,
}

impl Room {
    pub(crate) fn new(connection: Arc<Shared>) -> Self {
        Self { connection, turn: None }
    }
}

impl Future for Room {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { connection, turn } = &mut *self;
        connection.with(|connection| connection.poll_room(turn, cx))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            self.connection.with(|connection| connection.drop_turn(turn));
        }
    }
}

/// The response to a request. Dropped before, it resets the stream.
#[derive(Debug)]
pub(crate) struct Answer {
    connection: Arc<Shared>,
    key: Key,
    ended: bool,
}

impl Answer {
    pub(crate) fn new(connection: Arc<Shared>, key: Key) -> Self {
        Self { connection, key, ended: false }
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = this.connection.with(|connection| connection.poll_response(this.key, cx));
        let Answered { response, whole } = ready!(polled)?;
        // From here on the body does what there is to do.
        this.ended = true;
        let body = Body::new(&this.connection, this.key, whole);
        Poll::Ready(Ok(response.map(|()| body)))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.with(|connection| connection.drop_body(self.key));
        }
    }
}

/// Sends on a stream. Dropped before the end, it resets the stream.
#[derive(Debug)]
pub(crate) struct Sender {
    connection: Arc<Shared>,
    key: Key,
    ended: bool,
}

impl Sender {
    pub(crate) fn new(connection: Arc<Shared>, key: Key) -> Self {
        Self { connection, key, ended: false }
    }

    /// Sends what there is, as far as the peer takes it; `true`: all, and it was the end. If it
    /// was not, `waits` says that the task is to be woken when the stream ends.
    pub(crate) fn poll_send(
        &mut self,
        next: &mut Outgoing,
        waits: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let sent = self.connection.with(|c| c.poll_send(self.key, next, waits, cx));
        self.ended = matches!(sent, Poll::Ready(Ok(true)));
        sent
    }

    /// Resolves when the stream ends before all is sent.
    pub(crate) fn poll_end(&mut self, cx: &Context<'_>) -> Poll<Error> {
        match self.poll_send(&mut Outgoing::default(), true, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            _ => Poll::Pending,
        }
    }

    /// Resets the stream.
    pub(crate) fn reset(self, reason: super::Reason) {
        self.connection.with(|c| c.reset(self.key, reason));
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.with(|c| c.drop_call(self.key));
        }
    }
}

/// What comes on a stream after its head. It ends as whole only when it is.
#[derive(Debug)]
pub(crate) struct Body(State);

#[derive(Debug)]
enum State {
    Whole(Whole),
    Stream { connection: Arc<Shared>, key: Key, ended: bool },
}

impl Body {
    /// What is here already, or else what comes.
    pub(crate) fn new(connection: &Arc<Shared>, key: Key, whole: Option<Whole>) -> Self {
        Self(match whole {
            Some(whole) => State::Whole(whole),
            None => State::Stream { connection: connection.clone(), key, ended: false },
        })
    }

    fn is_over(&self) -> bool {
        match &self.0 {
            State::Whole(whole) => whole.data.is_none() && whole.trailers.is_none(),
            State::Stream { ended, .. } => *ended,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            State::Whole(whole) => Poll::Ready(match whole.data.take() {
                Some(data) => Some(Ok(Frame::data(data))),
                None => whole.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))),
            }),
            State::Stream { connection, key, ended } => connection.with(|connection| {
                let polled = connection.poll_body(*key, cx);
                *ended = polled.is_ready() && connection.is_read(*key);
                polled
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let State::Stream { connection, key, .. } = &self.0 {
            connection.with(|connection| connection.drop_body(*key));
        }
    }
}
