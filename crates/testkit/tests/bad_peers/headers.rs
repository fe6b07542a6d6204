//! Headers that are too many, too long, wrong or strange.

use h2::Reason;
use testkit::bad::frame::{flag, kind};
use testkit::bad::{Answer, End, Frame, Peer, hpack};
use tonic::Code;

use super::{EMPTY_CALL, MIB, SLACK, call, under_attack, victim};

/// What headers may take while they are read: 16 KiB are the limit of a list, 64 KiB of what is
/// looked at before the connection is ended.
const READING: u64 = SLACK + MIB;

/// An empty message.
const EMPTY: &[u8] = &[0; 5];

#[tokio::test]
async fn continuations_without_end() {
    let victim = victim(&[]);
    for more in [vec![], hpack::encode([("x", "y")]), hpack::encode([("x", [b'y'; 4000])])] {
        let attack = async {
            let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
            let open = Frame::new(kind::HEADERS, 0, 1, hpack::encode(call(EMPTY_CALL)));
            let more = Frame::new(kind::CONTINUATION, 0, 1, more).bytes().repeat(1000);
            let chunks = std::iter::once(open.bytes()).chain(std::iter::repeat_n(more, 100));
            peer.flood(chunks, |_| false).await
        };
        let ended = under_attack(&victim, READING, attack).await;
        assert_eq!(ended, Err(End::GoAway(Reason::ENHANCE_YOUR_CALM)));
    }
}

/// One string that goes on over frame after frame cannot be decoded until it is whole.
#[tokio::test]
async fn a_string_without_end() {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let mut block = hpack::encode(call(EMPTY_CALL));
        block.extend([0, 1, b'x']);
        hpack::integer(&mut block, 0, 7, 1 << 27);
        let open = Frame::new(kind::HEADERS, 0, 1, block);
        let more = Frame::new(kind::CONTINUATION, 0, 1, [b'y'; 16_384]).bytes();
        let chunks = std::iter::once(open.bytes()).chain(std::iter::repeat_n(more, 10_000));
        peer.flood(chunks, |_| false).await
    };
    let ended = under_attack(&victim, READING, attack).await;
    assert_eq!(ended, Err(End::GoAway(Reason::ENHANCE_YOUR_CALM)));
}

#[tokio::test]
async fn a_list_above_the_limit_is_431() {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let mut headers = call(EMPTY_CALL);
        let long = "y".repeat(3000);
        headers.extend([("x", long.as_str()); 5]);
        let fits = peer.ask(1, &headers, EMPTY).await.unwrap();
        headers.push(("x", &long));
        let block = hpack::encode(headers);
        let (first, second) = block.split_at(16_384);
        peer.send(&Frame::new(kind::HEADERS, flag::END_STREAM, 3, first)).await.unwrap();
        peer.send(&Frame::new(kind::CONTINUATION, flag::END_HEADERS, 3, second)).await.unwrap();
        let above = peer.answer(3).await;
        (fits, above, peer.is_served().await)
    };
    let (fits, above, served) = under_attack(&victim, READING, attack).await;
    assert_eq!(fits.grpc(), Some(Code::Ok), "{fits:?}");
    assert_eq!(above.http(), Some(431), "{above:?}");
    assert_eq!(served, Ok(()));
}

/// References to one long entry of the dynamic table: a byte on the wire, 4 KiB in memory.
#[tokio::test]
async fn an_hpack_bomb() {
    let victim = victim(&[]);
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let mut block = hpack::encode(call(EMPTY_CALL));
        block.extend(hpack::encode_kept(b"x", &[b'y'; 4000]));
        block.extend(hpack::indexed(62).repeat(12_000));
        let _ = peer.send(&Frame::headers(1, block)).await;
        peer.end().await
    };
    let end = under_attack(&victim, READING, attack).await;
    assert_eq!(end, End::GoAway(Reason::ENHANCE_YOUR_CALM));
}

/// Tables that are changed without end, and made larger than was agreed.
#[tokio::test]
async fn hpack_tables() {
    let victim = victim(&[]);
    for (block, expected) in [
        // 0x3f 0xe1 0xff 0x03: a size of 64 KiB, where 4 KiB are allowed.
        (vec![0x3f, 0xe1, 0xff, 0x03], Reason::COMPRESSION_ERROR),
        (hpack::indexed(0), Reason::COMPRESSION_ERROR),
        (hpack::indexed(70), Reason::COMPRESSION_ERROR),
        (hpack::indexed(usize::MAX >> 1), Reason::COMPRESSION_ERROR),
        (vec![0xff; 100], Reason::COMPRESSION_ERROR),
    ] {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        peer.send(&Frame::headers(1, block.clone()).end()).await.unwrap();
        assert_eq!(peer.end().await, End::GoAway(expected), "{block:x?}");
    }
    let attack = async {
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        for n in 0..2_000_u32 {
            let stream = 1 + 2 * n;
            let kept = hpack::encode_kept(format!("x{n}").as_bytes(), &[b'y'; 2000]);
            let block = [hpack::encode(call(EMPTY_CALL)), kept].concat();
            peer.send(&Frame::headers(stream, block).end()).await.unwrap();
            // It is a good call, but for its message.
            assert!(peer.answer(stream).await.grpc().is_some());
        }
    };
    under_attack(&victim, READING, attack).await;
}

/// Replaces headers of a good call, or takes them away.
fn but<'a>(changes: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = call(EMPTY_CALL);
    for (name, value) in changes {
        let at = headers.iter().position(|(known, _)| known == name);
        match (at, value) {
            (Some(at), Some(value)) => headers[at].1 = value,
            (Some(at), None) => drop(headers.remove(at)),
            (None, Some(value)) => headers.push((name, value)),
            (None, None) => {}
        }
    }
    headers
}

/// Each of these is a call of its own, on a connection that goes on.
#[tokio::test]
async fn strange_requests() {
    #[derive(Debug, PartialEq)]
    enum Expected {
        Grpc(Code),
        Http(u16),
        Reset(Reason),
    }
    use Expected::{Grpc, Http, Reset};
    let long = format!("/{}", "a".repeat(8000));
    let cases: Vec<(Vec<_>, Expected)> = vec![
        (but(&[]), Grpc(Code::Ok)),
        // Paths.
        (but(&[(":path", Some("/"))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some("//"))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some("/grpc.testing.TestService"))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some("/grpc.testing.TestService/"))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some("/grpc.testing.TestService/../x"))]), Grpc(Code::Unimplemented)),
        (
            but(&[(":path", Some("/grpc.testing.TestService//EmptyCall"))]),
            Grpc(Code::Unimplemented),
        ),
        (
            but(&[(":path", Some("/%67rpc.testing.TestService/EmptyCall"))]),
            Grpc(Code::Unimplemented),
        ),
        (but(&[(":path", Some(&long))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some(""))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[(":path", None)]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[(":path", Some("*"))]), Grpc(Code::Unimplemented)),
        (but(&[(":path", Some("no/slash"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[(":path", Some("/a b"))]), Reset(Reason::PROTOCOL_ERROR)),
        // Methods.
        (but(&[(":method", Some("GET"))]), Http(405)),
        (but(&[(":method", Some("PUT"))]), Http(405)),
        (but(&[(":method", Some("OPTIONS"))]), Http(405)),
        (but(&[(":method", Some(""))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[(":method", None)]), Reset(Reason::PROTOCOL_ERROR)),
        // Types.
        // The body is no JSON.
        (but(&[("content-type", None)]), Http(400)),
        (but(&[("content-type", Some(""))]), Http(400)),
        (but(&[("content-type", Some("application/json"))]), Http(400)),
        (but(&[("content-type", Some("text/plain"))]), Http(415)),
        (but(&[("content-type", Some("application/grpcx"))]), Http(415)),
        (but(&[("content-type", Some("application/grpc+proto"))]), Grpc(Code::Ok)),
        (but(&[("content-type", Some("application/grpc+thrift"))]), Http(415)),
        // Time limits.
        (but(&[("grpc-timeout", Some("1"))]), Grpc(Code::Internal)),
        (but(&[("grpc-timeout", Some("S"))]), Grpc(Code::Internal)),
        (but(&[("grpc-timeout", Some("-1S"))]), Grpc(Code::Internal)),
        (but(&[("grpc-timeout", Some("123456789S"))]), Grpc(Code::Internal)),
        (but(&[("grpc-timeout", Some("1\u{663}S"))]), Grpc(Code::Internal)),
        (but(&[("grpc-timeout", Some("0n"))]), Grpc(Code::DeadlineExceeded)),
        (but(&[("grpc-timeout", Some("99999999H"))]), Grpc(Code::Ok)),
        // Metadata that is not base64 is the handler's affair: it may not look at it.
        (but(&[("x-bin", Some("!"))]), Grpc(Code::Ok)),
        (but(&[("x-grpc-test-echo-trailing-bin", Some("a==b"))]), Grpc(Code::Ok)),
        (but(&[("grpc-trace-bin", Some("\u{1}"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("traceparent", Some("00-x-y-z"))]), Grpc(Code::Ok)),
        (but(&[("grpc-encoding", Some("br"))]), Grpc(Code::Unimplemented)),
        (but(&[("grpc-encoding", Some(""))]), Grpc(Code::Unimplemented)),
        (but(&[("grpc-accept-encoding", Some(",,;,gzip;q=x"))]), Grpc(Code::Ok)),
        (but(&[("te", None)]), Grpc(Code::Ok)),
        // What HTTP/2 does not allow.
        (but(&[("X", Some("upper"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("connection", Some("close"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("te", Some("gzip"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[(":strange", Some("pseudo"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("", Some("no name"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("x", Some("a\r\nb: c"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("x", Some("\0"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("content-length", Some("1"))]), Reset(Reason::PROTOCOL_ERROR)),
        (but(&[("content-length", Some("-5"))]), Reset(Reason::PROTOCOL_ERROR)),
    ];
    let victim = victim(&[]);
    let attack = async {
        let mut wrong = Vec::new();
        let mut peer = Peer::greet(victim.addr(), &[]).await.unwrap();
        let mut stream = 1;
        for (headers, expected) in cases {
            let answer = peer.ask(stream, &headers, EMPTY).await.unwrap();
            stream += 2;
            let as_expected = match &expected {
                Grpc(code) => answer.http() == Some(200) && answer.grpc() == Some(*code),
                Http(status) => answer.http() == Some(*status),
                Reset(reason) => answer.reset == Some(*reason),
            };
            if !as_expected {
                wrong.push((headers, expected, answer.clone()));
            }
        }
        wrong
    };
    let wrong: Vec<(_, _, Answer)> = under_attack(&victim, READING, attack).await;
    assert!(wrong.is_empty(), "{wrong:?}");
}
