//! How the endpoints of a cluster share its calls.

use std::collections::BTreeMap;

use ahoy::Channel;
use ahoy::server::Running;
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::Request;
use tonic::metadata::MetadataValue;

use super::position::{Position, called, in_both_positions};
use crate::support::{Scripted, greeting, named, scripted, settings};

in_both_positions! {
    in_turn_by_weight
    the_busy_get_less
    the_slow_get_less
    by_hash_to_the_same
    the_first_that_can_be_reached
    the_next_priority_when_the_first_is_gone
    a_subset_of_many
}

type Hello = HelloServiceClient<Channel>;

async fn who(hello: &mut Hello) -> String {
    hello.say_hello(named("Ada")).await.unwrap().into_inner().greeting
}

/// Calls until each of `count` endpoints has answered: all are connected then.
async fn until_all_answer(hello: &mut Hello, count: usize) {
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count {
        seen.insert(who(hello).await);
    }
}

async fn shares(hello: &mut Hello, calls: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..calls {
        *shares.entry(who(hello).await).or_default() += 1;
    }
    shares
}

/// A cluster `hello` of these servers, each with more to say about it.
fn cluster(servers: &[(&Running, &str)], more: &str) -> String {
    let endpoints = servers
        .iter()
        .map(|(server, more)| format!("{{address: \"{}\"{more}}}", server.addr()))
        .collect::<Vec<_>>();
    format!("clusters: {{hello: {{endpoints: [{}]{more}}}}}", endpoints.join(", "))
}

async fn in_turn_by_weight(position: Position) {
    let (one, three) = (called("one").await, called("three").await);
    let policy = cluster(&[(&one, ""), (&three, ", weight: 3")], "");
    let client = position.client(&policy).await;
    let mut hello = client.hello("hello");
    until_all_answer(&mut hello, 2).await;
    let shares = shares(&mut hello, 200).await;
    assert!(shares["one"].abs_diff(50) <= 1, "{shares:?}");
}

/// A service that answers while its gate is open, and tells of each call that comes.
async fn gated() -> (Running, watch::Sender<bool>, mpsc::UnboundedReceiver<()>) {
    let (gate, opened) = watch::channel(true);
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let hello = Scripted::default().say_hello(move |_| {
        let mut opened = opened.clone();
        let _ = arrived.send(());
        async move {
            let _ = opened.wait_for(|open| *open).await;
            Ok(greeting("gated"))
        }
    });
    (scripted(hello, settings()).await, gate, arrivals)
}

/// Calls until one waits at the gate.
async fn until_one_waits(
    hello: &Hello,
    arrivals: &mut mpsc::UnboundedReceiver<()>,
) -> JoinSet<String> {
    while arrivals.try_recv().is_ok() {}
    let mut calls = JoinSet::new();
    loop {
        let mut hello = hello.clone();
        calls.spawn(async move { who(&mut hello).await });
        tokio::select! {
            _ = arrivals.recv() => return calls,
            answer = calls.join_next() => assert_eq!(answer.unwrap().unwrap(), "free"),
        }
    }
}

async fn the_busy_get_less(position: Position) {
    let ((gated, gate, mut arrivals), free) = (gated().await, called("free").await);
    let policy = cluster(&[(&gated, ""), (&free, "")], ", lb_policy: least_request");
    let client = position.client(&policy).await;
    let mut hello = client.hello("hello");
    until_all_answer(&mut hello, 2).await;
    gate.send(false).unwrap();
    let _waiting = until_one_waits(&hello, &mut arrivals).await;
    for _ in 0..40 {
        assert_eq!(who(&mut hello).await, "free");
    }
}

async fn the_slow_get_less(position: Position) {
    let ((gated, gate, mut arrivals), free) = (gated().await, called("free").await);
    let policy = cluster(&[(&gated, ""), (&free, "")], ", lb_policy: peak_ewma");
    let client = position.client(&policy).await;
    let mut hello = client.hello("hello");
    until_all_answer(&mut hello, 2).await;
    gate.send(false).unwrap();
    let mut waiting = until_one_waits(&hello, &mut arrivals).await;
    // It takes longer than a hundred calls to the other, made as the only one that is called.
    let only_free = position.client(&cluster(&[(&free, "")], "")).await;
    let mut other = only_free.hello("hello");
    for _ in 0..100 {
        who(&mut other).await;
    }
    gate.send(true).unwrap();
    while waiting.join_next().await.is_some() {}
    let shares = shares(&mut hello, 100).await;
    assert!(shares["free"] > 80, "{shares:?}");
}

async fn by_hash_to_the_same(position: Position) {
    let servers = [called("a").await, called("b").await, called("c").await];
    let all: Vec<_> = servers.iter().map(|server| (server, "")).collect();
    let policy = cluster(&all, ", lb_policy: ring_hash")
        + "\nvirtual_hosts: [{domains: [greeter], routes: [{cluster: hello, hash_headers: [x-user]}]}]";
    let client = position.client(&policy).await;
    let mut plain = client.hello("hello");
    // Without a hash the calls spread.
    until_all_answer(&mut plain, 3).await;
    let mut hello = client.hello("greeter");
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..30 {
        let mut answers = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let mut request = Request::new(named("Ada"));
            let user = MetadataValue::try_from(format!("user-{user}")).unwrap();
            request.metadata_mut().insert("x-user", user);
            answers.insert(hello.say_hello(request).await.unwrap().into_inner().greeting);
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        seen.extend(answers);
    }
    assert_eq!(seen.len(), 3);
}

async fn the_first_that_can_be_reached(position: Position) {
    let (first, second) = (called("first").await, called("second").await);
    // Addresses are tried in their order.
    let (first, second) =
        if first.addr() < second.addr() { (first, second) } else { (second, first) };
    let policy = cluster(&[(&first, ""), (&second, "")], ", lb_policy: pick_first");
    let client = position.client(&policy).await;
    let mut hello = client.hello("hello");
    let chosen = who(&mut hello).await;
    for _ in 0..20 {
        assert_eq!(who(&mut hello).await, chosen);
    }
    first.drain().await;
    let other = who(&mut hello).await;
    assert_ne!(other, chosen);
}

async fn the_next_priority_when_the_first_is_gone(position: Position) {
    let (near, far) = (called("near").await, called("far").await);
    let policy = cluster(&[(&far, ", priority: 1"), (&near, "")], "");
    let client = position.client(&policy).await;
    let mut hello = client.hello("hello");
    for _ in 0..20 {
        assert_eq!(who(&mut hello).await, "near");
    }
    near.drain().await;
    for _ in 0..20 {
        assert_eq!(who(&mut hello).await, "far");
    }
}

async fn a_subset_of_many(position: Position) {
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        servers.push(called(name).await);
    }
    let all: Vec<_> = servers.iter().map(|server| (server, "")).collect();
    let client = position.client(&cluster(&all, ", subset_size: 2")).await;
    let mut hello = client.hello("hello");
    until_all_answer(&mut hello, 2).await;
    assert_eq!(shares(&mut hello, 100).await.len(), 2);
}
