//! Frames as bytes (RFC 9113, sections 4 and 6).

use super::error::Reason;

/// What every client sends first (section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many bytes a frame has before its payload.
pub(super) const HEADER: usize = 9;

/// The longest payload that we take, and that any peer takes without being asked.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024;

/// The largest that a window can be, or a stream's number.
pub(super) const MAX_31: u32 = (1 << 31) - 1;

/// The types of frames.
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// The flags of frames; which of them a frame has depends on its type.
pub(super) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Header {
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            // The first bit is reserved and ignored.
            stream: u32::from_be_bytes([s, t, u, v]) & MAX_31,
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload of DATA or HEADERS without its padding.
    pub(super) fn unpad<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], Reason> {
        if !self.has(flag::PADDED) {
            return Ok(payload);
        }
        let (padding, rest) = payload.split_first().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let kept = rest.len().checked_sub(usize::from(*padding));
        kept.and_then(|kept| rest.get(..kept)).ok_or(Reason::PROTOCOL_ERROR)
    }
}

/// How many more bytes it takes until there is a whole frame, or what one begins with.
pub(super) fn missing(begun: &[u8]) -> usize {
    match begun.first_chunk() {
        None => HEADER.saturating_sub(begun.len()),
        Some(head) => (HEADER + Header::parse(head).length).saturating_sub(begun.len()),
    }
}

/// Appends what a frame begins with.
#[inline]
pub(super) fn header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s, t, u, v]);
}

pub(super) fn reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    header(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&u32::from(reason).to_be_bytes());
}

pub(super) fn ping(out: &mut Vec<u8>, flags: u8, opaque: [u8; 8]) {
    header(out, 8, kind::PING, flags, 0);
    out.extend_from_slice(&opaque);
}

pub(super) fn go_away(out: &mut Vec<u8>, last: u32, reason: Reason) {
    header(out, 8, kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&u32::from(reason).to_be_bytes());
}

pub(super) fn window_update(out: &mut Vec<u8>, stream: u32, by: u32) {
    header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&by.to_be_bytes());
}

pub(super) fn settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    header(out, 6 * settings.len(), kind::SETTINGS, 0, 0);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn settings_ack(out: &mut Vec<u8>) {
    header(out, 0, kind::SETTINGS, flag::ACK, 0);
}

/// Ends a frame of headers that begins at `start`, whose payload has been appended after it, and
/// cuts it into as many as it takes.
pub(super) fn finish_headers(
    out: &mut Vec<u8>,
    start: usize,
    stream: u32,
    end_stream: bool,
    most: usize,
) {
    let length = out.len().saturating_sub(start + HEADER);
    let end_stream = if end_stream { flag::END_STREAM } else { 0 };
    if length <= most {
        let [_, a, b, c] = (length as u32).to_be_bytes();
        let [s, t, u, v] = stream.to_be_bytes();
        let head = [a, b, c, kind::HEADERS, end_stream | flag::END_HEADERS, s, t, u, v];
        if let Some(room) = out.get_mut(start..start + HEADER) {
            room.copy_from_slice(&head);
        }
        return;
    }
    let block = out.split_off(start + HEADER);
    out.truncate(start);
    let mut parts = block.chunks(most.max(1)).peekable();
    let (mut kind, mut flags) = (kind::HEADERS, end_stream);
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        header(out, part.len(), kind, flags, stream);
        out.extend_from_slice(part);
        (kind, flags) = (kind::CONTINUATION, 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
        let (mut rest, mut frames) = (bytes, Vec::new());
        while let Some((head, after)) = rest.split_first_chunk() {
            let head = Header::parse(head);
            let (payload, after) = after.split_at(head.length);
            frames.push((head, payload.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty());
        frames
    }

    #[test]
    fn a_block_is_cut_into_frames_that_the_peer_takes() {
        for (length, expected) in [(0, 1), (10, 1), (11, 2), (20, 2), (25, 3)] {
            let mut out = vec![7; 3];
            let block: Vec<u8> = (0..length).collect();
            header(&mut out, 0, kind::HEADERS, 0, 5);
            out.extend_from_slice(&block);
            finish_headers(&mut out, 3, 5, true, 10);
            let frames = parse(&out[3..]);
            assert_eq!(frames.len(), expected);
            let all: Vec<u8> = frames.iter().flat_map(|(_, payload)| payload.clone()).collect();
            assert_eq!(all, block);
            assert!(frames.iter().all(|(head, _)| head.stream == 5));
            assert!(frames[0].0.has(flag::END_STREAM) && frames[0].0.kind == kind::HEADERS);
            let ends = frames.iter().filter(|(head, _)| head.has(flag::END_HEADERS)).count();
            assert!(ends == 1 && frames.last().unwrap().0.has(flag::END_HEADERS));
        }
    }

    #[test]
    fn padding_that_does_not_fit_is_refused() {
        let head = Header { length: 3, kind: kind::DATA, flags: flag::PADDED, stream: 1 };
        assert_eq!(head.unpad(&[1, 9, 0]), Ok(&[9][..]));
        assert_eq!(head.unpad(&[2, 0, 0]), Ok(&[][..]));
        assert_eq!(head.unpad(&[3, 0, 0]), Err(Reason::PROTOCOL_ERROR));
        assert_eq!(head.unpad(&[]), Err(Reason::FRAME_SIZE_ERROR));
    }

    #[test]
    fn the_reserved_bit_is_ignored() {
        let head = Header::parse(&[0, 1, 0, 3, 4, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!((head.length, head.kind, head.flags, head.stream), (256, 3, 4, MAX_31));
    }
}
