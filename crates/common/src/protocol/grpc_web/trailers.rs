//! Trailers as the last frame of a body.

use bytes::Bytes;
use http::HeaderMap;

use crate::protocol::frame::HEADER_LEN;

/// Tells the frame of trailers from those of messages.
const TRAILERS: u8 = 0x80;

/// Writes trailers as a block of HTTP/1.1 header lines, in a frame.
pub(super) fn frame(trailers: &HeaderMap) -> Bytes {
    let mut frame = Vec::with_capacity(64);
    frame.extend_from_slice(&[TRAILERS, 0, 0, 0, 0]);
    for (name, value) in trailers {
        frame.extend_from_slice(name.as_str().as_bytes());
        frame.extend_from_slice(b": ");
        frame.extend_from_slice(value.as_bytes());
        frame.extend_from_slice(b"\r\n");
    }
    // Trailers are bounded where they are made, far below four bytes' worth.
    let len = u32::try_from(frame.len().saturating_sub(HEADER_LEN)).unwrap_or(u32::MAX);
    for (place, byte) in frame.iter_mut().skip(1).zip(len.to_be_bytes()) {
        *place = byte;
    }
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_value_is_a_line() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.append("x-many", "a".parse().unwrap());
        trailers.append("x-many", "b".parse().unwrap());
        let frame = frame(&trailers);
        assert_eq!(frame, &b"\x80\0\0\0\x26grpc-status: 0\r\nx-many: a\r\nx-many: b\r\n"[..]);
    }
}
