//! gRPC's length-prefixed messages, as state machines fed with chunks of a body.
//!
//! On the wire a message is a flag byte (1: compressed), its length in four bytes, big-endian,
//! and its payload ([gRPC over HTTP/2, "Length-Prefixed-Message"][spec]). The chunks that a body
//! arrives in say nothing about where messages begin. [`FrameCounter`] follows the headers
//! without touching payloads; [`Splitter`] cuts the chunks into whole messages.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use bytes::Bytes;
use http::HeaderMap;
use tonic::Status;

/// The length of a message's header: one byte of flag, four of length.
pub const HEADER_LEN: usize = 5;

/// The longest message that a receiver takes unless told otherwise: 4 MiB, as in every gRPC
/// implementation.
pub const DEFAULT_MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// The header of a message of `len` bytes.
pub const fn header(compressed: bool, len: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = len.to_be_bytes();
    [compressed as u8, a, b, c, d]
}

/// What is wrong with a body of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A header announces more bytes than the receiver takes. Becomes RESOURCE_EXHAUSTED.
    #[error("received message of {len} bytes, over the limit of {limit}")]
    TooLarge {
        /// What the header announces, in bytes.
        len: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// The flag byte has a value that the protocol does not know. Becomes INTERNAL.
    #[error("received message with flag {0}, which is neither 0 nor 1")]
    BadFlag(u8),
    /// The body ended within a message. Becomes INTERNAL.
    #[error("body ended in the middle of a message")]
    Truncated,
}

impl From<FrameError> for Status {
    fn from(error: FrameError) -> Self {
        let message = error.to_string();
        match error {
            FrameError::TooLarge { .. } => Self::resource_exhausted(message),
            FrameError::BadFlag(_) | FrameError::Truncated => Self::internal(message),
        }
    }
}

/// Whether a body carries the messages of a request or of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From client to server.
    Request,
    /// From server to client.
    Response,
}

impl Direction {
    /// The last frame of a body that fails with `status`.
    ///
    /// A response ends with the trailers of a failed call. A request has no trailers to say it
    /// with: there the status is an error, which generated tonic code gives to the handler, or
    /// returns to the client in the place of a unary handler.
    ///
    /// # Errors
    /// The status itself, for a request.
    pub fn end_with(self, status: Status) -> Result<http_body::Frame<Bytes>, Status> {
        match self {
            Self::Request => Err(status),
            Self::Response => {
                let mut trailers = HeaderMap::with_capacity(2);
                status.add_header(&mut trailers)?;
                Ok(http_body::Frame::trailers(trailers))
            }
        }
    }
}

/// Reads a header: whether the message is compressed, and how long it is.
fn parse([flag, a, b, c, d]: [u8; HEADER_LEN], limit: u32) -> Result<(bool, u32), FrameError> {
    let len = u32::from_be_bytes([a, b, c, d]);
    if flag > 1 {
        return Err(FrameError::BadFlag(flag));
    }
    if len > limit {
        return Err(FrameError::TooLarge { len, limit });
    }
    Ok((flag == 1, len))
}

/// A limit as headers can express it: no length exceeds `u32::MAX`.
fn wire_limit(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Counts messages and their payload bytes in a body that passes by.
///
/// It looks at headers only, so that a chunk costs the same however long it is.
#[derive(Clone, Debug)]
pub struct FrameCounter {
    limit: u32,
    /// The part of a header that ended with the last chunk.
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// How much of the current payload is still to come.
    remaining: u32,
    messages: u64,
    payload_bytes: u64,
}

/// A bad header, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader {
    /// How many bytes of the chunk come before the bad header.
    pub offset: usize,
    /// What is wrong with it.
    pub error: FrameError,
}

impl Default for FrameCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameCounter {
    /// Takes messages of any length.
    pub const fn new() -> Self {
        Self {
            limit: u32::MAX,
            header: [0; HEADER_LEN],
            header_len: 0,
            remaining: 0,
            messages: 0,
            payload_bytes: 0,
        }
    }

    /// Refuses messages whose payload is longer than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit: wire_limit(limit), ..Self::new() }
    }

    /// Follows the next chunk of the body.
    ///
    /// # Errors
    /// The first header that is over the limit or has an unknown flag, as soon as it is complete.
    /// After an error the counts stay as they are, and feeding more gives the same error.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), BadHeader> {
        let mut rest = chunk;
        loop {
            let step = rest.len().min(self.remaining as usize);
            // `step` is at most `remaining`, a u32.
            self.remaining -= step as u32;
            self.payload_bytes += step as u64;
            rest = rest.get(step..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }

            let offset = chunk.len() - rest.len();
            let header = match rest.split_first_chunk() {
                Some((header, after)) if self.header_len == 0 => {
                    rest = after;
                    *header
                }
                _ => {
                    let free = self.header.iter_mut().skip(self.header_len);
                    let taken = free.zip(rest).map(|(to, from)| *to = *from).count();
                    self.header_len += taken;
                    rest = rest.get(taken..).unwrap_or_default();
                    if self.header_len < HEADER_LEN {
                        return Ok(());
                    }
                    self.header
                }
            };
            match parse(header, self.limit) {
                Ok((_, len)) => {
                    self.header_len = 0;
                    self.remaining = len;
                    self.messages += 1;
                }
                Err(error) => {
                    self.header = header;
                    self.header_len = HEADER_LEN;
                    return Err(BadHeader { offset, error });
                }
            }
        }
    }

    /// How many messages have passed completely.
    pub fn messages(&self) -> u64 {
        self.messages - u64::from(self.remaining > 0)
    }

    /// How many messages have begun.
    pub fn begun(&self) -> u64 {
        self.messages
    }

    /// How many bytes of payload have passed, headers not counted: the sizes that [gRFC A66]
    /// calls "compressed message size".
    ///
    /// [gRFC A66]: https://github.com/grpc/proposal/blob/master/A66-otel-stats.md
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Whether the body may end here: not within a message.
    pub fn is_between_messages(&self) -> bool {
        self.remaining == 0 && self.header_len == 0
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether the flag says that the payload is compressed.
    pub compressed: bool,
    /// The message as it was on the wire, header included.
    pub frame: Bytes,
}

impl Message {
    /// The message without its header.
    pub fn payload(&self) -> &[u8] {
        self.frame.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The same, of which nothing is copied.
    pub fn into_payload(mut self) -> Bytes {
        self.frame.split_off(HEADER_LEN.min(self.frame.len()))
    }
}

/// Cuts the chunks of a body into messages.
///
/// A message that lies in one chunk is a slice of it; others are gathered in a buffer which grows
/// with what has arrived, not with what a header promises, and never beyond the message.
#[derive(Debug)]
pub struct Splitter {
    limit: u32,
    /// What is left of the last chunk.
    chunk: Bytes,
    /// The beginning of a message that the chunks so far did not end.
    partial: Vec<u8>,
}

impl Splitter {
    /// Refuses messages whose payload is longer than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit: wire_limit(limit), chunk: Bytes::new(), partial: Vec::new() }
    }

    /// Takes the next chunk of the body. [`Splitter::next_message`] must have given `None` since
    /// the last one; what it has not given yet would be lost.
    pub fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "fed before the last chunk was used");
        self.chunk = chunk;
    }

    /// The next message, `None` if it takes another chunk.
    ///
    /// # Errors
    /// A header that is over the limit or has an unknown flag; the same again when asked again.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        if self.partial.is_empty() {
            if let Some(header) = self.chunk.first_chunk() {
                let (compressed, len) = parse(*header, self.limit)?;
                let total = HEADER_LEN + len as usize;
                if self.chunk.len() >= total {
                    let frame = self.chunk.split_to(total);
                    return Ok(Some(Message { compressed, frame }));
                }
            } else if self.chunk.is_empty() {
                return Ok(None);
            }
        }

        self.gather(HEADER_LEN);
        let Some(header) = self.partial.first_chunk() else {
            return Ok(None);
        };
        let (compressed, len) = parse(*header, self.limit)?;
        let total = HEADER_LEN + len as usize;
        self.gather(total);
        if self.partial.len() < total {
            return Ok(None);
        }
        let frame = Bytes::from(std::mem::take(&mut self.partial));
        Ok(Some(Message { compressed, frame }))
    }

    /// Moves bytes of the chunk to the partial message, as far as it is shorter than `total`.
    fn gather(&mut self, total: usize) {
        let missing = total.saturating_sub(self.partial.len());
        let part = self.chunk.split_to(missing.min(self.chunk.len()));
        if self.partial.capacity() - self.partial.len() < part.len() {
            // Doubling, so that each byte is moved about once, but never beyond the message.
            let more = self.partial.len().max(part.len()).min(missing);
            self.partial.reserve_exact(more);
        }
        self.partial.extend_from_slice(&part);
    }

    /// Whether nothing is held back: the body may end here.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.partial.is_empty()
    }

    /// Drops what is held back.
    pub fn clear(&mut self) {
        self.chunk = Bytes::new();
        self.partial = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    fn frame(compressed: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = header(compressed, payload.len() as u32).to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    /// Messages of lengths that meet every border, as one run of bytes.
    fn wire() -> (Vec<Vec<u8>>, Vec<u8>) {
        let frames: Vec<_> = [0, 1, 7, 0, 300, 5]
            .iter()
            .enumerate()
            .map(|(n, len)| frame(n % 2 == 1, &vec![n as u8; *len]))
            .collect();
        let wire = frames.concat();
        (frames, wire)
    }

    fn split(splitter: &mut Splitter, chunks: &[&[u8]]) -> Result<Vec<Message>, FrameError> {
        let mut messages = Vec::new();
        for chunk in chunks {
            splitter.feed(Bytes::copy_from_slice(chunk));
            while let Some(message) = splitter.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    fn check(chunks: &[&[u8]], frames: &[Vec<u8>]) {
        let mut counter = FrameCounter::new();
        for chunk in chunks {
            counter.feed(chunk).unwrap();
        }
        assert_eq!(counter.messages(), frames.len() as u64);
        assert_eq!(counter.payload_bytes(), 313);
        assert!(counter.is_between_messages());

        let mut splitter = Splitter::with_limit(300);
        let messages = split(&mut splitter, chunks).unwrap();
        assert!(splitter.is_empty());
        assert_eq!(messages.len(), frames.len());
        for (n, (message, frame)) in messages.iter().zip(frames).enumerate() {
            assert_eq!(message.frame, frame);
            assert_eq!(message.payload(), &frame[HEADER_LEN..]);
            assert_eq!(message.compressed, n % 2 == 1);
        }
    }

    #[test]
    fn borders_between_chunks_do_not_matter() {
        let (frames, wire) = wire();
        check(&[&wire], &frames);
        for at in 0..=wire.len() {
            check(&[&wire[..at], &wire[at..]], &frames);
        }
        for size in 1..20 {
            check(&wire.chunks(size).collect::<Vec<_>>(), &frames);
        }
        for _ in 0..200 {
            let mut chunks = Vec::new();
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(fastrand::usize(0..=rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            check(&chunks, &frames);
        }
    }

    #[test]
    fn an_unfinished_message_is_not_counted() {
        let mut counter = FrameCounter::new();
        counter.feed(&frame(false, b"hello")[..7]).unwrap();
        assert_eq!((counter.messages(), counter.payload_bytes()), (0, 2));
        assert!(!counter.is_between_messages());
        counter.feed(b"llo\0\0").unwrap();
        assert_eq!((counter.messages(), counter.payload_bytes()), (1, 5));
        assert!(!counter.is_between_messages());
    }

    #[test]
    fn a_bad_header_is_reported_where_it_is_and_again() {
        let too_large = FrameError::TooLarge { len: 9, limit: 8 };
        for (bad, error) in
            [(header(false, 9), too_large), ([2, 0, 0, 0, 0], FrameError::BadFlag(2))]
        {
            let wire = [frame(true, b"12345678").as_slice(), &bad, b"x"].concat();
            for at in 0..=wire.len() {
                let (first, second) = wire.split_at(at);
                let mut counter = FrameCounter::with_limit(8);
                let offset = match counter.feed(first) {
                    Err(found) => {
                        assert_eq!(found.error, error);
                        found.offset
                    }
                    Ok(()) => {
                        let found = counter.feed(second).unwrap_err();
                        assert_eq!(found.error, error);
                        at + found.offset
                    }
                };
                // Of a header in two chunks the first part has passed already.
                let expected = if (13..18).contains(&at) { at } else { 13 };
                assert_eq!(offset, expected);
                assert_eq!((counter.messages(), counter.payload_bytes()), (1, 8));
                assert_eq!(counter.feed(b"more").unwrap_err().error, error);

                let mut splitter = Splitter::with_limit(8);
                assert_eq!(split(&mut splitter, &[first, second]), Err(error));
                assert_eq!(splitter.next_message(), Err(error));
            }
        }
    }

    #[test]
    fn a_promise_of_length_takes_no_memory() {
        let mut splitter = Splitter::with_limit(usize::MAX);
        splitter.feed(Bytes::copy_from_slice(&header(false, u32::MAX)));
        assert_eq!(splitter.next_message(), Ok(None));
        assert!(splitter.partial.capacity() < 64);
        assert!(!splitter.is_empty());
        splitter.clear();
        assert!(splitter.is_empty());
    }

    #[test]
    fn gathering_stays_within_the_message() {
        let wire = frame(false, &[7; 100_000]);
        let mut splitter = Splitter::with_limit(100_000);
        let messages = split(&mut splitter, &wire.chunks(16_384).collect::<Vec<_>>()).unwrap();
        assert_eq!(messages[0].frame, wire);
    }
}
