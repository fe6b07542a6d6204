//! Bad servers against our channel: the right code for each, in time, and no panic.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use ahoy::Channel;
use ahoy::client::ChannelSettings;
use h2::Reason;
use testkit::bad::frame::{flag, kind, message, setting};
use testkit::bad::{BadServer, Frame, Peer, hpack};
use testkit::interop::proto::test_service_client::TestServiceClient;
use testkit::interop::proto::{Empty, StreamingOutputCallRequest};
use tonic::{Code, Status};

/// Longer than a call takes that is answered at all.
const PATIENT: Duration = Duration::from_secs(20);

/// Of calls whose deadline is to pass.
const SHORT: Duration = Duration::from_millis(500);

async fn serve<F>(script: impl Fn(Peer) -> F + Send + 'static) -> BadServer
where
    F: Future<Output = ()> + Send + 'static,
{
    BadServer::start(script).await.unwrap()
}

/// Serves what a client sees as a server that answers its calls with these frames, and closes the
/// connection after the first or goes on to wait for more.
async fn answering(frames: Vec<Frame>, closing: bool) -> BadServer {
    serve(move |mut peer| {
        let frames = frames.clone();
        async move {
            let Ok(mut stream) = peer.welcome(&[]).await else { return };
            loop {
                for mut frame in frames.clone() {
                    if frame.stream != 0 {
                        frame.stream = stream;
                    }
                    let _ = peer.send(&frame).await;
                }
                if closing {
                    return;
                }
                // What was refused comes once more.
                let next = peer.find(|frame| frame.kind == kind::HEADERS).await;
                let Ok(next) = next else { return };
                stream = next.stream;
            }
        }
    })
    .await
}

fn client(addr: SocketAddr, deadline: Duration) -> TestServiceClient<Channel> {
    let settings = ChannelSettings {
        connect_timeout: SHORT,
        default_deadline: Some(deadline),
        ..ChannelSettings::default()
    };
    let channel = Channel::builder(format!("http://{addr}")).settings(settings).build().unwrap();
    TestServiceClient::new(channel)
}

async fn unary(server: &BadServer, deadline: Duration) -> Status {
    client(server.addr(), deadline).empty_call(Empty {}).await.unwrap_err()
}

/// A stream's answer, read to its end.
async fn streaming(server: &BadServer, deadline: Duration) -> Status {
    let mut client = client(server.addr(), deadline);
    let called = client.streaming_output_call(StreamingOutputCallRequest::default()).await;
    let mut stream = match called {
        Ok(response) => response.into_inner(),
        Err(status) => return status,
    };
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("the stream ended"),
            Err(status) => return status,
        }
    }
}

/// Headers of gRPC's, with more of them.
fn headers(more: &[(&str, &str)]) -> Frame {
    let grpc = [(":status", "200"), ("content-type", "application/grpc")];
    Frame::headers(1, hpack::encode([&grpc, more].concat()))
}

fn trailers(trailers: &[(&str, &str)]) -> Frame {
    Frame::headers(1, hpack::encode(trailers.iter().copied())).end()
}

/// Both kinds of calls, answered so, end with this code.
async fn expect(what: &str, frames: Vec<Frame>, closing: bool, code: Code) {
    let server = answering(frames, closing).await;
    for status in [unary(&server, PATIENT).await, streaming(&server, PATIENT).await] {
        assert_eq!(status.code(), code, "{what}: {status:?}");
    }
}

#[tokio::test]
async fn nobody_who_speaks_http_2() {
    for said in [&b""[..], b"\0\xff garbage", b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 100_000]] {
        let server = serve(move |mut peer| async move {
            let _ = peer.write(said).await;
            let _ = peer.finish().await;
            peer.rest().await;
        })
        .await;
        let status = unary(&server, PATIENT).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
}

#[tokio::test]
async fn settings_that_never_come() {
    let server = serve(|mut peer| async move { drop(peer.rest().await) }).await;
    let status = unary(&server, PATIENT).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("no answer within 500ms"), "{status:?}");
}

#[tokio::test]
async fn goaway() {
    let at_once = serve(|mut peer| async move {
        let _ = peer.preface().await;
        let _ = peer.send(&Frame::settings(&[])).await;
        let _ = peer.send(&Frame::go_away(0, Reason::NO_ERROR)).await;
        peer.end().await;
    })
    .await;
    let status = unary(&at_once, PATIENT).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    let refusal = Frame::go_away(0, Reason::NO_ERROR);
    expect("GOAWAY below the call", vec![refusal], false, Code::Unavailable).await;
}

#[tokio::test]
async fn no_streams_allowed() {
    let server = serve(|mut peer| async move {
        let _ = peer.welcome(&[(setting::MAX_CONCURRENT_STREAMS, 0)]).await;
    })
    .await;
    assert_eq!(unary(&server, SHORT).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn reset_streams() {
    for (reason, code) in [
        (Reason::PROTOCOL_ERROR, Code::Internal),
        (Reason::INTERNAL_ERROR, Code::Internal),
        (Reason::FLOW_CONTROL_ERROR, Code::Internal),
        (Reason::SETTINGS_TIMEOUT, Code::Internal),
        (Reason::STREAM_CLOSED, Code::Internal),
        (Reason::FRAME_SIZE_ERROR, Code::Internal),
        (Reason::REFUSED_STREAM, Code::Unavailable),
        (Reason::CANCEL, Code::Cancelled),
        (Reason::COMPRESSION_ERROR, Code::Internal),
        (Reason::CONNECT_ERROR, Code::Internal),
        (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
        (Reason::HTTP_1_1_REQUIRED, Code::Internal),
        (Reason::from(99), Code::Internal),
    ] {
        let what = format!("{reason:?}");
        expect(&what, vec![Frame::reset(1, reason)], false, code).await;
        let late = vec![headers(&[]), Frame::reset(1, reason)];
        expect(&what, late, false, code).await;
    }
    // Not an error to HTTP, but an answer that says no status.
    let late = vec![headers(&[]), Frame::reset(1, Reason::NO_ERROR)];
    expect("NO_ERROR", late, false, Code::Internal).await;
}

#[tokio::test]
async fn connections_that_close_under_a_call() {
    expect("before an answer", vec![], true, Code::Unavailable).await;
    expect("after headers", vec![headers(&[])], true, Code::Unavailable).await;
    let half = Frame::data(1, [0, 0, 0, 0, 9, 1, 2]);
    expect("in a message", vec![headers(&[]), half], true, Code::Unavailable).await;
}

#[tokio::test]
async fn answers_that_are_not_grpc() {
    for (http, code) in [
        ("400", Code::Internal),
        ("401", Code::Unauthenticated),
        ("403", Code::PermissionDenied),
        ("404", Code::Unimplemented),
        ("429", Code::Unavailable),
        ("500", Code::Unknown),
        ("502", Code::Unavailable),
        ("503", Code::Unavailable),
        ("504", Code::Unavailable),
        ("200", Code::Unknown),
        ("302", Code::Unknown),
    ] {
        let html = hpack::encode([(":status", http), ("content-type", "text/html")]);
        let page = Frame::data(1, b"<h1>Oh no</h1>".as_slice()).end();
        expect(http, vec![Frame::headers(1, html), page], false, code).await;
    }
}

#[tokio::test]
async fn statuses_that_cannot_be_read() {
    for (status, code) in [
        ("", Code::Unknown),
        ("-1", Code::Unknown),
        ("17", Code::Unknown),
        ("x", Code::Unknown),
        ("007", Code::Unknown),
        ("99999999999", Code::Unknown),
    ] {
        let only = vec![headers(&[("grpc-status", status)]).end()];
        expect("trailers only", only, false, code).await;
        let late = vec![headers(&[]), trailers(&[("grpc-status", status)])];
        expect("trailers", late, false, code).await;
    }
    for message in ["%", "%zz", "%00", "a%2"] {
        let only = vec![headers(&[("grpc-status", "5"), ("grpc-message", message)]).end()];
        expect(message, only, false, Code::NotFound).await;
    }
    // No status at all.
    expect("no trailers", vec![headers(&[]).end()], false, Code::Unknown).await;
    let data = Frame::data(1, message(0, &[])).end();
    expect("no trailers", vec![headers(&[]), data], false, Code::Unknown).await;
}

#[tokio::test]
async fn details_that_are_not_base64() {
    for details in ["!", "a", "a===", "\u{e9}"] {
        let status = [("grpc-status", "9"), ("grpc-status-details-bin", details)];
        let server = answering(vec![headers(&status).end()], false).await;
        let status = unary(&server, PATIENT).await;
        assert_ne!(status.code(), Code::Ok, "{status:?}");
        let server = answering(
            vec![
                headers(&[]),
                trailers(&[("grpc-status", "9"), ("grpc-status-details-bin", details)]),
            ],
            false,
        )
        .await;
        let status = streaming(&server, PATIENT).await;
        assert_ne!(status.code(), Code::Ok, "{status:?}");
    }
}

#[tokio::test]
async fn answers_that_never_end() {
    let nothing = answering(vec![], false).await;
    let headers_only = answering(vec![headers(&[])], false).await;
    let half_a_message = answering(vec![headers(&[]), Frame::data(1, [0, 0, 0, 1])], false).await;
    for server in [nothing, headers_only, half_a_message] {
        for status in [unary(&server, SHORT).await, streaming(&server, SHORT).await] {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
    }
    let endless = serve(|mut peer| async move {
        let Ok(stream) = peer.welcome(&[]).await else { return };
        let mut open = headers(&[]);
        open.stream = stream;
        let _ = peer.send(&open).await;
        let messages = Frame::data(stream, message(0, &[]).repeat(10)).bytes();
        let _ =
            peer.flood(std::iter::repeat(messages), |frame| frame.kind == kind::RST_STREAM).await;
    })
    .await;
    assert_eq!(streaming(&endless, SHORT).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn messages_that_are_wrong() {
    let data = |bytes: Vec<u8>| vec![headers(&[]), Frame::data(1, bytes)];
    let promise = |flag: u8, length: u32| [&[flag][..], &length.to_be_bytes()].concat();
    expect("4 GiB", data(promise(0, u32::MAX)), false, Code::ResourceExhausted).await;
    expect("5 MiB", data(promise(0, 5 << 20)), false, Code::ResourceExhausted).await;
    expect("flag 2", data(message(2, &[])), false, Code::Internal).await;
    expect("flag 1, no encoding", data(message(1, &[0; 9])), false, Code::Internal).await;
    expect("no protobuf", data(message(0, &[0x0f])), false, Code::Internal).await;
    let mut cut = data(promise(0, 10));
    cut.push(trailers(&[("grpc-status", "0")]));
    expect("cut off", cut, false, Code::Internal).await;
    let unknown = vec![headers(&[("grpc-encoding", "br")]), Frame::data(1, message(1, &[0; 9]))];
    expect("unknown encoding", unknown, false, Code::Internal).await;
}

#[tokio::test]
async fn headers_that_are_too_many() {
    let long = "y".repeat(3000);
    let too_large = hpack::encode([
        (":status", "200"),
        ("x", &long),
        ("x", &long),
        ("x", &long),
        ("x", &long),
        ("x", &long),
        ("x", &long),
    ]);
    let (first, second) = too_large.split_at(16_384);
    let frames = vec![
        Frame::new(kind::HEADERS, 0, 1, first),
        Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, second),
    ];
    expect("18 KiB", frames, false, Code::Internal).await;

    let mut bomb = hpack::encode([(":status", "200")]);
    bomb.extend(hpack::encode_kept(b"x", &[b'y'; 4000]));
    bomb.extend(hpack::indexed(62).repeat(12_000));
    expect("HPACK bomb", vec![Frame::headers(1, bomb)], false, Code::ResourceExhausted).await;

    let more = Frame::new(kind::CONTINUATION, 0, 1, hpack::encode([("x", "y")]));
    let mut endless = vec![Frame::new(kind::HEADERS, 0, 1, hpack::encode([(":status", "200")]))];
    endless.extend(std::iter::repeat_n(more, 1000));
    expect("CONTINUATION flood", endless, false, Code::ResourceExhausted).await;
}

#[tokio::test]
async fn frames_that_a_server_may_not_send() {
    let push = Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 1, [0, 0, 0, 2]);
    expect("PUSH_PROMISE", vec![push], false, Code::Internal).await;
    expect("DATA before HEADERS", vec![Frame::data(1, [0])], false, Code::Internal).await;
    expect("HEADERS without :status", vec![trailers(&[("x", "y")])], false, Code::Internal).await;
}

/// No bad server: one that streams many messages at once, each in a frame of its own, to a
/// client that reads them. All of them fit into the window.
#[tokio::test]
async fn a_burst_of_small_messages_is_taken() {
    const MESSAGES: usize = 50_000;
    let server = serve(|mut peer| async move {
        let Ok(stream) = peer.welcome(&[]).await else { return };
        let mut open = headers(&[]);
        open.stream = stream;
        let mut said = open.bytes();
        said.extend(Frame::data(stream, message(0, &[])).bytes().repeat(MESSAGES));
        let mut end = trailers(&[("grpc-status", "0")]);
        end.stream = stream;
        end.write(&mut said);
        let _ = peer.flood([said], |_| false).await;
    })
    .await;
    let mut client = client(server.addr(), PATIENT);
    let called = client.streaming_output_call(StreamingOutputCallRequest::default()).await;
    let mut stream = called.unwrap().into_inner();
    let mut messages = 0;
    while stream.message().await.unwrap().is_some() {
        messages += 1;
    }
    assert_eq!(messages, MESSAGES);
}
