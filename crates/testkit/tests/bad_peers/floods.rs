//! Peers that send without end what is cheap to send and may be dear to receive.

use h2::Reason;
use testkit::bad::frame::{self, flag, kind, message, setting};
use testkit::bad::{End, Frame, Peer, hpack};
use tonic::Code;

use super::{EMPTY_CALL, FULL_DUPLEX, MIB, SLACK, STREAMING_INPUT, call, under_attack, victim};

/// How many frames make a flood, and how many of them are written at once.
const FLOOD: u32 = 100_000;
const CHUNK: u32 = 1_000;

/// What a flood may leave in buffers: the connection's window of 2 MiB, and the frames' overhead.
const BUFFERED: u64 = SLACK + 4 * MIB;

/// The n-th frames of a flood, for all n.
fn flood(frames: impl Fn(u32) -> Vec<Frame>) -> impl Iterator<Item = Vec<u8>> {
    (0..FLOOD / CHUNK).map(move |chunk| {
        let all: Vec<_> = (chunk * CHUNK..(chunk + 1) * CHUNK).flat_map(&frames).collect();
        frame::bytes(&all)
    })
}

/// A last frame after a flood: that it is answered shows that all of it was taken.
fn then_ping() -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(Frame::ping(*b"the last").bytes())
}

fn is_last_pong(frame: &Frame) -> bool {
    frame.is(kind::PING, flag::ACK) && frame.payload == b"the last"
}

/// Floods a connection on which stream 1 is open, and says how it ended, if it did.
async fn attack(frames: impl Fn(u32) -> Vec<Frame>) -> Result<(), End> {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.open(1, &call(STREAMING_INPUT)).await.unwrap();
        peer.flood(flood(frames).chain(then_ping()), is_last_pong).await.map(drop)
    };
    under_attack(&victim, BUFFERED, attack).await
}

/// Floods a connection and never reads: the server must stop to read, and then give up.
async fn attack_without_reading(frames: impl Fn(u32) -> Vec<Frame>) {
    let victim = victim(&[("AHOY_KEEPALIVE_INTERVAL", "500ms"), ("AHOY_KEEPALIVE_TIMEOUT", "2s")]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        // Without end: only the server can end this.
        for chunk in flood(frames).collect::<Vec<_>>().iter().cycle() {
            if peer.write(chunk).await.is_err() {
                return;
            }
        }
    };
    under_attack(&victim, BUFFERED, attack).await;
}

const CALM: Result<(), End> = Err(End::GoAway(Reason::ENHANCE_YOUR_CALM));

#[tokio::test]
async fn rapid_reset() {
    let block = hpack::encode(call(EMPTY_CALL));
    let ended = attack(|n| {
        let stream = 3 + 2 * n;
        vec![Frame::headers(stream, block.clone()), Frame::reset(stream, Reason::CANCEL)]
    });
    assert_eq!(ended.await, CALM);
}

/// Each call is taken before it is cancelled, which is a client's right: it costs what a call
/// costs, and leaves nothing.
#[tokio::test]
async fn patient_reset() {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        for stream in (1..10_000).step_by(2) {
            peer.open(stream, &call(FULL_DUPLEX)).await.unwrap();
            peer.is_served().await.unwrap();
            peer.send(&Frame::reset(stream, Reason::CANCEL)).await.unwrap();
        }
        peer.is_served().await
    };
    under_attack(&victim, SLACK, attack).await.unwrap();
}

/// The client makes the server reset: streams that the server's own error ends cost it as much as
/// those that the client resets.
#[tokio::test]
async fn resets_that_the_server_is_made_to_send() {
    let block = hpack::encode(call(STREAMING_INPUT));
    let ended = attack(|n| {
        let stream = 3 + 2 * n;
        vec![Frame::headers(stream, block.clone()), Frame::window_update(stream, (1 << 31) - 1)]
    });
    assert_eq!(ended.await, CALM);
}

#[tokio::test]
async fn streams_above_the_limit() {
    let block = hpack::encode(call(STREAMING_INPUT));
    let ended = attack(|n| vec![Frame::headers(3 + 2 * n, block.clone())]);
    assert_eq!(ended.await, CALM);
}

#[tokio::test]
async fn settings() {
    let settings = Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 100_000)]);
    assert_eq!(attack(|_| vec![settings.clone()]).await, Ok(()));
    attack_without_reading(|_| vec![settings.clone()]).await;
}

#[tokio::test]
async fn pings() {
    let ping = |n: u32| vec![Frame::ping(u64::from(n).to_be_bytes())];
    assert_eq!(attack(ping).await, Ok(()));
    attack_without_reading(ping).await;
}

#[tokio::test]
async fn empty_data() {
    let empty = Frame::data(1, []);
    assert_eq!(attack(|_| vec![empty.clone()]).await, CALM);
}

/// Each byte in a frame of its own, to a handler that reads.
#[tokio::test]
async fn tiny_data() {
    let byte = Frame::data(1, [0]);
    assert_eq!(attack(|_| vec![byte.clone()]).await, Ok(()));
}

/// Padding counts against the window, but brings nothing.
#[tokio::test]
async fn padding() {
    let padded = Frame::new(kind::DATA, 8, 1, [[10].as_slice(), &[0; 10]].concat());
    assert_eq!(attack(|_| vec![padded.clone()]).await, CALM);
}

#[tokio::test]
async fn window_updates() {
    let updates = [Frame::window_update(0, 1), Frame::window_update(1, 1)];
    assert_eq!(attack(|_| updates.to_vec()).await, Ok(()));
}

#[tokio::test]
async fn window_updates_beyond_the_most() {
    let update = Frame::window_update(0, (1 << 31) - 1);
    let ended = attack(|_| vec![update.clone()]).await;
    assert_eq!(ended, Err(End::GoAway(Reason::FLOW_CONTROL_ERROR)));
}

#[tokio::test]
async fn priorities() {
    let priority = |n: u32| vec![Frame::new(kind::PRIORITY, 0, 3 + 2 * n, [0, 0, 0, 0, 16])];
    assert_eq!(attack(priority).await, Ok(()));
}

#[tokio::test]
async fn frames_of_unknown_types() {
    let unknown = |n: u32| vec![Frame::new(0x20 + n as u8 % 100, 0xff, n, [0; 64])];
    assert_eq!(attack(unknown).await, Ok(()));
}

/// A flood of good calls that is never read: answers pile up no higher than streams may be open.
#[tokio::test]
async fn calls_whose_answers_are_not_read() {
    let block = hpack::encode(call(EMPTY_CALL));
    let mut n = 0;
    let victim = victim(&[("AHOY_KEEPALIVE_INTERVAL", "500ms"), ("AHOY_KEEPALIVE_TIMEOUT", "2s")]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        loop {
            let stream = 1 + 2 * n;
            n += 1;
            let body = Frame::data(stream, [0; 5]).end();
            let call = frame::bytes(&[Frame::headers(stream, block.clone()), body]);
            if peer.write(&call).await.is_err() {
                return;
            }
        }
    };
    under_attack(&victim, BUFFERED, attack).await;
    let mut after = Peer::greet(victim.addr(), &[]).await.unwrap();
    let answer = after.ask(1, &call(EMPTY_CALL), &[0; 5]).await.unwrap();
    assert_eq!(answer.grpc(), Some(Code::Ok));
}

/// No attack: a client that streams many messages at once, each in a frame of its own, as
/// grpc-go does, to a handler that reads them. All of them fit into the window.
#[tokio::test]
async fn a_burst_of_small_messages_is_taken() {
    let victim = victim(&[]);
    let burst = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.open(1, &call(STREAMING_INPUT)).await.unwrap();
        let message = Frame::data(1, message(0, &[]));
        let chunks = std::iter::once(message.bytes().repeat(50_000));
        peer.flood(chunks.chain(then_ping()), is_last_pong).await.map(drop)
    };
    assert_eq!(under_attack(&victim, BUFFERED, burst).await, Ok(()));
}
