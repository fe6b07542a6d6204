//! What goes out on streams.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri};

use super::{Connection, Error, Half, Key, Leaving, MAX_PAYLOAD, Role, Stream, flag, frame, wait};
use crate::http2::error::{By, Reason};
use crate::http2::frame::{MAX_31, kind};
use crate::http2::stream::Whole;

/// A frame of data is not made smaller than this for lack of room: it can wait for more.
const WORTHWHILE: usize = 4 * 1024;

/// What is to be sent next on a stream.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// The head of a response.
    pub(crate) head: Option<(StatusCode, HeaderMap)>,
    pub(crate) data: Bytes,
    pub(crate) end: End,
    /// How much the peer took, as it was last seen.
    pub(crate) room: usize,
}

/// How what is sent ends.
#[derive(Debug, Default)]
pub(crate) enum End {
    /// More may follow.
    #[default]
    Open,
    Here,
    Trailers(HeaderMap),
}

/// The head of a response, and its body if that is here.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<()>,
    pub(crate) whole: Option<Whole>,
}

/// What became of a stream that was to be opened.
#[derive(Debug)]
pub(crate) enum Opening {
    Open(Key),
    /// There are as many as the peer takes.
    Full,
    /// The connection takes no more.
    Over,
}

impl Connection {
    /// Sends what there is, as far as the peer takes it; `true`: all, and it was the end. If it
    /// was not, `waits` says that the next poll will be for the end of the stream.
    pub(crate) fn poll_send(
        &mut self,
        key: Key,
        next: &mut Outgoing,
        waits: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let has_turn = self.streams.get(key).is_some_and(|s| std::mem::take(&mut s.has_turn));
        let before = self.out.len();
        let sent = self.send(key, next, waits, cx);
        if has_turn && self.out.len() == before {
            // It had no use for it, and others may.
            self.wake_waiting();
        }
        sent
    }

    fn send(
        &mut self,
        key: Key,
        next: &mut Outgoing,
        waits: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let max_payload = self.peer.max_payload.min(MAX_PAYLOAD);
        let limit = self.send_limit();
        let Some(stream) = self.streams.get(key) else {
            return Poll::Ready(Err(self.ended.clone().unwrap_or(NO_STREAM)));
        };
        if let Some(error) = &stream.error {
            return Poll::Ready(Err(error.clone()));
        }
        if stream.sending == Half::Closed {
            return Poll::Ready(Ok(true));
        }
        let out = &mut self.out;
        let before = out.len();
        if let Some((status, headers)) = next.head.take() {
            let ends = next.data.is_empty() && matches!(next.end, End::Here);
            let start = out.frames.len();
            frame::header(&mut out.frames, 0, kind::HEADERS, 0, key.id());
            self.encoder.response(status, &headers, &mut out.frames);
            frame::finish_headers(&mut out.frames, start, key.id(), ends, max_payload);
            if ends {
                return Poll::Ready(Ok(self.sent_all(key)));
            }
        }
        let mut full = false;
        while !next.data.is_empty() {
            let room = limit.saturating_sub(out.len());
            let window = stream.send_window.room().min(self.send_window.room());
            let length = next.data.len().min(max_payload).min(window);
            full = length == 0 || room < length.min(WORTHWHILE);
            if full {
                break;
            }
            let length = length.min(room);
            let data = next.data.split_to(length);
            let ends = next.data.is_empty() && matches!(next.end, End::Here);
            let flags = if ends { flag::END_STREAM } else { 0 };
            frame::header(&mut out.frames, length, kind::DATA, flags, key.id());
            out.payload(data);
            stream.send_window.take(length);
            self.send_window.take(length);
            if ends {
                return Poll::Ready(Ok(self.sent_all(key)));
            }
            // Who has waited gets its turn, and then others do.
            full = stream.contended && !next.data.is_empty();
            if full {
                break;
            }
        }
        if full {
            next.room = 0;
            wait(&mut stream.sender, cx, &mut self.wakes);
            // Only the peer makes room on the stream itself.
            if stream.send_window.room() > 0 && !std::mem::replace(&mut stream.queued, true) {
                // Who had its turn, and found that others were quicker, has it still.
                match stream.contended && out.len() == before {
                    true => self.waiting.push_front(key),
                    false => self.waiting.push_back(key),
                }
                stream.contended = true;
            }
            if out.len() > before {
                self.notify();
            }
            return Poll::Pending;
        }
        stream.contended = false;
        next.room = stream.send_window.room().min(self.send_window.room());
        match std::mem::take(&mut next.end) {
            End::Open => {
                if waits {
                    wait(&mut stream.sender, cx, &mut self.wakes);
                }
                if out.len() > before {
                    self.notify();
                }
                Poll::Ready(Ok(false))
            }
            End::Here => {
                frame::header(&mut out.frames, 0, kind::DATA, flag::END_STREAM, key.id());
                Poll::Ready(Ok(self.sent_all(key)))
            }
            End::Trailers(trailers) => {
                let start = out.frames.len();
                frame::header(&mut out.frames, 0, kind::HEADERS, 0, key.id());
                self.encoder.trailers(&trailers, &mut out.frames);
                frame::finish_headers(&mut out.frames, start, key.id(), true, max_payload);
                Poll::Ready(Ok(self.sent_all(key)))
            }
        }
    }

    /// The end of what is sent on a stream is out.
    fn sent_all(&mut self, key: Key) -> bool {
        self.notify();
        let is_server = self.is_server();
        if let Some(stream) = self.streams.get(key) {
            stream.sending = Half::Closed;
            stream.holders.call = false;
            if is_server {
                self.budget.earn();
                if stream.receiving != Half::Closed {
                    // The rest of the request is of no interest (RFC 9113, section 8.1).
                    stream.error = Some(Error::Reset(Reason::NO_ERROR, By::Us));
                    stream.wake(&mut self.wakes);
                    frame::reset(&mut self.out.frames, key.id(), Reason::NO_ERROR);
                    self.remember(key.id());
                }
            }
            self.settle(key);
        }
        true
    }

    /// Lets some of those try again that wait for the connection to take their data.
    pub(super) fn wake_waiting(&mut self) {
        let mut room = self.send_limit().saturating_sub(self.out.len());
        if self.send_window.room() == 0 {
            return;
        }
        while room >= WORTHWHILE
            && let Some(key) = self.waiting.pop_front()
        {
            if let Some(stream) = self.streams.get(key) {
                stream.queued = false;
                stream.has_turn = true;
                self.wakes.extend(stream.sender.take());
                room = room.saturating_sub(MAX_PAYLOAD);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.open < self.peer.max_streams
    }

    /// How many streams the peer takes at a time.
    pub(crate) fn max_streams(&self) -> usize {
        self.peer.max_streams
    }

    /// Resolves when there may be room for another stream, or never will be. `turn` is the one of
    /// who asks, who has none the first time.
    pub(crate) fn poll_room(&mut self, turn: &mut Option<u64>, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() || self.ended.is_some() || self.left.is_some() {
            return Poll::Ready(());
        }
        match *turn {
            // It had its turn, and somebody was quicker.
            Some(known) if self.opening.iter().all(|(other, _)| *other != known) => {
                self.opening.push_front((known, cx.waker().clone()));
            }
            Some(known) => {
                for (_, waker) in self.opening.iter_mut().filter(|(turn, _)| *turn == known) {
                    self.wakes.push(std::mem::replace(waker, cx.waker().clone()));
                }
            }
            None => {
                *turn = Some(self.turns);
                self.opening.push_back((self.turns, cx.waker().clone()));
                self.turns += 1;
            }
        }
        Poll::Pending
    }

    /// Who had a turn does not wait any more; what it leaves is for the next.
    pub(crate) fn drop_turn(&mut self, turn: u64) {
        if let Some(at) = self.opening.iter().position(|(other, _)| *other == turn) {
            self.wakes.extend(self.opening.remove(at).map(|(_, waker)| waker));
        }
        self.let_open();
    }

    /// Lets the next one open a stream, if there is room.
    pub(super) fn let_open(&mut self) {
        if self.has_room() {
            self.wakes.extend(self.opening.pop_front().map(|(_, waker)| waker));
        }
    }

    /// Lets all that wait look again.
    pub(super) fn let_all_open(&mut self) {
        self.wakes.extend(self.opening.drain(..).map(|(_, waker)| waker));
    }

    /// The response to a request.
    pub(crate) fn poll_response(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Poll<Result<Answered, Error>> {
        let Some(stream) = self.streams.get(key) else {
            return Poll::Ready(Err(self.ended.clone().unwrap_or(NO_STREAM)));
        };
        if let Some(response) = stream.response.take() {
            let whole = stream.take_whole();
            self.settle(key);
            return Poll::Ready(Ok(Answered { response, whole }));
        }
        if let Some(error) = &stream.error {
            return Poll::Ready(Err(error.clone()));
        }
        wait(&mut stream.reader, cx, &mut self.wakes);
        Poll::Pending
    }

    /// Opens a stream with a request.
    pub(crate) fn open_stream(
        &mut self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        ends: bool,
    ) -> Opening {
        let is_last = self.last >= MAX_31 - 2;
        if self.ended.is_some()
            || self.left.is_some()
            || self.leaving != Leaving::Not
            || self.config.role != Role::Client
            || is_last
        {
            return Opening::Over;
        }
        if !self.has_room() {
            return Opening::Full;
        }
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = id;
        let start = self.out.frames.len();
        frame::header(&mut self.out.frames, 0, kind::HEADERS, 0, id);
        self.encoder.request(method, uri, headers, &mut self.out.frames);
        frame::finish_headers(&mut self.out.frames, start, id, ends, self.peer.max_payload);
        let mut stream = Stream::new(id, self.peer.initial_window, self.config.stream_window);
        stream.sending = if ends { Half::Closed } else { Half::Open };
        stream.counted = true;
        stream.holders.call = !ends;
        stream.holders.body = true;
        self.open += 1;
        self.notify();
        Opening::Open(self.streams.insert(stream))
    }
}

/// Of a stream that is not known any more.
const NO_STREAM: Error = Error::Reset(Reason::CANCEL, By::Us);
