//! What peers must not do, and what RFC 9113 says happens then.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::tests::{config, said};
use super::*;
use crate::http2::frame::{Header, kind};

/// A frame: its type, flags, stream and payload.
type Said<'a> = (u8, u8, u32, &'a [u8]);

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    /// The connection has ended.
    Ended(Reason),
    /// The stream has, and the connection goes on.
    Reset(u32, Reason),
    /// Nothing: it is no error.
    Nothing,
}
use Became::{Ended, Nothing, Reset};

const END: u8 = flag::END_STREAM | flag::END_HEADERS;
const OPEN: u8 = flag::END_HEADERS;

/// POST / of http, without :authority.
const HEAD: &[u8] = &[0x83, 0x86, 0x84];

/// A server that was greeted and has been told so.
fn after(frames: &[Said<'_>]) -> Became {
    let mut server = Connection::new(config(Role::Server));
    server.receive(PREFACE, None);
    let mut settings = Vec::new();
    frame::settings(&mut settings, &[]);
    server.receive(&settings, None);
    said(&mut server);
    let mut told = Vec::new();
    for (kind, flags, stream, payload) in frames {
        let mut bytes = Vec::new();
        frame::header(&mut bytes, payload.len(), *kind, *flags, *stream);
        bytes.extend_from_slice(payload);
        server.receive(&bytes, None);
        told.extend(said(&mut server));
        // Calls are taken, and go on.
        while server.accept().is_some() {}
    }
    if let Some(Error::GoAway(reason, By::Us)) = server.ended {
        return Ended(reason);
    }
    let mut rest = &told[..];
    while let Some((head, after)) = rest.split_first_chunk() {
        let head = Header::parse(head);
        let (payload, after) = after.split_at(head.length);
        if head.kind == kind::RST_STREAM {
            let reason = u32::from_be_bytes(payload.try_into().unwrap());
            return Reset(head.stream, reason.into());
        }
        rest = after;
    }
    Nothing
}

#[track_caller]
fn expect(expected: Became, frames: &[Said<'_>]) {
    assert_eq!(after(frames), expected);
}

#[test]
fn sizes_of_frames() {
    let open = (kind::HEADERS, OPEN, 1, HEAD);
    let size = || Ended(Reason::FRAME_SIZE_ERROR);
    expect(size(), &[open, (kind::RST_STREAM, 0, 1, &[0; 3])]);
    expect(size(), &[open, (kind::WINDOW_UPDATE, 0, 1, &[0; 5])]);
    expect(size(), &[(kind::PING, 0, 0, &[0; 9])]);
    expect(size(), &[(kind::SETTINGS, 0, 0, &[0; 7])]);
    expect(size(), &[(kind::SETTINGS, flag::ACK, 0, &[0; 6])]);
    expect(size(), &[(kind::GOAWAY, 0, 0, &[0; 7])]);
    expect(size(), &[(kind::HEADERS, OPEN | flag::PRIORITY, 1, &[0; 4])]);
    expect(size(), &[(kind::HEADERS, OPEN | flag::PADDED, 1, &[])]);
    expect(size(), &[(kind::DATA, 0, 1, &[0; MAX_PAYLOAD + 1])]);
    expect(Reset(1, Reason::FRAME_SIZE_ERROR), &[open, (kind::PRIORITY, 0, 1, &[0; 4])]);
}

#[test]
fn streams_of_frames() {
    let protocol = || Ended(Reason::PROTOCOL_ERROR);
    for kind in [kind::DATA, kind::HEADERS, kind::PRIORITY, kind::RST_STREAM, kind::CONTINUATION] {
        expect(protocol(), &[(kind, OPEN, 0, &[0; 5][..if kind == 3 { 4 } else { 5 }])]);
    }
    for (kind, size) in [(kind::SETTINGS, 0), (kind::PING, 8), (kind::GOAWAY, 8)] {
        expect(protocol(), &[(kind, 0, 1, &[0; 8][..size])]);
    }
    // Nobody has used them yet.
    expect(protocol(), &[(kind::DATA, 0, 1, &[1])]);
    expect(protocol(), &[(kind::RST_STREAM, 0, 1, &[0; 4])]);
    expect(protocol(), &[(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])]);
    expect(Nothing, &[(kind::PRIORITY, 0, 1, &[0; 5])]);
    // Of a server, or older than one that was opened.
    expect(protocol(), &[(kind::HEADERS, OPEN, 2, HEAD)]);
    expect(protocol(), &[(kind::HEADERS, END, 5, HEAD), (kind::HEADERS, END, 3, HEAD)]);
    expect(protocol(), &[(kind::PUSH_PROMISE, OPEN, 1, &[0, 0, 0, 2])]);
}

#[test]
fn what_comes_after_the_end_of_a_stream() {
    let ended = (kind::HEADERS, END, 1, HEAD);
    let closed = || Reset(1, Reason::STREAM_CLOSED);
    expect(closed(), &[ended, (kind::DATA, 0, 1, &[1])]);
    expect(closed(), &[ended, (kind::HEADERS, END, 1, HEAD)]);
    expect(Nothing, &[ended, (kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])]);
    expect(Nothing, &[ended, (kind::PRIORITY, 0, 1, &[0; 5])]);
    let reset = (kind::RST_STREAM, 0, 1, &[0, 0, 0, 8][..]);
    expect(closed(), &[ended, reset, (kind::DATA, 0, 1, &[1])]);
    expect(Nothing, &[ended, reset, reset]);
}

#[test]
fn windows() {
    let open = (kind::HEADERS, OPEN, 1, HEAD);
    let nothing = &[0; 4][..];
    expect(Ended(Reason::PROTOCOL_ERROR), &[(kind::WINDOW_UPDATE, 0, 0, nothing)]);
    expect(Reset(1, Reason::PROTOCOL_ERROR), &[open, (kind::WINDOW_UPDATE, 0, 1, nothing)]);
    let most = &[0x7f, 0xff, 0xff, 0xff][..];
    expect(Ended(Reason::FLOW_CONTROL_ERROR), &[(kind::WINDOW_UPDATE, 0, 0, most)]);
    expect(Reset(1, Reason::FLOW_CONTROL_ERROR), &[open, (kind::WINDOW_UPDATE, 0, 1, most)]);
    // A stream's window, changed by settings beyond the most.
    let more = (kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1][..]);
    let settings = (kind::SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff][..]);
    expect(Ended(Reason::FLOW_CONTROL_ERROR), &[open, more, settings]);
}

#[test]
fn blocks_of_headers() {
    let protocol = || Ended(Reason::PROTOCOL_ERROR);
    let begun = (kind::HEADERS, 0, 1, HEAD);
    let goes_on = (kind::CONTINUATION, OPEN, 1, &[0x88][..0]);
    expect(Nothing, &[begun, goes_on]);
    expect(protocol(), &[begun, (kind::PING, 0, 0, &[0; 8])]);
    expect(protocol(), &[begun, (kind::CONTINUATION, OPEN, 3, &[])]);
    expect(protocol(), &[begun, (0x77, 0, 1, &[])]);
    expect(protocol(), &[begun, goes_on, goes_on]);
    expect(Ended(Reason::COMPRESSION_ERROR), &[(kind::HEADERS, END, 1, &[0xff])]);
    expect(Ended(Reason::COMPRESSION_ERROR), &[(kind::HEADERS, END, 1, &[0x80])]);
}

#[test]
fn malformed_heads() {
    for head in [
        // No :method, no :scheme, no :path; each twice; :status.
        &[0x86, 0x84][..],
        &[0x83, 0x84],
        &[0x83, 0x86],
        &[0x83, 0x83, 0x86, 0x84],
        &[0x83, 0x86, 0x86, 0x84],
        &[0x83, 0x86, 0x84, 0x84],
        &[0x83, 0x86, 0x84, 0x88],
        // A pseudo-header after another field.
        &[0x83, 0x86, 0x90, 0x84],
    ] {
        expect(Reset(1, Reason::PROTOCOL_ERROR), &[(kind::HEADERS, END, 1, head)]);
    }
    let open = (kind::HEADERS, OPEN, 1, HEAD);
    // Trailers that do not end the stream, and with a pseudo-header.
    expect(Reset(1, Reason::PROTOCOL_ERROR), &[open, (kind::HEADERS, OPEN, 1, &[0x90])]);
    expect(Reset(1, Reason::PROTOCOL_ERROR), &[open, (kind::HEADERS, END, 1, &[0x84])]);
    expect(Nothing, &[open, (kind::HEADERS, END, 1, &[0x90])]);
    // content-length: 2, with more, and with less.
    let two = (kind::HEADERS, OPEN, 1, &[0x83, 0x86, 0x84, 0x0f, 0x0d, 1, b'2'][..]);
    expect(Nothing, &[two, (kind::DATA, flag::END_STREAM, 1, b"12")]);
    expect(Reset(1, Reason::PROTOCOL_ERROR), &[two, (kind::DATA, 0, 1, b"123")]);
    expect(Reset(1, Reason::PROTOCOL_ERROR), &[two, (kind::DATA, flag::END_STREAM, 1, b"1")]);
}

#[test]
fn settings_that_are_wrong() {
    for (setting, reason) in [
        ([0, 2, 0, 0, 0, 2], Reason::PROTOCOL_ERROR),
        ([0, 4, 0x80, 0, 0, 0], Reason::FLOW_CONTROL_ERROR),
        ([0, 5, 0, 0, 0x3f, 0xff], Reason::PROTOCOL_ERROR),
        ([0, 5, 1, 0, 0, 0], Reason::PROTOCOL_ERROR),
    ] {
        expect(Ended(reason), &[(kind::SETTINGS, 0, 0, &setting)]);
    }
    expect(Nothing, &[(kind::SETTINGS, 0, 0, &[0x77, 7, 1, 2, 3, 4])]);
}

#[test]
fn who_does_not_greet_is_not_heard() {
    let mut server = Connection::new(config(Role::Server));
    server.receive(b"PRI * HTTP/2.0\r\n\r\nXX", None);
    assert_eq!(server.ended, Some(Error::GoAway(Reason::PROTOCOL_ERROR, By::Us)));
    for role in [Role::Client, Role::Server] {
        let mut connection = Connection::new(config(role));
        if role == Role::Server {
            connection.receive(PREFACE, None);
        }
        let mut ping = Vec::new();
        frame::ping(&mut ping, 0, [0; 8]);
        connection.receive(&ping, None);
        assert_eq!(connection.ended, Some(Error::GoAway(Reason::PROTOCOL_ERROR, By::Us)));
    }
}
