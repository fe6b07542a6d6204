//! Peers that take their time: nothing sent, half of something, a byte now and then.

use std::time::Duration;

use futures_util::future::join_all;
use h2::Reason;
use testkit::bad::frame::{self, PREFACE, kind, message};
use testkit::bad::{End, Frame, Peer, Victim, hpack};
use testkit::tls::TestCa;
use tonic::Code;

use super::{KIB, SLACK, STREAMING_INPUT, call, under_attack, victim};

/// What one connection may cost that has not made a call: its task, TLS, buffers, HPACK's table.
const PER_CONNECTION: u64 = 64 * KIB;

/// Between two bytes of a slow peer: far less than any time limit of the server.
const PAUSE: Duration = Duration::from_millis(50);

fn impatient() -> Victim {
    victim(&[
        ("AHOY_HANDSHAKE_TIMEOUT", "1s"),
        ("AHOY_KEEPALIVE_INTERVAL", "500ms"),
        ("AHOY_KEEPALIVE_TIMEOUT", "2s"),
    ])
}

/// Opens so many connections that say this and no more, and waits until each has been ended.
async fn half_open(victim: &Victim, connections: u64, said: &[u8]) -> Vec<End> {
    let attack = async {
        let mut peers = Vec::new();
        for _ in 0..connections {
            let mut peer = Peer::connect(victim.addr()).await.unwrap();
            peer.write(said).await.unwrap();
            peers.push(peer);
        }
        join_all(peers.iter_mut().map(Peer::end)).await
    };
    under_attack(victim, SLACK + connections * PER_CONNECTION, attack).await
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let ends = half_open(&impatient(), 2000, b"").await;
    assert!(ends.iter().all(|end| *end == End::Closed), "{ends:?}");
}

#[tokio::test]
async fn half_a_preface_is_closed() {
    let ends = half_open(&impatient(), 1000, &PREFACE[..10]).await;
    assert!(ends.iter().all(|end| *end == End::Closed), "{ends:?}");
}

#[tokio::test]
async fn half_a_request_of_http_1_is_closed() {
    for said in [&b"POST /"[..], b"POST / HTTP/1.1\r\nhost: victim\r\n"] {
        let ends = half_open(&impatient(), 500, said).await;
        assert!(ends.iter().all(|end| *end != End::Hangs), "{ends:?}");
    }
}

#[tokio::test]
async fn a_preface_and_silence_is_ended_by_keepalive() {
    let ends = half_open(&impatient(), 1000, PREFACE).await;
    assert!(ends.iter().all(|end| *end == End::GoAway(Reason::NO_ERROR)), "{ends:?}");
}

#[tokio::test]
async fn settings_and_silence_is_ended_by_keepalive() {
    let said = [PREFACE, &Frame::settings(&[]).bytes()].concat();
    let ends = half_open(&impatient(), 1000, &said).await;
    assert!(ends.iter().all(|end| *end == End::GoAway(Reason::NO_ERROR)), "{ends:?}");
}

#[tokio::test]
async fn half_a_tls_handshake_is_closed() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("victim", &["localhost"]).unwrap();
    let victim = victim(&[
        ("AHOY_TLS_CERT", files.cert.to_str().unwrap()),
        ("AHOY_TLS_KEY", files.key.to_str().unwrap()),
        ("AHOY_HANDSHAKE_TIMEOUT", "1s"),
    ]);
    let hello = client_hello();
    let before = victim.memory().unwrap();
    let mut peers = Vec::new();
    for said in [&b""[..], &hello[..hello.len() / 2], &hello] {
        for _ in 0..300 {
            let mut peer = Peer::connect(victim.addr()).await.unwrap();
            peer.write(said).await.unwrap();
            peers.push(peer);
        }
    }
    // Whether the server's own half came is of no interest, but that it ends is.
    join_all(peers.iter_mut().map(Peer::rest)).await;
    let grown = victim.peak_memory().unwrap() - before;
    assert!(grown <= SLACK + 900 * PER_CONNECTION, "grown by {grown} bytes");
}

fn client_hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Writes byte after byte until the server has had enough.
async fn drip(peer: &mut Peer, bytes: &[u8]) -> End {
    let mut written = 0;
    loop {
        tokio::select! {
            end = peer.end() => return end,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // The end itself is what reading finds.
        let _ = peer.write(&bytes[written..written + 1]).await;
        written += 1;
    }
}

#[tokio::test]
async fn a_preface_byte_by_byte_is_closed() {
    let victim = impatient();
    let attack = async {
        let mut peer = Peer::connect(victim.addr()).await.unwrap();
        drip(&mut peer, PREFACE).await
    };
    assert_eq!(under_attack(&victim, SLACK, attack).await, End::Closed);
}

#[tokio::test]
async fn frames_byte_by_byte_are_ended_by_keepalive() {
    let victim = impatient();
    let block = hpack::encode(call(STREAMING_INPUT));
    let headers = Frame::headers(1, [block.clone(), hpack::encode([("x", [b'x'; 1000])])].concat());
    let open = Frame::headers(1, block);
    let (headers, data) = (headers.bytes(), Frame::data(1, message(0, &[0; 10_000])).bytes());
    let attack = async {
        let mut slow_headers = Peer::greet(victim.addr(), &[]).await.unwrap();
        let mut slow_data = Peer::greet(victim.addr(), &[]).await.unwrap();
        slow_data.send(&open).await.unwrap();
        tokio::join!(drip(&mut slow_headers, &headers), drip(&mut slow_data, &data))
    };
    let (headers, data) = under_attack(&victim, SLACK, attack).await;
    assert_eq!(headers, End::GoAway(Reason::NO_ERROR));
    assert_eq!(data, End::GoAway(Reason::NO_ERROR));
}

#[tokio::test]
async fn a_message_byte_by_byte_ends_at_the_deadline() {
    let victim = victim(&[("AHOY_DEFAULT_DEADLINE", "2s")]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.open(1, &call(STREAMING_INPUT)).await.unwrap();
        peer.send(&Frame::data(1, message(0, &[0; 10_000])[..5].to_vec())).await.unwrap();
        loop {
            tokio::select! {
                answer = peer.answer(1) => return answer,
                () = tokio::time::sleep(PAUSE) => {}
            }
            peer.send(&Frame::data(1, [0])).await.unwrap();
        }
    };
    let answer = under_attack(&victim, SLACK, attack).await;
    assert_eq!(answer.grpc(), Some(Code::DeadlineExceeded), "{answer:?}");
}

#[tokio::test]
async fn a_block_of_headers_that_is_never_ended_is_ended_by_keepalive() {
    let victim = impatient();
    let block = hpack::encode(call(STREAMING_INPUT));
    let frames = [
        Frame::new(kind::HEADERS, 0, 1, block),
        Frame::new(kind::CONTINUATION, 0, 1, hpack::encode([("x", "y")])),
    ];
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.write(&frame::bytes(&frames)).await.unwrap();
        peer.end().await
    };
    assert_eq!(under_attack(&victim, SLACK, attack).await, End::GoAway(Reason::NO_ERROR));
}
