#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::sync::{Arc, Mutex};
use std::task::Wake;

use fastrand::Rng;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};

use super::*;
use crate::http2::frame::kind;

pub(super) fn config(role: Role) -> Config {
    Config {
        role,
        max_streams: 100,
        max_headers: 16 * 1024,
        stream_window: 1 << 20,
        connection_window: 2 << 20,
        send_buffer: 64 * 1024,
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What a connection has to say.
pub(super) fn said(connection: &mut Connection) -> Vec<u8> {
    let mut out = Output::default();
    connection.take_output(&mut out);
    out.to_vec()
}

/// What is left of what was given to a connection, and has not been taken.
#[derive(Default)]
struct Pipe(Vec<u8>);

impl Pipe {
    fn give(&mut self, bytes: &[u8], to: &mut Connection) {
        self.0.extend_from_slice(bytes);
        let taken = to.receive(&self.0, None);
        self.0.drain(..taken);
    }
}

/// Two connections that speak with each other.
struct Pair {
    client: Connection,
    server: Connection,
    up: Pipe,
    down: Pipe,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            client: Connection::new(config(Role::Client)),
            server: Connection::new(config(Role::Server)),
            up: Pipe::default(),
            down: Pipe::default(),
        };
        pair.talk();
        pair
    }

    /// Until neither has more to say.
    fn talk(&mut self) {
        loop {
            let (up, down) = (said(&mut self.client), said(&mut self.server));
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.up.give(&up, &mut self.server);
            self.down.give(&down, &mut self.client);
        }
    }

    fn open(&mut self, ends: bool) -> Key {
        let uri: Uri = "http://host/a.B/C".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        match self.client.open_stream(&http::Method::POST, &uri, &headers, ends) {
            Opening::Open(key) => key,
            other => panic!("{other:?}"),
        }
    }

    fn accept(&mut self) -> Accepted {
        self.talk();
        let mut accepted = self.server.accept().unwrap();
        accepted.room = usize::MAX;
        accepted
    }
}

fn send(connection: &mut Connection, key: Key, data: Vec<u8>, end: End) -> (Outgoing, bool) {
    let mut next = Outgoing { data: data.into(), end, ..Outgoing::default() };
    let sent = connection.poll_send(key, &mut next, false, &cx());
    (next, sent == Poll::Ready(Ok(true)))
}

fn respond(connection: &mut Connection, key: Key, data: &[u8], end: End) -> Outgoing {
    let head = Some((StatusCode::OK, HeaderMap::new()));
    let mut next = Outgoing { head, data: data.to_vec().into(), end, room: 0 };
    let _ = connection.poll_send(key, &mut next, false, &cx());
    next
}

fn body(connection: &mut Connection, key: Key) -> Poll<Option<Result<Vec<u8>, Error>>> {
    connection
        .poll_body(key, &cx())
        .map(|frame| frame.map(|frame| frame.map(|f| f.into_data().unwrap_or_default().to_vec())))
}

fn response(connection: &mut Connection, key: Key) -> Option<Response<()>> {
    connection.streams.get(key).unwrap().response.take()
}

#[test]
fn a_call_goes_there_and_back() {
    let mut pair = Pair::new();
    let key = pair.open(false);
    assert!(send(&mut pair.client, key, b"hello".to_vec(), End::Here).1);
    let accepted = pair.accept();
    assert_eq!(accepted.request.uri(), "http://host/a.B/C");
    assert_eq!(accepted.request.headers()["content-type"], "application/grpc");
    assert_eq!(accepted.whole.unwrap().data.unwrap(), "hello");

    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    respond(&mut pair.server, accepted.key, b"hi", End::Trailers(trailers));
    pair.talk();
    assert_eq!(response(&mut pair.client, key).unwrap().status(), 200);
    assert_eq!(body(&mut pair.client, key), Poll::Ready(Some(Ok(b"hi".to_vec()))));
    let Poll::Ready(Some(Ok(frame))) = pair.client.poll_body(key, &cx()) else { panic!() };
    assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body(&mut pair.client, key), Poll::Ready(None));
    pair.client.drop_body(key);
    for connection in [&mut pair.client, &mut pair.server] {
        assert_eq!((connection.open, connection.streams.len()), (0, 0));
    }
}

#[test]
fn data_goes_as_far_as_windows_are_open() {
    let mut pair = Pair::new();
    let key = pair.open(false);
    let all: Vec<u8> = (0..5_000_000).map(|n| (n / 7) as u8).collect();
    let mut next = Outgoing { data: all.clone().into(), end: End::Here, ..Outgoing::default() };
    while pair.client.poll_send(key, &mut next, false, &cx()).is_pending() {
        let before = next.data.len();
        pair.talk();
        let _ = pair.client.poll_send(key, &mut next, false, &cx());
        if next.data.len() == before {
            break;
        }
    }
    // The stream's window.
    assert_eq!(next.data.len(), all.len() - (1 << 20));
    let accepted = pair.accept();
    let mut read = Vec::new();
    loop {
        match body(&mut pair.server, accepted.key) {
            Poll::Ready(Some(Ok(data))) => read.extend_from_slice(&data),
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(error))) => panic!("{error}"),
            Poll::Pending => {
                pair.talk();
                let _ = pair.client.poll_send(key, &mut next, false, &cx());
                pair.talk();
            }
        }
    }
    assert!(read == all);
}

#[test]
fn nothing_is_queued_for_who_does_not_take_it() {
    let mut pair = Pair::new();
    let key = pair.open(true);
    let accepted = pair.accept();
    let mut left = respond(&mut pair.server, accepted.key, &vec![0; 1 << 20], End::Here);
    assert!(pair.server.out.len() <= 64 * 1024 + 100);
    assert!(left.data.len() >= (1 << 20) - 64 * 1024);
    assert!(pair.server.waiting.len() == 1);
    // Asked again, it does not wait twice.
    assert!(pair.server.poll_send(accepted.key, &mut left, false, &cx()).is_pending());
    assert!(pair.server.waiting.len() == 1);
    while !left.data.is_empty() {
        pair.talk();
        while let Poll::Ready(Some(Ok(_))) = body(&mut pair.client, key) {}
        let _ = pair.server.poll_send(accepted.key, &mut left, false, &cx());
    }
}

/// Notes who was woken, in this order.
struct Note(usize, Arc<Mutex<VecDeque<usize>>>);

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push_back(self.0);
    }
}

/// Streams that share a connection which takes little get the same share of it.
#[test]
fn those_who_wait_take_turns() {
    let mut pair = Pair::new();
    let woken = Arc::new(Mutex::new((0..5).collect::<VecDeque<usize>>()));
    let mut calls = Vec::new();
    for call in 0..5 {
        pair.open(true);
        let key = pair.accept().key;
        let next = Outgoing { data: vec![0; 1 << 18].into(), ..Outgoing::default() };
        calls.push((key, next, Waker::from(Arc::new(Note(call, woken.clone())))));
    }
    for _ in 0..10 {
        loop {
            let Some(call) = woken.lock().unwrap().pop_front() else { break };
            let (key, next, waker) = &mut calls[call];
            let _ = pair.server.poll_send(*key, next, false, &Context::from_waker(waker));
            pair.server.wakes.drain(..).for_each(Waker::wake);
        }
        said(&mut pair.server);
        pair.server.wakes.drain(..).for_each(Waker::wake);
    }
    let left: Vec<usize> = calls.iter().map(|(_, next, _)| next.data.len()).collect();
    let (least, most) = (left.iter().min().unwrap(), left.iter().max().unwrap());
    // The first had the whole buffer before there was anyone else.
    assert!(*least > 0 && most - least <= 80 * 1024, "{left:?}");
}

#[test]
fn who_reads_nothing_holds_its_window_and_no_more() {
    let mut pair = Pair::new();
    let key = pair.open(false);
    let mut next = Outgoing { data: vec![1; 8 << 20].into(), ..Outgoing::default() };
    for _ in 0..100 {
        let _ = pair.client.poll_send(key, &mut next, false, &cx());
        pair.talk();
    }
    let accepted = pair.accept();
    let held = pair.server.streams.get(accepted.key).unwrap().received.bytes();
    assert_eq!(held, 1 << 20);
    // More than that is a fault of the stream.
    let mut more = Vec::new();
    frame::header(&mut more, 1, kind::DATA, 0, key.id());
    more.push(0);
    pair.up.give(&more, &mut pair.server);
    let error = Error::Reset(Reason::FLOW_CONTROL_ERROR, By::Us);
    assert_eq!(pair.server.streams.get(accepted.key).unwrap().error, Some(error));
    // Dropped, it is all given back to the connection.
    pair.server.drop_call(accepted.key);
    pair.server.drop_body(accepted.key);
    pair.talk();
    assert!(pair.client.send_window.room() >= 1 << 20);
    let error = Error::Reset(Reason::FLOW_CONTROL_ERROR, By::Peer);
    assert_eq!(pair.client.poll_send(key, &mut next, true, &cx()), Poll::Ready(Err(error)));
}

#[test]
fn a_reset_stream_is_an_error_to_who_reads_it_and_never_its_end() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR] {
        let mut pair = Pair::new();
        let key = pair.open(false);
        send(&mut pair.client, key, b"half".to_vec(), End::Open);
        let accepted = pair.accept();
        pair.client.reset(key, reason);
        pair.talk();
        assert_eq!(body(&mut pair.server, accepted.key), Poll::Ready(Some(Ok(b"half".to_vec()))));
        let error = Error::Reset(reason, By::Peer);
        assert_eq!(body(&mut pair.server, accepted.key), Poll::Ready(Some(Err(error))));
        pair.server.drop_body(accepted.key);
        pair.server.drop_call(accepted.key);
        assert_eq!((pair.server.open, pair.server.streams.len()), (0, 0));
    }
}

#[test]
fn an_answer_before_the_request_has_ended_ends_the_stream() {
    let mut pair = Pair::new();
    let key = pair.open(false);
    let accepted = pair.accept();
    respond(&mut pair.server, accepted.key, b"no", End::Here);
    pair.talk();
    assert_eq!(body(&mut pair.client, key), Poll::Ready(Some(Ok(b"no".to_vec()))));
    assert_eq!(body(&mut pair.client, key), Poll::Ready(None));
    let error = Error::Reset(Reason::NO_ERROR, By::Peer);
    let mut next = Outgoing::default();
    assert_eq!(pair.client.poll_send(key, &mut next, true, &cx()), Poll::Ready(Err(error)));
    // What was on its way is ignored.
    let mut late = Vec::new();
    frame::header(&mut late, 3, kind::DATA, 0, key.id());
    late.extend_from_slice(b"xyz");
    pair.up.give(&late, &mut pair.server);
    assert!(said(&mut pair.server).is_empty() && pair.server.ended.is_none());
}

#[test]
fn a_drain_serves_what_was_on_its_way() {
    let mut pair = Pair::new();
    pair.server.announce_leaving();
    let early = pair.open(true);
    let up = said(&mut pair.client);
    let down = said(&mut pair.server);
    pair.down.give(&down, &mut pair.client);
    pair.up.give(&up, &mut pair.server);
    assert!(matches!(
        pair.client.open_stream(
            &http::Method::POST,
            &Uri::from_static("/"),
            &HeaderMap::new(),
            true
        ),
        Opening::Over
    ));
    // The answer to its PING.
    pair.talk();
    assert_eq!(pair.server.leaving, Leaving::After(early.id()));
    assert!(!pair.server.is_done());
    let accepted = pair.accept();
    respond(&mut pair.server, accepted.key, b"", End::Here);
    pair.talk();
    assert!(pair.server.is_done() && pair.client.is_done());
    assert!(response(&mut pair.client, early).is_some());
}

#[test]
fn streams_above_the_last_one_are_unseen() {
    let mut pair = Pair::new();
    let first = pair.open(true);
    let accepted = pair.accept();
    pair.server.leave();
    let unseen = pair.open(true);
    pair.talk();
    let error = Error::GoAway(Reason::NO_ERROR, By::Peer);
    assert_eq!(pair.client.streams.get(unseen).unwrap().error, Some(error));
    assert!(pair.server.accept().is_none());
    respond(&mut pair.server, accepted.key, b"", End::Here);
    pair.talk();
    assert!(response(&mut pair.client, first).is_some());
}

#[test]
fn the_peer_s_limit_of_streams_is_kept() {
    let mut pair = Pair::new();
    let keys: Vec<Key> = (0..100).map(|_| pair.open(true)).collect();
    let uri = Uri::from_static("/");
    let open =
        |c: &mut Connection| c.open_stream(&http::Method::GET, &uri, &HeaderMap::new(), true);
    assert!(matches!(open(&mut pair.client), Opening::Full));
    pair.client.drop_body(keys[7]);
    assert!(matches!(open(&mut pair.client), Opening::Open(_)));
}

/// A frame of a few bytes changes the window of each stream.
#[test]
fn a_flood_of_changes_of_the_window_ends_the_connection() {
    let mut pair = Pair::new();
    pair.open(false);
    pair.talk();
    for size in 0..5000 {
        let mut settings = Vec::new();
        frame::settings(&mut settings, &[(settings::id::INITIAL_WINDOW_SIZE, size)]);
        pair.up.give(&settings, &mut pair.server);
        said(&mut pair.server);
    }
    assert_eq!(pair.server.ended, Some(Error::GoAway(Reason::ENHANCE_YOUR_CALM, By::Us)));
}

/// Frames of noise, or good ones with noise in between and bits changed.
fn mutate(rng: &mut Rng, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..rng.usize(..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            2 => drop(bytes.drain(at..bytes.len().min(at + rng.usize(1..20)))),
            _ => {
                let mut noise = Vec::new();
                let length = rng.usize(..20);
                frame::header(&mut noise, length, rng.u8(..11), rng.u8(..), rng.u32(..8));
                noise.extend(std::iter::repeat_with(|| rng.u8(..)).take(length));
                bytes.splice(at..at, noise);
            }
        }
    }
    bytes
}

/// What a connection may hold that is neither the window nor what waits to be written.
fn is_bounded(connection: &Connection) {
    assert!(connection.out.len() < 512 * 1024);
    assert!(connection.streams.len() <= 2 * 100 + 17);
    assert!(connection.reset.len() <= REMEMBERED);
    assert!(connection.block.as_ref().is_none_or(|block| block.bytes.len() <= 64 * 1024));
}

/// Two connections that speak with each other over a line that garbles what they say: whatever
/// comes, neither panics, and neither holds more than it may.
#[test]
fn noise_on_the_line() {
    for seed in 0..1000 {
        let mut rng = Rng::with_seed(seed);
        let mut pair = Pair::new();
        let mut ours: Vec<Key> = Vec::new();
        let mut theirs: Vec<Key> = Vec::new();
        for _ in 0..rng.usize(1..60) {
            match rng.u8(..10) {
                0..3 if pair.client.ended.is_none() => {
                    let uri = Uri::from_static("http://host/a.B/C");
                    let ends = rng.bool();
                    let mut headers = HeaderMap::new();
                    headers.insert("x", HeaderValue::from(rng.u16(..3)));
                    if let Opening::Open(key) =
                        pair.client.open_stream(&http::Method::POST, &uri, &headers, ends)
                    {
                        ours.push(key);
                    }
                }
                3..5 => {
                    if let Some(key) = rng.choice(&ours) {
                        let end = if rng.bool() { End::Here } else { End::Open };
                        let data = vec![0; rng.usize(..40_000)];
                        send(&mut pair.client, *key, data, end);
                    }
                }
                5..7 => {
                    if let Some(key) = rng.choice(&theirs) {
                        let end = match rng.u8(..3) {
                            0 => End::Open,
                            1 => End::Here,
                            _ => End::Trailers(HeaderMap::new()),
                        };
                        respond(&mut pair.server, *key, &vec![0; rng.usize(..40_000)], end);
                    }
                }
                7 => {
                    for key in &ours {
                        let _ = body(&mut pair.client, *key);
                    }
                    for key in &theirs {
                        let _ = body(&mut pair.server, *key);
                    }
                }
                8 if !ours.is_empty() => {
                    let key = ours.swap_remove(rng.usize(..ours.len()));
                    pair.client.drop_call(key);
                    pair.client.drop_body(key);
                }
                9 if !theirs.is_empty() => {
                    let key = theirs.swap_remove(rng.usize(..theirs.len()));
                    pair.server.drop_call(key);
                    pair.server.drop_body(key);
                }
                _ => {}
            }
            let (mut up, mut down) = (said(&mut pair.client), said(&mut pair.server));
            if rng.u8(..8) == 0 {
                up = mutate(&mut rng, &up);
            }
            if rng.u8(..8) == 0 {
                down = mutate(&mut rng, &down);
            }
            pair.up.give(&up, &mut pair.server);
            pair.down.give(&down, &mut pair.client);
            theirs.extend(std::iter::from_fn(|| pair.server.accept()).map(|call| call.key));
            is_bounded(&pair.client);
            is_bounded(&pair.server);
        }
        for key in ours {
            pair.client.drop_call(key);
            pair.client.drop_body(key);
        }
        for key in theirs {
            pair.server.drop_call(key);
            pair.server.drop_body(key);
        }
        assert_eq!(pair.client.streams.len(), 0, "seed {seed}");
        // What was never accepted is held until the connection ends.
        pair.server.end(Error::Lost(String::new()));
        assert_eq!(pair.server.streams.len(), 0, "seed {seed}");
    }
}

/// Frame after frame of noise, to both roles.
#[test]
fn noise_alone() {
    for seed in 0..5000 {
        let mut rng = Rng::with_seed(seed);
        for role in [Role::Server, Role::Client] {
            let mut connection = Connection::new(config(role));
            let mut pipe = Pipe::default();
            if role == Role::Server {
                pipe.give(PREFACE, &mut connection);
            }
            let mut greeting = Vec::new();
            frame::settings(&mut greeting, &[]);
            pipe.give(&greeting, &mut connection);
            for _ in 0..rng.usize(..20) {
                let mut bytes = Vec::new();
                let length = rng.usize(..80);
                frame::header(&mut bytes, length, rng.u8(..11), rng.u8(..), rng.u32(..8));
                bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(length));
                pipe.give(&bytes, &mut connection);
                is_bounded(&connection);
            }
        }
    }
}
