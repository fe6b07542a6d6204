//! Frames that come in.

use bytes::Bytes;
use http::Request;

use super::{Block, Connection, LAST_CALL, Leaving, MAX_PAYLOAD, PREFACE, flag};
use crate::http2::error::{By, Error, Reason};
use crate::http2::frame::{self, HEADER, Header, kind};
use crate::http2::head::{Checked, Head, PATIENCE, Refused, Wrong};
use crate::http2::reading::LONG;
use crate::http2::settings::{self, Setting};
use crate::http2::stream::{Half, Key, Stream};

impl Connection {
    /// Takes the whole frames that bytes begin with, and says how many bytes that were. What is
    /// left is to be given again, with what follows. `lender`: what they are part of, if long
    /// payloads of it may be kept without being copied.
    pub(crate) fn receive(&mut self, input: &[u8], lender: Option<&Bytes>) -> usize {
        let mut rest = input;
        if self.preface > 0 {
            let take = self.preface.min(rest.len());
            let (preface, after) = rest.split_at_checked(take).unwrap_or_default();
            let expected = PREFACE.get(PREFACE.len() - self.preface..).unwrap_or_default();
            if !expected.starts_with(preface) {
                self.fail(Reason::PROTOCOL_ERROR);
                return input.len();
            }
            self.preface -= take;
            rest = after;
        }
        while self.ended.is_none()
            && let Some((head, after)) = rest.split_first_chunk::<HEADER>()
        {
            let head = Header::parse(head);
            if head.length > MAX_PAYLOAD {
                self.fail(Reason::FRAME_SIZE_ERROR);
                break;
            }
            let Some((payload, after)) = after.split_at_checked(head.length) else { break };
            rest = after;
            self.heard = true;
            if let Err(reason) = self.frame(head, payload, lender) {
                self.fail(reason);
            }
        }
        // After the end nothing is of interest.
        if self.ended.is_some() { input.len() } else { input.len() - rest.len() }
    }

    /// Takes a frame; an error is one of the connection.
    fn frame(
        &mut self,
        head: Header,
        payload: &[u8],
        lender: Option<&Bytes>,
    ) -> Result<(), Reason> {
        if let Some(block) = &self.block
            && (head.kind != kind::CONTINUATION || head.stream != block.stream)
        {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !self.greeted {
            // The first frame of each end (RFC 9113, section 3.4).
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(Reason::PROTOCOL_ERROR);
            }
            self.greeted = true;
        }
        match head.kind {
            kind::DATA => self.data(head, payload, lender),
            kind::HEADERS => self.headers(head, payload),
            kind::PRIORITY => self.priority(head),
            kind::RST_STREAM => self.reset_by_peer(head, payload),
            kind::SETTINGS => self.settings(head, payload),
            // Clients may not push, and servers were told not to.
            kind::PUSH_PROMISE => Err(Reason::PROTOCOL_ERROR),
            kind::PING => self.ping(head, payload),
            kind::GOAWAY => self.left(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            _ => Ok(()),
        }
    }

    /// Whether nobody has ever used the stream.
    fn is_idle(&self, id: u32) -> bool {
        // Clients have the odd ones, and of servers we take none.
        id.is_multiple_of(2) || id > self.last
    }

    /// Resets a stream because of what the peer did on it.
    fn stream_error(&mut self, key: Key, reason: Reason) -> Result<(), Reason> {
        self.reset(key, reason);
        self.budget.spend()
    }

    /// The same for one that is over.
    fn late(&mut self, id: u32) -> Result<(), Reason> {
        if !self.reset.contains(&id) {
            frame::reset(&mut self.out.frames, id, Reason::STREAM_CLOSED);
            self.budget.spend()?;
        }
        Ok(())
    }

    fn data(&mut self, head: Header, payload: &[u8], lender: Option<&Bytes>) -> Result<(), Reason> {
        let id = head.stream;
        let data = head.unpad(payload)?;
        // Padding counts, but nobody will read it.
        self.receive_window.take(payload.len())?;
        self.give_back(payload.len() - data.len());
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some((key, stream)) = self.streams.find(id).and_then(|key| {
            let stream = self.streams.get(key)?;
            (!stream.is_closed()).then_some((key, stream))
        }) else {
            self.give_back(data.len());
            return self.late(id);
        };
        let length = stream.length.map(|length| length.checked_sub(data.len() as u64));
        let ends = head.has(flag::END_STREAM);
        let error = if stream.receiving == Half::Closed {
            Some(Reason::STREAM_CLOSED)
        } else if stream.receiving == Half::Waiting
            || length == Some(None)
            || (ends && length.is_some_and(|left| left != Some(0)))
        {
            Some(Reason::PROTOCOL_ERROR)
        } else {
            stream.receive_window.take(payload.len()).err()
        };
        if let Some(reason) = error {
            self.give_back(data.len());
            return self.stream_error(key, reason);
        }
        stream.length = length.flatten();
        let padding = match ends {
            true => None,
            false => stream.receive_window.give_back(payload.len() - data.len()),
        };
        // Before it is accepted nobody holds it yet, but somebody will.
        let is_read = stream.holders.body || !stream.holders.call;
        if is_read {
            match lender.filter(|_| data.len() >= LONG) {
                Some(lender) => stream.received.push_whole(lender.slice_ref(data)),
                None => stream.received.push(data),
            }
        }
        self.wakes.extend(stream.reader.take());
        if ends {
            stream.receiving = Half::Closed;
        }
        if let Some(more) = padding {
            frame::window_update(&mut self.out.frames, id, more);
        }
        if !is_read {
            self.give_back(data.len());
        }
        if ends {
            self.settle(key);
        } else if data.is_empty() {
            return self.budget.spend();
        }
        self.budget.earn();
        Ok(())
    }

    fn headers(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let mut block = head.unpad(payload)?;
        if head.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(Reason::FRAME_SIZE_ERROR)?;
        }
        let end_stream = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, end_stream, block);
        }
        self.block =
            Some(Block { stream: head.stream, end_stream, bytes: block.to_vec(), frames: 0 });
        Ok(())
    }

    fn continuation(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        let most = self.config.max_headers as usize * PATIENCE;
        let block = self.block.as_mut().ok_or(Reason::PROTOCOL_ERROR)?;
        // As many as it takes in full frames, and some for who cuts them smaller.
        block.frames += 1;
        if block.bytes.len() + payload.len() > most || block.frames > 16 + most / MAX_PAYLOAD {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        block.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS)
            && let Some(block) = self.block.take()
        {
            return self.block(block.stream, block.end_stream, &block.bytes);
        }
        Ok(())
    }

    /// Takes a whole block of headers. It is read in any case: later ones may refer to it.
    fn block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Result<(), Reason> {
        let before = self.decoder.changes();
        if self.is_new(id)
            && let Some(request) = self.memo.find(block, before)
        {
            return self.request(id, end_stream, Ok(request));
        }
        let head = Head::read(&mut self.decoder, block, self.config.max_headers as usize);
        let head = head.map_err(|wrong| match wrong {
            Wrong::Undecodable => Reason::COMPRESSION_ERROR,
            Wrong::Flood => Reason::ENHANCE_YOUR_CALM,
        })?;
        if let Some(key) = self.streams.find(id) {
            return self.more_headers(key, end_stream, head);
        }
        if self.is_new(id) {
            let request = head.request();
            if let Ok((request, length)) = &request {
                let table = (before, self.decoder.changes());
                self.memo.read(block, table, request, *length);
            }
            return self.request(id, end_stream, request);
        }
        if self.reset.contains(&id) {
            return Ok(());
        }
        if self.is_server() || self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.late(id)
    }

    /// Whether the stream is one that a client may open now: they are opened in order (section
    /// 5.1.1).
    fn is_new(&self, id: u32) -> bool {
        self.is_server() && !id.is_multiple_of(2) && id > self.last
    }

    /// A new stream.
    fn request(
        &mut self,
        id: u32,
        end_stream: bool,
        head: Checked<Request<()>>,
    ) -> Result<(), Reason> {
        self.last = id;
        if let Leaving::After(_) = self.leaving {
            // It was told that this one would not be seen.
            self.remember(id);
            return Ok(());
        }
        let (request, length) = match head {
            Ok(request) => request,
            Err(Refused::TooLarge) => {
                self.refuse_as_too_large(id, end_stream);
                return self.budget.spend();
            }
            Err(Refused::Malformed) => return self.refuse(id, Reason::PROTOCOL_ERROR),
        };
        let most = self.config.max_streams as usize;
        // Streams that are over may still be looked at, by calls that do not know it yet.
        if self.open >= most || self.streams.len() > 2 * most + 16 {
            return self.refuse(id, Reason::REFUSED_STREAM);
        }
        if end_stream && length.is_some_and(|length| length > 0) {
            return self.refuse(id, Reason::PROTOCOL_ERROR);
        }
        let mut stream = Stream::new(id, self.peer.initial_window, self.config.stream_window);
        stream.length = length;
        stream.counted = true;
        stream.receiving = if end_stream { Half::Closed } else { Half::Open };
        self.open += 1;
        let key = self.streams.insert(stream);
        self.accepted.push_back((key, request));
        Ok(())
    }

    fn refuse(&mut self, id: u32, reason: Reason) -> Result<(), Reason> {
        frame::reset(&mut self.out.frames, id, reason);
        self.remember(id);
        self.budget.spend()
    }

    fn refuse_as_too_large(&mut self, id: u32, end_stream: bool) {
        let start = self.out.frames.len();
        frame::header(&mut self.out.frames, 0, kind::HEADERS, 0, id);
        let status = http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        self.encoder.response(status, &http::HeaderMap::new(), &mut self.out.frames);
        frame::finish_headers(&mut self.out.frames, start, id, true, self.peer.max_payload);
        if !end_stream {
            frame::reset(&mut self.out.frames, id, Reason::NO_ERROR);
        }
        self.remember(id);
    }

    /// The head of a response, or trailers.
    fn more_headers(&mut self, key: Key, end_stream: bool, head: Head) -> Result<(), Reason> {
        let is_server = self.is_server();
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        if stream.error.is_some() {
            return Ok(());
        }
        let taken = match stream.receiving {
            Half::Closed => Err(Reason::STREAM_CLOSED),
            Half::Open if !end_stream || stream.length.is_some_and(|left| left > 0) => {
                Err(Reason::PROTOCOL_ERROR)
            }
            Half::Open => match head.trailers() {
                Ok(trailers) => {
                    stream.trailers = Some(Box::new(trailers));
                    Ok(Half::Closed)
                }
                Err(_) => Err(Reason::PROTOCOL_ERROR),
            },
            Half::Waiting if is_server => Err(Reason::PROTOCOL_ERROR),
            Half::Waiting => match head.response() {
                // Others follow it (section 8.1).
                Ok((response, _)) if response.status().is_informational() => match end_stream {
                    true => Err(Reason::PROTOCOL_ERROR),
                    false => Ok(Half::Waiting),
                },
                Ok((response, length)) => {
                    stream.response = Some(response);
                    // A response to HEAD says how long it would be.
                    stream.length = length.filter(|_| !end_stream);
                    Ok(if end_stream { Half::Closed } else { Half::Open })
                }
                Err(_) => Err(Reason::PROTOCOL_ERROR),
            },
        };
        match taken {
            Ok(half) => {
                stream.receiving = half;
                self.wakes.extend(stream.reader.take());
                self.settle(key);
                Ok(())
            }
            Err(Reason::STREAM_CLOSED) => self.late(key.id()),
            Err(reason) => self.stream_error(key, reason),
        }
    }

    fn priority(&mut self, head: Header) -> Result<(), Reason> {
        match (head.stream, head.length) {
            (0, _) => Err(Reason::PROTOCOL_ERROR),
            // It is out of use, but for its size (section 6.3).
            (_, 5) => Ok(()),
            (id, _) => match self.streams.find(id) {
                Some(key) => self.stream_error(key, Reason::FRAME_SIZE_ERROR),
                None => Err(Reason::FRAME_SIZE_ERROR),
            },
        }
    }

    fn reset_by_peer(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        let reason = Reason::from(u32::from_be_bytes(exactly(payload)?));
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(key) = self.streams.find(head.stream) else { return Ok(()) };
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        if stream.is_closed() {
            return Ok(());
        }
        stream.error = Some(Error::Reset(reason, By::Peer));
        stream.wake(&mut self.wakes);
        let unseen = !stream.holders.call && !stream.holders.body;
        self.settle(key);
        if unseen { self.budget.spend() } else { Ok(()) }
    }

    fn settings(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if head.has(flag::ACK) {
            return if payload.is_empty() { Ok(()) } else { Err(Reason::FRAME_SIZE_ERROR) };
        }
        let mut window = self.peer.initial_window;
        for setting in settings::parse(payload, !self.is_server()) {
            match setting? {
                Setting::TableSize(size) => self.encoder.resize(size as usize),
                Setting::MaxStreams(most) => {
                    self.peer.max_streams = most as usize;
                    self.let_all_open();
                }
                Setting::MaxPayload(most) => self.peer.max_payload = most as usize,
                Setting::InitialWindow(size) => window = size,
            }
        }
        self.resize_windows(window)?;
        frame::settings_ack(&mut self.out.frames);
        Ok(())
    }

    /// The peer changes what may be sent on each stream (section 6.9.2).
    fn resize_windows(&mut self, size: u32) -> Result<(), Reason> {
        let by = i64::from(size) - i64::from(self.peer.initial_window);
        self.peer.initial_window = size;
        if by == 0 || self.streams.len() == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            stream.send_window.change(by)?;
            self.wakes.extend(stream.sender.take_if(|_| by > 0));
        }
        // A small frame that is much work.
        self.budget.spend()
    }

    fn ping(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        let opaque = exactly(payload)?;
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !head.has(flag::ACK) {
            frame::ping(&mut self.out.frames, flag::ACK, opaque);
        } else if opaque == LAST_CALL && self.leaving == Leaving::Announced {
            // Whatever was on its way when the peer was told has come.
            self.leave();
        }
        Ok(())
    }

    fn left(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (last, rest) = payload.split_first_chunk().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let reason = rest.first_chunk().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let last = u32::from_be_bytes(*last) & frame::MAX_31;
        let reason = Reason::from(u32::from_be_bytes(*reason));
        // It may say so again, of fewer streams.
        let last = self.left.map_or(last, |(before, _)| before.min(last));
        self.left = Some((last, reason));
        if !self.is_server() {
            for key in self.streams.keys() {
                let Some(stream) = self.streams.get(key) else { continue };
                if key.id() > last && !stream.is_closed() {
                    stream.error = Some(Error::GoAway(reason, By::Peer));
                    stream.wake(&mut self.wakes);
                    self.settle(key);
                }
            }
            self.let_all_open();
        }
        Ok(())
    }

    fn window_update(&mut self, head: Header, payload: &[u8]) -> Result<(), Reason> {
        let by = u32::from_be_bytes(exactly(payload)?) & frame::MAX_31;
        if head.stream == 0 {
            if by == 0 {
                return Err(Reason::PROTOCOL_ERROR);
            }
            self.send_window.change(i64::from(by))?;
            self.wake_waiting();
            return Ok(());
        }
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(key) = self.streams.find(head.stream) else { return Ok(()) };
        let Some(stream) = self.streams.get(key) else { return Ok(()) };
        if by == 0 {
            return self.stream_error(key, Reason::PROTOCOL_ERROR);
        }
        match stream.send_window.change(i64::from(by)) {
            Ok(()) => {
                self.wakes.extend(stream.sender.take());
                Ok(())
            }
            Err(reason) => self.stream_error(key, reason),
        }
    }
}

/// A payload whose length its type says.
fn exactly<const N: usize>(payload: &[u8]) -> Result<[u8; N], Reason> {
    payload.try_into().map_err(|_| Reason::FRAME_SIZE_ERROR)
}
