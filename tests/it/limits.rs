//! Every limit holds, says what it is, and costs nobody else anything.

use std::io::Write;

use ahoy::Channel;
use ahoy::client::ChannelSettings;
use ahoy::server::ServerSettings;
use bytes::{BufMut, BytesMut};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::{GreetEveryoneRequest, SayHelloManyTimesRequest};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Code, Request};

use crate::support::raw::{self, Client, EVERYONE, SAY_HELLO};
use crate::support::{
    Scripted, get, greeter, greeting, hello, named, scripted, settings, settings_with_admin, url,
    within,
};

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_with_both_sizes() {
    within(async {
        let server = greeter(ServerSettings { max_message_bytes: 1_000, ..settings() }).await;
        let mut client = Client::connect(server.addr()).await;
        let end = client.call(SAY_HELLO, &[], &named("x".repeat(1_997))).await.end().await;
        assert_eq!(end.code(), Code::ResourceExhausted);
        // Two bytes of tag and length, and the name.
        assert!(end.message().contains("2000 bytes"), "{}", end.message());
        assert!(end.message().contains("1000"), "{}", end.message());

        // In a stream, behind one that is not.
        let mut call = client.begin(EVERYONE, &[]).await;
        let good = GreetEveryoneRequest { name: "Ada".into(), ..Default::default() };
        let long = GreetEveryoneRequest { name: "x".repeat(1_997), ..Default::default() };
        call.requests.send_data(raw::frame(&good), false).unwrap();
        call.requests.send_data(raw::frame(&long), false).unwrap();
        assert_eq!(call.end().await.code(), Code::ResourceExhausted);

        // A header that promises too much is enough; nothing waits for the rest.
        let mut call = client.begin(SAY_HELLO, &[]).await;
        call.requests.send_data(b"\0\xff\xff\xff\xff"[..].into(), false).unwrap();
        assert_eq!(call.end().await.code(), Code::ResourceExhausted);

        let end = client.call(SAY_HELLO, &[], &named("Ada")).await.end().await;
        assert_eq!(end.code(), Code::Ok);
    })
    .await;
}

#[tokio::test]
async fn a_response_that_is_too_long_is_refused_with_both_sizes() {
    within(async {
        let stub = Scripted::default().say_hello(|request: Request<_>| {
            let long = if request.into_inner().name.is_empty() { 1_997 } else { 1 };
            future::ready(Ok(greeting("x".repeat(long))))
        });
        let server = scripted(stub, settings()).await;
        let limited = ChannelSettings { max_message_bytes: 1_000, ..ChannelSettings::default() };
        let channel = Channel::builder(url(&server)).settings(limited).build().unwrap();
        let mut hello = HelloServiceClient::new(channel);
        let status = hello.say_hello(named("")).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("2000 bytes"), "{status:?}");
        assert!(status.message().contains("1000"), "{status:?}");
        hello.say_hello(named("Ada")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_small_request_that_expands_beyond_the_limit_is_refused() {
    within(async {
        let server = greeter(settings()).await;
        let mut client = Client::connect(server.addr()).await;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..64 {
            gzip.write_all(&zeros).unwrap();
        }
        let bomb = gzip.finish().unwrap();
        let mut frame = BytesMut::new();
        frame.put_u8(1);
        frame.put_u32(bomb.len().try_into().unwrap());
        frame.extend_from_slice(&bomb);
        let mut call = client.begin(SAY_HELLO, &[("grpc-encoding", "gzip")]).await;
        call.requests.send_data(frame.freeze(), true).unwrap();
        let end = call.end().await;
        assert_eq!(end.code(), Code::ResourceExhausted);
        assert!(end.message().contains("4194304"), "{}", end.message());
    })
    .await;
}

#[tokio::test]
async fn headers_that_are_too_long_fail_their_call_only() {
    within(async {
        let server = greeter(ServerSettings { max_header_bytes: 2_000, ..settings() }).await;
        let mut hello = hello(&server);
        hello.say_hello(named("Ada")).await.unwrap();
        let mut request = Request::new(named("Ada"));
        request.metadata_mut().insert("x-long", "x".repeat(3_000).parse().unwrap());
        let status = hello.say_hello(request).await.unwrap_err();
        assert!(status.message().contains("431"), "{status:?}");
        hello.say_hello(named("Ada")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn calls_beyond_the_streams_of_a_connection_wait_their_turn() {
    within(async {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let stub = Scripted::default().say_hello(move |_| {
            let (end, ended) = tokio::sync::oneshot::channel();
            begun.send(end).unwrap();
            async move {
                ended.await.unwrap();
                Ok(greeting(""))
            }
        });
        let settings = ServerSettings { max_concurrent_streams: 2, ..settings() };
        let server = scripted(stub, settings).await;
        let one = ChannelSettings { max_connections_per_endpoint: 1, ..Default::default() };
        let channel = Channel::builder(url(&server)).settings(one).build().unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let mut hello = HelloServiceClient::new(channel.clone());
            calls.spawn(async move { hello.say_hello(named("")).await });
        }
        let (mut first, mut second) = (begins.recv().await.unwrap(), begins.recv().await.unwrap());
        for _ in 2..20 {
            // Two are open, so there is no third until one has ended.
            assert!(begins.is_empty());
            first.send(()).unwrap();
            calls.join_next().await.unwrap().unwrap().unwrap();
            first = std::mem::replace(&mut second, begins.recv().await.unwrap());
        }
        first.send(()).unwrap();
        second.send(()).unwrap();
        assert_eq!(calls.join_all().await.into_iter().filter(Result::is_ok).count(), 2);
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    within(async {
        let settings = ServerSettings { max_connections: 2, ..settings_with_admin() };
        let server = greeter(settings).await;
        let mut kept = hello(&server);
        kept.say_hello(named("Ada")).await.unwrap();
        let second = Client::connect(server.addr()).await;
        let mut third = TcpStream::connect(server.addr()).await.unwrap();
        // Closed before a byte, by FIN or by RST.
        assert!(matches!(third.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        let mut refused = hello(&server);
        let status = refused.say_hello(named("Ada")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(&server.addr().to_string()), "{status:?}");
        let page = get(&server, "/metrics").await;
        assert!(page.sample("ahoy_server_connections_refused_total") >= 2.0, "{}", page.body);

        // Those that are in go on, and one that leaves makes room.
        kept.say_hello(named("Ada")).await.unwrap();
        drop(second);
        let request = SayHelloManyTimesRequest::default;
        while hello(&server).say_hello_many_times(request()).await.is_err() {}
    })
    .await;
}
