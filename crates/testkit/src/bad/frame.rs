//! HTTP/2 frames as bytes, right or wrong: nothing here checks what it writes.

/// What every HTTP/2 client sends first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many bytes a frame has before its payload.
pub const FRAME_HEADER: usize = 9;

/// The types of frames (RFC 9113, 6).
#[allow(missing_docs)]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flags of frames; which of them a frame has depends on its type.
#[allow(missing_docs)]
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
}

/// The settings that are used here (RFC 9113, 6.5.2).
#[allow(missing_docs)]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
    /// What follows the frame's header.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Any frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// SETTINGS.
    pub fn settings(settings: &[(u16, u32)]) -> Self {
        let payload = settings
            .iter()
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
        Self::new(kind::SETTINGS, 0, 0, payload.collect::<Vec<_>>())
    }

    /// HEADERS with a whole block of them.
    pub fn headers(stream: u32, block: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::HEADERS, flag::END_HEADERS, stream, block)
    }

    /// DATA.
    pub fn data(stream: u32, data: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::DATA, 0, stream, data)
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, reason: h2::Reason) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, u32::from(reason).to_be_bytes())
    }

    /// GOAWAY.
    pub fn go_away(last: u32, reason: h2::Reason) -> Self {
        let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        Self::new(kind::GOAWAY, 0, 0, payload)
    }

    /// PING.
    pub fn ping(opaque: [u8; 8]) -> Self {
        Self::new(kind::PING, 0, 0, opaque)
    }

    /// WINDOW_UPDATE.
    pub fn window_update(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    /// The same frame as the last of its stream's half.
    #[must_use]
    pub fn end(mut self) -> Self {
        self.flags |= flag::END_STREAM;
        self
    }

    /// Whether it is of this type and has all of these flags.
    pub fn is(&self, kind: u8, flags: u8) -> bool {
        self.kind == kind && self.flags & flags == flags
    }

    /// The HTTP/2 error code of a RST_STREAM or GOAWAY.
    pub fn reason(&self) -> Option<h2::Reason> {
        let code = match self.kind {
            kind::RST_STREAM => self.payload.first_chunk(),
            kind::GOAWAY => self.payload.get(4..).and_then(|rest| rest.first_chunk()),
            _ => None,
        };
        code.map(|code| u32::from_be_bytes(*code).into())
    }

    /// Appends the frame's bytes.
    pub fn write(&self, to: &mut Vec<u8>) {
        write_header(to, self.payload.len() as u32, self.kind, self.flags, self.stream);
        to.extend_from_slice(&self.payload);
    }

    /// The frame's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRAME_HEADER + self.payload.len());
        self.write(&mut bytes);
        bytes
    }
}

/// Appends a frame's header alone, whose length need not be true.
pub fn write_header(to: &mut Vec<u8>, length: u32, kind: u8, flags: u8, stream: u32) {
    let [_, length @ ..] = length.to_be_bytes();
    to.extend_from_slice(&length);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
}

/// Several frames' bytes.
pub fn bytes<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.into_iter().for_each(|frame| frame.write(&mut bytes));
    bytes
}

/// A gRPC message: its flag, its length, its payload.
pub fn message(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&[flag], &length[..], payload].concat()
}
