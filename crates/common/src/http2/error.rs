//! Why a stream or a connection ended.

use std::fmt;
use std::io;

/// An error code of HTTP/2 (RFC 9113, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reason(u32);

#[allow(missing_docs)]
impl Reason {
    pub(crate) const NO_ERROR: Self = Self(0);
    pub(crate) const PROTOCOL_ERROR: Self = Self(1);
    pub(crate) const INTERNAL_ERROR: Self = Self(2);
    pub(crate) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(crate) const STREAM_CLOSED: Self = Self(5);
    pub(crate) const FRAME_SIZE_ERROR: Self = Self(6);
    pub(crate) const REFUSED_STREAM: Self = Self(7);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const COMPRESSION_ERROR: Self = Self(9);
    pub(crate) const ENHANCE_YOUR_CALM: Self = Self(11);
    pub(crate) const INADEQUATE_SECURITY: Self = Self(12);
}

impl From<u32> for Reason {
    fn from(code: u32) -> Self {
        Self(code)
    }
}

impl From<Reason> for u32 {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error {:#x}", self.0),
        }
    }
}

/// Which end decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// This one.
    Us,
    /// The other one.
    Peer,
}

/// Why a stream ended before its time, or a connection did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// RST_STREAM.
    #[error("stream ended, HTTP/2 {0:?} ({who} sent RST_STREAM)", who = who(*.1))]
    Reset(Reason, By),
    /// GOAWAY: the connection ended, or, with NO_ERROR of the peer, the stream is not among those
    /// that it still serves.
    #[error("connection ended, HTTP/2 {0:?} ({who} sent GOAWAY)", who = who(*.1))]
    GoAway(Reason, By),
    /// The connection was lost.
    #[error("connection lost: {0}")]
    Lost(String),
}

fn who(by: By) -> &'static str {
    match by {
        By::Us => "we",
        By::Peer => "peer",
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}
