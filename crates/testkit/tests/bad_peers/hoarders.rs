//! Peers that take what they may have, and give nothing back.

use futures_util::future::join_all;
use h2::Reason;
use prost::Message as _;
use testkit::bad::frame::{self, kind, message, setting};
use testkit::bad::{End, Frame, Peer, Victim, hpack};
use testkit::interop::proto::{ResponseParameters, StreamingOutputCallRequest};
use tonic::Code;

use super::{
    EMPTY_CALL, FULL_DUPLEX, KIB, MIB, SLACK, STREAMING_INPUT, STREAMING_OUTPUT, call,
    under_attack, victim,
};

const CONNECTIONS: u64 = 20;
/// The server's limit of calls at a time on a connection.
const STREAMS: u64 = 200;

/// What a call may cost that goes on, in a build that is not optimised: its task and its layers.
const PER_CALL: u64 = 32 * KIB;

/// What a stream may hold that is not read: the limit of the send buffer, the message that
/// exceeds it, one that hyper waits with, and the encoder's buffer, which grows by doubling.
const PER_UNREAD: u64 = PER_CALL + (64 + 32 + 32 + 64) * KIB;

/// The largest window that HTTP/2 knows.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Stream after stream, as a client numbers them.
fn streams() -> impl Iterator<Item = u32> {
    (0..STREAMS as u32).map(|n| 1 + 2 * n)
}

/// A call that answers with 32 KiB eight times.
fn asking_for_much(stream: u32) -> Vec<u8> {
    let much = ResponseParameters { size: 32 * 1024, ..ResponseParameters::default() };
    let request = StreamingOutputCallRequest {
        response_parameters: vec![much; 8],
        ..StreamingOutputCallRequest::default()
    };
    let headers = Frame::headers(stream, hpack::encode(call(STREAMING_OUTPUT)));
    let body = Frame::data(stream, message(0, &request.encode_to_vec())).end();
    frame::bytes(&[headers, body])
}

/// Opens all calls that may be open, each of which answers with more than the server may hold.
async fn ask_for_much(victim: &Victim, window: u32) -> Vec<Peer> {
    let attackers = (0..CONNECTIONS).map(|_| async {
        let settings = [(setting::INITIAL_WINDOW_SIZE, window)];
        let mut peer = Peer::greet(victim.addr(), &settings).await.unwrap();
        peer.send(&Frame::window_update(0, MAX_WINDOW - 65_535)).await.unwrap();
        for stream in streams() {
            peer.write(&asking_for_much(stream)).await.unwrap();
        }
        peer
    });
    join_all(attackers).await
}

#[tokio::test]
async fn a_client_that_never_reads() {
    let victim = victim(&[("AHOY_KEEPALIVE_INTERVAL", "500ms"), ("AHOY_KEEPALIVE_TIMEOUT", "2s")]);
    let attack = async {
        let mut peers = ask_for_much(&victim, MAX_WINDOW).await;
        join_all(peers.iter_mut().map(Peer::cut)).await
    };
    let cut = under_attack(&victim, SLACK + CONNECTIONS * STREAMS * PER_UNREAD, attack).await;
    assert!(cut.iter().all(|cut| *cut), "{cut:?}");
}

/// With no window, what waits is a message of each call.
#[tokio::test]
async fn a_client_that_opens_no_window() {
    let victim = victim(&[("AHOY_KEEPALIVE_INTERVAL", "500ms"), ("AHOY_KEEPALIVE_TIMEOUT", "2s")]);
    let attack = async {
        let mut peers = ask_for_much(&victim, 0).await;
        join_all(peers.iter_mut().map(Peer::end)).await
    };
    let ends = under_attack(&victim, SLACK + CONNECTIONS * STREAMS * PER_UNREAD, attack).await;
    assert!(ends.iter().all(|end| *end == End::GoAway(Reason::NO_ERROR)), "{ends:?}");
}

/// Who answers pings but takes no data is not silent: the deadline ends its calls.
#[tokio::test]
async fn a_client_that_opens_no_window_but_stays() {
    let victim = victim(&[("AHOY_DEFAULT_DEADLINE", "2s"), ("AHOY_KEEPALIVE_INTERVAL", "off")]);
    let attack = async {
        let mut peers = ask_for_much(&victim, 0).await;
        join_all(peers.iter_mut().map(async |peer| {
            for _ in streams() {
                let reset = peer.find(|frame| frame.kind == kind::RST_STREAM).await.unwrap();
                assert_eq!(reset.payload, (u32::from(Reason::CANCEL)).to_be_bytes());
            }
            assert!(peer.is_served().await.is_ok());
        }))
        .await
    };
    under_attack(&victim, SLACK + CONNECTIONS * STREAMS * PER_UNREAD, attack).await;
}

/// Calls that are opened and left alone end at their deadline, and one too many is refused.
#[tokio::test]
async fn calls_that_never_send_a_body() {
    let victim = victim(&[("AHOY_DEFAULT_DEADLINE", "3s")]);
    let attack = async {
        let attackers = (0..CONNECTIONS).map(|_| async {
            let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
            let calls = streams()
                .map(|stream| Frame::headers(stream, hpack::encode(call(STREAMING_INPUT))));
            peer.write(&frame::bytes(&calls.collect::<Vec<_>>())).await.unwrap();
            let one_more = 1 + 2 * STREAMS as u32;
            let refused = peer.ask(one_more, &call(EMPTY_CALL), &[0; 5]).await.unwrap();
            assert_eq!(refused.reset, Some(Reason::REFUSED_STREAM), "{refused:?}");
            let mut codes = Vec::new();
            for _ in streams() {
                let answer = peer.find(|frame| frame.kind == kind::HEADERS).await.unwrap();
                let headers = hpack::decode(&answer.payload).unwrap();
                codes.extend(headers.into_iter().find(|(name, _)| name == "grpc-status"));
            }
            let deadline = (Code::DeadlineExceeded as i32).to_string();
            assert!(codes.iter().all(|(_, code)| *code == deadline), "{codes:?}");
            assert_eq!(codes.len(), STREAMS as usize);
            // There is room again.
            let taken = peer.ask(one_more + 2, &call(EMPTY_CALL), &[0; 5]).await.unwrap();
            assert_eq!(taken.grpc(), Some(Code::Ok), "{taken:?}");
        });
        join_all(attackers).await
    };
    under_attack(&victim, SLACK + CONNECTIONS * STREAMS * PER_CALL, attack).await;
}

/// Requests that no handler reads fill the connection's window and no more: a handler whose
/// answers are not taken does not read on.
#[tokio::test]
async fn requests_that_nobody_reads() {
    const WINDOW: u64 = 2 * MIB;
    let victim = victim(&[]);
    let attack = async {
        let attackers = (0..CONNECTIONS).map(|_| async {
            let settings = [(setting::INITIAL_WINDOW_SIZE, 0)];
            let mut peer = Peer::greet(victim.addr(), &settings).await.unwrap();
            let ask = StreamingOutputCallRequest {
                response_parameters: vec![ResponseParameters { size: 1000, ..Default::default() }],
                ..Default::default()
            };
            let ask = message(0, &ask.encode_to_vec()).repeat(2000);
            let ask = &ask[..16_384];
            for stream in [1, 3] {
                peer.open(stream, &call(FULL_DUPLEX)).await.unwrap();
                for _ in 0..WINDOW / 2 / 16_384 {
                    peer.send(&Frame::data(stream, ask)).await.unwrap();
                }
            }
            peer.is_served().await.unwrap();
            peer
        });
        let mut peers = join_all(attackers).await;
        // More than the window is a fault.
        for peer in &mut peers {
            let more = std::iter::repeat_n(Frame::data(1, [0; 16_384]).bytes(), 200);
            let fault = peer.flood(more, |frame| frame.kind == kind::RST_STREAM).await;
            // Of the stream or of the connection, whose windows are nearly full alike.
            let reason = match fault {
                Ok(reset) => reset.reason(),
                Err(End::GoAway(reason)) => Some(reason),
                Err(_) => None,
            };
            assert_eq!(reason, Some(Reason::FLOW_CONTROL_ERROR));
        }
    };
    let held = CONNECTIONS * (WINDOW + 2 * PER_UNREAD + MIB);
    under_attack(&victim, SLACK + held, attack).await;
}

#[tokio::test]
async fn connections_above_the_limit() {
    const LIMIT: usize = 100;
    let limit = LIMIT.to_string();
    let victim = victim(&[("AHOY_MAX_CONNECTIONS", &limit)]);
    let attack = async {
        let mut taken = Vec::new();
        // The good client has one of them.
        for _ in 1..LIMIT {
            taken.push(Peer::greet(victim.addr(), &[]).await.unwrap());
        }
        for _ in 0..1000 {
            let mut refused = Peer::connect(victim.addr()).await.unwrap();
            assert_eq!(refused.end().await, End::Closed);
        }
        for peer in &mut taken {
            peer.is_served().await.unwrap();
        }
        // One that goes makes room for another.
        drop(taken.pop());
        while Peer::greet(victim.addr(), &[]).await.is_err() {}
    };
    under_attack(&victim, SLACK + LIMIT as u64 * 64 * KIB, attack).await;
}
