//! The state of one HTTP/2 connection, of either role: bytes and calls go in, bytes and wakes
//! come out. It has no socket and reads no clock.

mod receive;
mod send;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod violations;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body::Frame;

pub(crate) use send::{Answered, End, Opening, Outgoing};

use super::budget::Budget;
use super::error::{By, Error, Reason};
use super::flow::{ReceiveWindow, SendWindow};
use super::frame::{self, MAX_31, MAX_PAYLOAD, PREFACE, flag};
use super::hpack::{Decoder, Encoder, TABLE_SIZE};
use super::memo::Memo;
use super::output::Output;
use super::settings::{self, INITIAL_WINDOW, PeerSettings};
use super::stream::{Half, Key, Stream, Streams, Whole, wait};

/// How many streams that were reset are remembered: what the peer sent before it knew is no error.
const REMEMBERED: usize = 256;

/// A buffer that is smaller than this is not worth to be kept when there is another.
const SMALL_OUTPUT: usize = 4 * 1024;

/// What a PING says that asks for nothing but an answer.
const ALIVE: [u8; 8] = *b"ahoy?  \n";

/// What a PING says that follows the first GOAWAY.
const LAST_CALL: [u8; 8] = *b"ahoy!  \n";

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What a connection keeps to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) role: Role,
    /// How many streams the peer may have open at a time.
    pub(crate) max_streams: u32,
    /// The largest list of headers, as HTTP/2 counts it.
    pub(crate) max_headers: u32,
    /// What the peer may send on a stream that is not read.
    pub(crate) stream_window: u32,
    /// And on all of them together.
    pub(crate) connection_window: u32,
    /// How many bytes may wait for a peer that does not take them.
    pub(crate) send_buffer: usize,
}

/// A block of headers that goes on in frames to come.
#[derive(Debug)]
struct Block {
    stream: u32,
    end_stream: bool,
    bytes: Vec<u8>,
    frames: usize,
}

/// How far the end of a connection is that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Not,
    /// The peer has been told to open no more streams, but may have done so before it knew.
    Announced,
    /// No stream above this one is served.
    After(u32),
}

#[derive(Debug)]
pub(crate) struct Connection {
    config: Config,
    decoder: Decoder,
    memo: Memo,
    encoder: Encoder,
    /// What is to be written.
    out: Output,
    streams: Streams,
    /// How many streams are open.
    open: usize,
    /// Requests that came, for who serves them.
    accepted: VecDeque<(Key, Request<()>)>,
    /// The last stream that the peer opened, or the last that we did.
    last: u32,
    peer: PeerSettings,
    /// Whether the peer's first frame, SETTINGS, has come.
    greeted: bool,
    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// Streams that have data, and wait for the connection to take it.
    waiting: VecDeque<Key>,
    /// Calls that wait until there is room for another stream, by the number of their turn.
    opening: VecDeque<(u64, Waker)>,
    turns: u64,
    block: Option<Block>,
    budget: Budget,
    reset: VecDeque<u32>,
    leaving: Leaving,
    /// The peer's GOAWAY.
    left: Option<(u32, Reason)>,
    /// The connection has ended.
    ended: Option<Error>,
    /// How much of the preface is still to come.
    preface: usize,
    /// Whether a frame has come since this was asked last.
    heard: bool,
    /// Who writes.
    driver: Option<Waker>,
    /// Whether it is to be woken when there is something to write: not while it looks itself.
    rests: bool,
    /// Who is to be woken once the connection is not locked any more.
    pub(super) wakes: Vec<Waker>,
}

impl Connection {
    pub(crate) fn new(config: Config) -> Self {
        let mut out = Output::default();
        out.frames.reserve(128);
        let mut announced = vec![
            (settings::id::INITIAL_WINDOW_SIZE, config.stream_window),
            (settings::id::MAX_HEADER_LIST_SIZE, config.max_headers),
        ];
        match config.role {
            Role::Client => {
                out.frames.extend_from_slice(PREFACE);
                announced.push((settings::id::ENABLE_PUSH, 0));
            }
            Role::Server => {
                announced.push((settings::id::MAX_CONCURRENT_STREAMS, config.max_streams));
            }
        }
        frame::settings(&mut out.frames, &announced);
        let more = config.connection_window.saturating_sub(INITIAL_WINDOW);
        if more > 0 {
            frame::window_update(&mut out.frames, 0, more);
        }
        Self {
            config,
            decoder: Decoder::new(TABLE_SIZE),
            memo: Memo::default(),
            encoder: Encoder::default(),
            out,
            streams: Streams::default(),
            open: 0,
            accepted: VecDeque::new(),
            last: 0,
            peer: PeerSettings::default(),
            greeted: false,
            send_window: SendWindow::new(INITIAL_WINDOW),
            receive_window: ReceiveWindow::new(config.connection_window.max(INITIAL_WINDOW)),
            waiting: VecDeque::new(),
            opening: VecDeque::new(),
            turns: 0,
            block: None,
            budget: Budget::default(),
            reset: VecDeque::new(),
            leaving: Leaving::Not,
            left: None,
            ended: None,
            preface: if config.role == Role::Server { PREFACE.len() } else { 0 },
            heard: false,
            driver: None,
            rests: false,
            wakes: Vec::new(),
        }
    }

    fn is_server(&self) -> bool {
        self.config.role == Role::Server
    }

    /// The next request that came and was not reset since.
    pub(crate) fn accept(&mut self) -> Option<Accepted> {
        loop {
            let (key, request) = self.accepted.pop_front()?;
            if let Some(stream) = self.streams.get(key) {
                stream.holders.call = true;
                let whole = stream.take_whole();
                let room = stream.send_window.room().min(self.send_window.room());
                return Some(Accepted { key, request, whole, room });
            }
        }
    }

    /// What comes next on a stream.
    pub(crate) fn poll_body(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(stream) = self.streams.get(key) else {
            return Poll::Ready(None);
        };
        if let Some(data) = stream.received.pop() {
            let more = match stream.receiving {
                Half::Closed => None,
                _ if stream.error.is_some() => None,
                _ => stream.receive_window.give_back(data.len()),
            };
            if let Some(more) = more {
                frame::window_update(&mut self.out.frames, key.id(), more);
                self.notify();
            }
            self.give_back(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if stream.receiving == Half::Closed {
            return Poll::Ready(stream.trailers.take().map(|map| Ok(Frame::trailers(*map))));
        }
        if let Some(error) = &stream.error {
            return Poll::Ready(Some(Err(error.clone())));
        }
        wait(&mut stream.reader, cx, &mut self.wakes);
        Poll::Pending
    }

    /// Whether nothing more will come on a stream than what has been read.
    pub(crate) fn is_read(&mut self, key: Key) -> bool {
        self.streams.get(key).is_none_or(|stream| {
            stream.receiving == Half::Closed
                && stream.received.bytes() == 0
                && stream.trailers.is_none()
        })
    }

    /// Nobody sends on a stream any more.
    pub(crate) fn drop_call(&mut self, key: Key) {
        let Some(stream) = self.streams.get(key) else { return };
        stream.holders.call = false;
        if stream.sending != Half::Closed {
            self.reset(key, Reason::CANCEL);
        }
        self.settle(key);
        self.wake_waiting();
    }

    /// Nobody reads a stream any more.
    pub(crate) fn drop_body(&mut self, key: Key) {
        let Some(stream) = self.streams.get(key) else { return };
        stream.holders.body = false;
        let unread = std::mem::take(&mut stream.received).bytes();
        let is_wanted = stream.receiving != Half::Closed && stream.error.is_none();
        self.give_back(unread);
        if is_wanted && !self.is_server() {
            self.reset(key, Reason::CANCEL);
        }
        self.settle(key);
    }

    /// Resets a stream that is not over, and tells who looks at it.
    pub(crate) fn reset(&mut self, key: Key, reason: Reason) {
        let Some(stream) = self.streams.get(key) else { return };
        if stream.is_closed() {
            return;
        }
        stream.error = Some(Error::Reset(reason, By::Us));
        stream.wake(&mut self.wakes);
        // What was never sent, the peer does not know.
        if !(stream.sending == Half::Waiting && self.config.role == Role::Client) {
            frame::reset(&mut self.out.frames, key.id(), reason);
            self.remember(key.id());
            self.notify();
        }
        self.settle(key);
    }

    fn remember(&mut self, id: u32) {
        if self.reset.len() == REMEMBERED {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    /// Counts a stream no more if it is over, and forgets it if nobody looks at it.
    fn settle(&mut self, key: Key) {
        let Some(stream) = self.streams.get(key) else { return };
        if !stream.is_closed() {
            return;
        }
        if std::mem::take(&mut stream.counted) {
            self.open = self.open.saturating_sub(1);
            self.let_open();
            if self.open == 0 && (self.leaving != Leaving::Not || self.left.is_some()) {
                self.notify();
            }
        }
        let Some(stream) = self.streams.get(key) else { return };
        if !stream.holders.call && !stream.holders.body {
            let held = stream.lent + stream.received.bytes();
            stream.wake(&mut self.wakes);
            self.streams.remove(key);
            self.give_back(held);
        }
    }

    /// Lets the peer send so much more.
    fn give_back(&mut self, bytes: usize) {
        if bytes > 0
            && let Some(more) = self.receive_window.give_back(bytes)
        {
            frame::window_update(&mut self.out.frames, 0, more);
            self.notify();
        }
    }

    /// Has what is to be written written.
    fn notify(&mut self) {
        if std::mem::take(&mut self.rests) {
            self.wakes.extend(self.driver.clone());
        }
    }

    /// Who writes is about to look for what is to be written, and has a buffer for it.
    pub(crate) fn drive(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        self.rests = false;
        if self.out.is_empty() && self.out.frames.capacity() < SMALL_OUTPUT {
            self.out.frames = buffer();
        }
    }

    /// Gives what is to be written, in exchange for a buffer that is empty; `false`: nothing is.
    pub(super) fn take_output(&mut self, buffer: &mut Output) -> bool {
        if self.out.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.out, buffer);
        self.wake_waiting();
        true
    }

    /// Who writes is woken when there is something to write. Gives its buffer, if that is more
    /// than a connection should keep that has nothing to say.
    pub(crate) fn rest(&mut self, cx: &Context<'_>) -> Vec<u8> {
        self.rests = true;
        wait(&mut self.driver, cx, &mut self.wakes);
        match self.out.frames.capacity() < SMALL_OUTPUT {
            true => Vec::new(),
            false => std::mem::take(&mut self.out.frames),
        }
    }

    /// How many bytes are to be written.
    pub(crate) fn output(&self) -> usize {
        self.out.len()
    }

    /// Whether so much waits to be written that it is no time to read.
    pub(crate) fn is_clogged(&self) -> bool {
        self.out.len() > 2 * self.send_limit()
    }

    fn send_limit(&self) -> usize {
        self.config.send_buffer.max(2 * MAX_PAYLOAD)
    }

    /// Whether a frame has come since this was asked last.
    pub(crate) fn heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Asks for a sign of life.
    pub(crate) fn ask(&mut self) {
        frame::ping(&mut self.out.frames, 0, ALIVE);
    }

    /// Tells the peer to open no more streams. Those that it opened before it knew are served
    /// until [`Connection::leave`] (RFC 9113, section 6.8).
    pub(crate) fn announce_leaving(&mut self) {
        if self.leaving == Leaving::Not {
            self.leaving = Leaving::Announced;
            frame::go_away(&mut self.out.frames, MAX_31, Reason::NO_ERROR);
            frame::ping(&mut self.out.frames, 0, LAST_CALL);
        }
    }

    /// Serves what has come, and nothing that comes from now on.
    pub(crate) fn leave(&mut self) {
        if self.ended.is_none() && !matches!(self.leaving, Leaving::After(_)) {
            let last = if self.is_server() { self.last } else { 0 };
            self.leaving = Leaving::After(last);
            frame::go_away(&mut self.out.frames, last, Reason::NO_ERROR);
            self.notify();
        }
    }

    /// Whether there is nothing more to do than to write what there is, and to hang up.
    pub(crate) fn is_done(&self) -> bool {
        let leaves = matches!(self.leaving, Leaving::After(_)) || self.left.is_some();
        self.ended.is_some() || (self.open == 0 && leaves)
    }

    /// How many streams are open.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Why the connection ended.
    pub(crate) fn ended(&self) -> Option<&Error> {
        self.ended.as_ref()
    }

    /// Ends the connection because of what the peer did, or did not do.
    pub(crate) fn fail(&mut self, reason: Reason) {
        let last = if self.is_server() { self.last } else { 0 };
        if self.ended.is_none() {
            frame::go_away(&mut self.out.frames, last, reason);
            self.end(Error::GoAway(reason, By::Us));
        }
    }

    /// The connection has ended.
    pub(crate) fn end(&mut self, error: Error) {
        if self.ended.is_some() {
            return;
        }
        for stream in self.streams.iter_mut() {
            if !stream.is_closed() {
                // One that the peer has said it will not see stays one.
                stream.error = Some(error.clone());
            }
            stream.wake(&mut self.wakes);
        }
        self.ended = Some(error);
        self.accepted.clear();
        self.waiting.clear();
        self.let_all_open();
        for key in self.streams.keys() {
            self.settle(key);
        }
    }
}

/// A request that came.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) key: Key,
    pub(crate) request: Request<()>,
    /// Its body, if that is here.
    pub(crate) whole: Option<Whole>,
    /// How much of an answer the peer takes.
    pub(crate) room: usize,
}
