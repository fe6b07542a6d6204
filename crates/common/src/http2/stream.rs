//! The streams of a connection, and what is known of each.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::error::Error;
use super::flow::{ReceiveWindow, SendWindow};

/// Small frames of data are put together up to this length, so that a peer that sends byte after
/// byte costs what its bytes cost.
const TOGETHER: usize = 16 * 1024;

/// One of the two halves of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The headers have not come yet.
    Waiting,
    Open,
    Closed,
}

/// Who still looks at a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holders {
    /// Who sends on it.
    pub(super) call: bool,
    /// Who reads what comes.
    pub(super) body: bool,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) holders: Holders,
    /// Whether it counts as one of those that may be open at a time.
    pub(super) counted: bool,
    /// Why it ended before its time.
    pub(super) error: Option<Error>,

    pub(super) sending: Half,
    pub(super) send_window: SendWindow,
    /// Waits for room to send, or for the end.
    pub(super) sender: Option<Waker>,
    /// Whether it is in the queue of those that wait for the connection.
    pub(super) queued: bool,
    /// Whether it was since it had nothing to send.
    pub(super) contended: bool,
    /// Whether it was woken to send.
    pub(super) has_turn: bool,

    pub(super) receiving: Half,
    pub(super) receive_window: ReceiveWindow,
    /// Waits for what comes.
    pub(super) reader: Option<Waker>,
    pub(super) response: Option<Response<()>>,
    pub(super) received: Received,
    pub(super) trailers: Option<Box<HeaderMap>>,
    /// How much data is still to come, if the head said so.
    pub(super) length: Option<u64>,
    /// Data that was handed out with the head, and counts until the end as not used up.
    pub(super) lent: usize,
}

impl Stream {
    pub(super) fn new(id: u32, send: u32, receive: u32) -> Self {
        Self {
            id,
            holders: Holders::default(),
            counted: false,
            error: None,
            sending: Half::Open,
            send_window: SendWindow::new(send),
            sender: None,
            queued: false,
            contended: false,
            has_turn: false,
            receiving: Half::Waiting,
            receive_window: ReceiveWindow::new(receive),
            reader: None,
            response: None,
            received: Received::default(),
            trailers: None,
            length: None,
            lent: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.error.is_some() || (self.sending == Half::Closed && self.receiving == Half::Closed)
    }

    /// The body, if it is here and no more than a piece; if it is not, somebody will read it.
    pub(super) fn take_whole(&mut self) -> Option<Whole> {
        if self.receiving != Half::Closed || !self.received.is_simple() {
            self.holders.body = true;
            return None;
        }
        // Its window is given back at the end of the stream.
        self.lent = self.received.bytes();
        self.holders.body = false;
        Some(Whole { data: self.received.pop(), trailers: self.trailers.take() })
    }

    /// Who waits is to look again.
    pub(super) fn wake(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.sender.take());
        wakes.extend(self.reader.take());
    }
}

/// All of a body.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) data: Option<Bytes>,
    /// On the heap, so that bodies are small: they are moved through all layers.
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

/// Remembers who waits. A waker that is replaced is woken rather than dropped, since with it might
/// go a task, and with that a stream of the connection that is locked.
pub(super) fn wait(waiting: &mut Option<Waker>, cx: &Context<'_>, wakes: &mut Vec<Waker>) {
    match waiting {
        Some(known) if known.will_wake(cx.waker()) => {}
        _ => wakes.extend(waiting.replace(cx.waker().clone())),
    }
}

/// Data that waits for who reads it.
#[derive(Debug, Default)]
pub(super) struct Received {
    whole: VecDeque<Bytes>,
    /// What more may be put to.
    last: Vec<u8>,
    bytes: usize,
}

impl Received {
    pub(super) fn push(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.bytes += data.len();
        if self.last.is_empty() {
            self.last = data.to_vec();
        } else if self.last.len() + data.len() <= TOGETHER {
            self.last.extend_from_slice(data);
        } else {
            let whole = std::mem::replace(&mut self.last, data.to_vec());
            self.whole.push_back(tight(whole));
        }
    }

    /// Adds what need not be copied.
    pub(super) fn push_whole(&mut self, data: Bytes) {
        self.bytes += data.len();
        if !self.last.is_empty() {
            self.whole.push_back(tight(std::mem::take(&mut self.last)));
        }
        self.whole.push_back(data);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let next = match self.whole.pop_front() {
            Some(next) => next,
            None if self.last.is_empty() => return None,
            None => tight(std::mem::take(&mut self.last)),
        };
        self.bytes -= next.len();
        Some(next)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is no more than one piece.
    pub(super) fn is_simple(&self) -> bool {
        self.whole.len() + usize::from(!self.last.is_empty()) <= 1
    }
}

/// Bytes that hold little more than they have to.
fn tight(mut data: Vec<u8>) -> Bytes {
    if data.capacity() - data.len() > data.len() / 4 {
        data.shrink_to_fit();
    }
    data.into()
}

/// Where a stream is among those of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    id: u32,
}

impl Key {
    pub(super) fn id(self) -> u32 {
        self.id
    }
}

/// All streams of a connection that somebody still looks at.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    by_id: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
}

impl Streams {
    pub(super) fn insert(&mut self, stream: Stream) -> Key {
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len().saturating_sub(1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(stream);
        }
        self.by_id.insert(id, slot);
        Key { slot, id }
    }

    #[inline]
    pub(super) fn get(&mut self, key: Key) -> Option<&mut Stream> {
        let stream = self.slots.get_mut(key.slot as usize)?.as_mut();
        stream.filter(|stream| stream.id == key.id)
    }

    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<Key> {
        self.by_id.get(&id).map(|slot| Key { slot: *slot, id })
    }

    pub(super) fn remove(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key.slot as usize)
            && slot.as_ref().is_some_and(|stream| stream.id == key.id)
        {
            *slot = None;
            self.by_id.remove(&key.id);
            self.free.push(key.slot);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.by_id.iter().map(|(id, slot)| Key { slot: *slot, id: *id }).collect()
    }
}

/// Spreads the numbers of streams. A peer that chooses them so that they collide slows down its
/// own connection, and that no more than streams may be open.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_of_a_stream_that_is_gone_finds_no_other() {
        let mut streams = Streams::default();
        let first = streams.insert(Stream::new(1, 0, 0));
        streams.remove(first);
        let second = streams.insert(Stream::new(3, 0, 0));
        streams.remove(first);
        assert!(streams.get(first).is_none());
        assert_eq!(streams.get(second).unwrap().id, 3);
        assert_eq!(streams.find(3), Some(second));
        assert_eq!((streams.find(1), streams.len()), (None, 1));
    }

    #[test]
    fn small_pieces_of_data_are_put_together() {
        let mut received = Received::default();
        let sent: Vec<u8> = (0..40_000).map(|_| fastrand::u8(..)).collect();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(fastrand::usize(1..100).min(rest.len()));
            received.push(piece);
            rest = after;
        }
        assert_eq!(received.bytes(), sent.len());
        let mut read = Vec::new();
        let mut pieces = 0;
        while let Some(piece) = received.pop() {
            assert!(piece.len() <= TOGETHER);
            read.extend_from_slice(&piece);
            pieces += 1;
        }
        assert_eq!((read, received.bytes(), pieces), (sent, 0, 3));
    }
}
