//! Where a channel's calls go: addresses in turn, around those that are dead, to servers that come
//! back; and what it says when there is nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ahoy::client::ChannelSettings;
use ahoy::server::{Running, ServerSettings};
use ahoy::{CallContext, Channel};
use bytes::Bytes;
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::support::{
    ANY_PORT, Scripted, greeter, greeting, hello, named, raw, scripted, settings, url, within,
};

type Hello = HelloServiceClient<Channel>;

/// A hello service that greets with its name.
async fn called(name: &'static str) -> Running {
    let stub = Scripted::default().say_hello(move |_| std::future::ready(Ok(greeting(name))));
    scripted(stub, settings()).await
}

/// A port where nobody listens.
async fn dead() -> SocketAddr {
    TcpListener::bind(ANY_PORT).await.unwrap().local_addr().unwrap()
}

fn client(target: String) -> Hello {
    Hello::new(Channel::new(target).unwrap())
}

/// A client that does not wait long before it connects again.
fn eager(target: String) -> Hello {
    let backoff = Duration::from_millis(10);
    let settings = ChannelSettings {
        backoff_base: backoff,
        backoff_max: backoff,
        ..ChannelSettings::default()
    };
    Hello::new(Channel::builder(target).settings(settings).build().unwrap())
}

async fn greet(hello: &Hello) -> Result<String, Status> {
    Ok(hello.clone().say_hello(named("Ada")).await?.into_inner().greeting)
}

#[tokio::test]
async fn several_addresses_are_used_in_turn() {
    within(async {
        let servers = [called("one").await, called("two").await, called("three").await];
        let hello = client(servers.each_ref().map(url).join(","));
        // Until all are connected.
        let mut seen = BTreeSet::new();
        while seen.len() < 3 {
            seen.insert(greet(&hello).await.unwrap());
        }
        let mut turns = BTreeMap::<_, u32>::new();
        for _ in 0..30 {
            *turns.entry(greet(&hello).await.unwrap()).or_default() += 1;
        }
        assert!(turns.values().all(|count| *count == 10), "{turns:?}");
    })
    .await;
}

#[tokio::test]
async fn a_dead_address_costs_no_call() {
    within(async {
        let server = greeter(settings()).await;
        let hello = eager(format!("http://{},{}", dead().await, url(&server)));
        for _ in 0..200 {
            greet(&hello).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_found() {
    within(async {
        let mut server = greeter(settings()).await;
        let hello = eager(url(&server));
        for cut in [true, false, true, false] {
            greet(&hello).await.unwrap();
            let again = ServerSettings { listen: server.addr(), ..settings() };
            match cut {
                true => {
                    server.cut();
                    server.wait().await;
                }
                false => server.drain().await,
            }
            let status = greet(&hello).await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            server = greeter(again).await;
            while greet(&hello).await.is_err() {}
        }
    })
    .await;
}

/// One after the other, as in a rolling restart, and sooner than the channel would look again.
#[tokio::test]
async fn servers_that_restart_in_turn_fail_no_call() {
    within(async {
        let mut servers = [greeter(settings()).await, greeter(settings()).await];
        let long = Duration::from_secs(3600);
        let patient =
            ChannelSettings { backoff_base: long, backoff_max: long, ..Default::default() };
        let target = servers.each_ref().map(url).join(",");
        let hello = Hello::new(Channel::builder(target).settings(patient).build().unwrap());
        for turn in 0..20 {
            let server = &mut servers[turn % 2];
            for _ in 0..20 {
                greet(&hello).await.unwrap();
            }
            server.drain().await;
            for _ in 0..20 {
                greet(&hello).await.unwrap();
            }
            *server = greeter(ServerSettings { listen: server.addr(), ..settings() }).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_drained_server_is_left_before_a_call_fails() {
    within(async {
        let servers = [called("one").await, called("two").await];
        let hello = client(servers.each_ref().map(url).join(","));
        let mut seen = BTreeSet::new();
        while seen.len() < 2 {
            seen.insert(greet(&hello).await.unwrap());
        }
        let [one, _two] = servers;
        let draining = tokio::spawn(async move { one.drain().await });
        while !draining.is_finished() {
            greet(&hello).await.unwrap();
        }
        for _ in 0..10 {
            assert_eq!(greet(&hello).await.unwrap(), "two");
        }
    })
    .await;
}

#[tokio::test]
async fn names_are_resolved() {
    within(async {
        let server = greeter(settings()).await;
        let hello = client(format!("http://localhost:{}", server.addr().port()));
        greet(&hello).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_says_where_and_why() {
    within(async {
        let addr = dead().await;
        let status = greet(&client(format!("http://{addr}"))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(&addr.to_string()), "{status:?}");
        assert!(status.message().contains("refused"), "{status:?}");

        let status = greet(&client("http://nobody.invalid:1".into())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("cannot resolve nobody.invalid"), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn calls_beyond_a_connections_streams_open_another_connection() {
    within(async {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let stub = Scripted::default().say_hello(move |_| {
            let (end, ended) = oneshot::channel::<()>();
            begun.send((CallContext::current().peer.unwrap().addr, end)).unwrap();
            async move {
                ended.await.unwrap();
                Ok(greeting(""))
            }
        });
        let settings = ServerSettings { max_concurrent_streams: 2, ..settings() };
        let server = scripted(stub, settings).await;
        let hello = hello(&server);
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            let hello = hello.clone();
            calls.spawn(async move { greet(&hello).await });
        }
        // All of them are open at once, two on each connection.
        let mut open = Vec::new();
        let mut peers = BTreeMap::<_, u32>::new();
        for _ in 0..8 {
            let (peer, end) = begins.recv().await.unwrap();
            *peers.entry(peer).or_default() += 1;
            open.push(end);
        }
        assert!(peers.values().all(|calls| *calls == 2), "{peers:?}");
        for end in open {
            end.send(()).unwrap();
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
    })
    .await;
}

/// Answers a `SayHello` with OK.
fn answer(mut respond: SendResponse<Bytes>) {
    let response = Response::builder().header("content-type", "application/grpc");
    let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
    body.send_data(raw::frame(&greeting("")), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    body.send_trailers(trailers).unwrap();
}

#[tokio::test]
async fn a_goaway_after_each_call_fails_none() {
    within(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let hello = client(format!("http://{}", listener.local_addr().unwrap()));
        let (connected, mut connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connected.send(()).unwrap();
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_, respond))) = connection.accept().await {
                        answer(respond);
                        connection.graceful_shutdown();
                    }
                });
            }
        });
        for _ in 0..50 {
            greet(&hello).await.unwrap();
        }
        let mut count = 0;
        while connections.try_recv().is_ok() {
            count += 1;
        }
        assert!(count > 10, "only {count} connections for 50 calls");
    })
    .await;
}

/// A frame without flags (RFC 9113, section 4.1).
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, 0], &[0; 4], payload].concat()
}

/// Reads the frames of a client until one of this type.
async fn read_until(stream: &mut TcpStream, kind: u8) {
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await.unwrap();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if header[3] == kind {
            return;
        }
    }
}

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Takes a call on its first connection, and says that it has not seen it (RFC 9113, section 6.8);
/// serves the next.
async fn forgetful() -> SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        first.write_all(&frame(SETTINGS, &[])).await.unwrap();
        let mut preface = [0; 24];
        first.read_exact(&mut preface).await.unwrap();
        read_until(&mut first, DATA).await;
        // No stream is taken, and no error.
        first.write_all(&frame(GOAWAY, &[0; 8])).await.unwrap();

        while let Ok((next, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(next).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    answer(respond);
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_call_that_the_peer_has_not_seen_is_made_again() {
    within(async {
        let hello = client(format!("http://{}", forgetful().await));
        greet(&hello).await.unwrap();
    })
    .await;
}

/// A second connection that never comes up holds nobody who could have the first.
#[tokio::test]
async fn a_call_that_waits_for_another_connection_takes_the_first_when_it_is_free() {
    within(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let hello = client(format!("http://{}", listener.local_addr().unwrap()));
        let (both, second) = (std::sync::Arc::new(Barrier::new(2)), Barrier::new(2));
        let waits = both.clone();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut one = h2::server::Builder::new();
                one.max_concurrent_streams(1);
                let mut connection = one.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    let waits = waits.clone();
                    tokio::spawn(async move {
                        waits.wait().await;
                        answer(respond);
                    });
                }
            });
            let _silent = listener.accept().await.unwrap();
            both.wait().await;
            both.wait().await;
            second.wait().await;
        });
        let mut calls = JoinSet::new();
        for _ in 0..2 {
            let hello = hello.clone();
            calls.spawn(async move { greet(&hello).await });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
    })
    .await;
}
