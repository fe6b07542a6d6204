#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tonic::client::Grpc;
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

use super::service::{HealthListResponse, descriptor_set};
use super::*;

const HELLO: &str = "hello.v1.HelloService";

async fn check(health: &Health, service: &str) -> Result<PbStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(health.service()).check(request).await?;
    Ok(response.into_inner().status())
}

async fn watch(health: &Health, service: &str) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(health.service()).watch(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Option<PbStatus> {
    stream.message().await.unwrap().map(|message| message.status())
}

async fn list(health: &Health) -> Result<BTreeMap<String, PbStatus>, Status> {
    let mut grpc = Grpc::new(health.service());
    let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/List");
    let codec = ProstCodec::<(), HealthListResponse>::default();
    let response = grpc.unary(Request::new(()), path, codec).await?.into_inner();
    Ok(response.statuses.iter().map(|(name, status)| (name.clone(), status.status())).collect())
}

#[tokio::test]
async fn check_tells_the_status_of_what_is_known() {
    let health = Health::default();
    assert_eq!(check(&health, "").await.unwrap(), PbStatus::Serving);
    assert_eq!(check(&health, HELLO).await.unwrap_err().code(), Code::NotFound);
    health.set(HELLO, ServingStatus::NotServing);
    assert_eq!(check(&health, HELLO).await.unwrap(), PbStatus::NotServing);
    health.set_all(ServingStatus::Serving);
    assert_eq!(check(&health, HELLO).await.unwrap(), PbStatus::Serving);
}

#[tokio::test]
async fn watch_tells_now_and_then_changes() {
    let health = Health::default();
    health.set(HELLO, ServingStatus::Serving);
    let mut stream = watch(&health, HELLO).await;
    assert_eq!(next(&mut stream).await, Some(PbStatus::Serving));
    // Neither of these is a change of this service, so the next message is of the third.
    health.set(HELLO, ServingStatus::Serving);
    health.set("world.v1.WorldService", ServingStatus::Serving);
    health.set(HELLO, ServingStatus::NotServing);
    assert_eq!(next(&mut stream).await, Some(PbStatus::NotServing));
}

#[tokio::test]
async fn watch_waits_for_a_service_to_become_known() {
    let health = Health::default();
    let mut stream = watch(&health, HELLO).await;
    assert_eq!(next(&mut stream).await, Some(PbStatus::ServiceUnknown));
    let known = tokio::spawn(async move { next(&mut stream).await });
    health.set(HELLO, ServingStatus::Serving);
    assert_eq!(known.await.unwrap(), Some(PbStatus::Serving));
    assert_eq!(health.board.borrow().services.len(), 2, "nothing else is kept");
}

#[tokio::test]
async fn watching_names_that_nobody_knows_keeps_nothing() {
    let health = Health::default();
    for name in 0..1000 {
        let mut stream = watch(&health, &name.to_string()).await;
        assert_eq!(next(&mut stream).await, Some(PbStatus::ServiceUnknown));
    }
    assert_eq!(health.board.borrow().services.len(), 1);
    assert_eq!(health.board.receiver_count(), 0);
}

#[tokio::test]
async fn a_drain_ends_watchers_and_is_final() {
    let health = Health::default();
    health.set(HELLO, ServingStatus::Serving);
    let mut serving = watch(&health, HELLO).await;
    assert_eq!(next(&mut serving).await, Some(PbStatus::Serving));
    let mut unknown = watch(&health, "world.v1.WorldService").await;
    assert_eq!(next(&mut unknown).await, Some(PbStatus::ServiceUnknown));

    health.drain();
    assert_eq!(next(&mut serving).await, Some(PbStatus::NotServing));
    assert_eq!(next(&mut serving).await, None);
    assert_eq!(next(&mut unknown).await, None);

    health.set(HELLO, ServingStatus::Serving);
    health.set_all(ServingStatus::Serving);
    assert_eq!(check(&health, HELLO).await.unwrap(), PbStatus::NotServing);
    let mut late = watch(&health, "").await;
    assert_eq!(next(&mut late).await, Some(PbStatus::NotServing));
    assert_eq!(next(&mut late).await, None);
}

#[tokio::test]
async fn list_tells_all_up_to_a_hundred() {
    let health = Health::default();
    health.set(HELLO, ServingStatus::NotServing);
    let expected = [(String::new(), PbStatus::Serving), (HELLO.to_owned(), PbStatus::NotServing)];
    assert_eq!(list(&health).await.unwrap(), BTreeMap::from(expected));
    // Two are there already.
    for name in 0..98 {
        health.set(name.to_string(), ServingStatus::Serving);
    }
    assert_eq!(list(&health).await.unwrap().len(), 100);
    health.set("one too many", ServingStatus::Serving);
    assert_eq!(list(&health).await.unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn the_descriptors_are_whole() {
    let pool = prost_reflect::DescriptorPool::decode(descriptor_set()).unwrap();
    let service = pool.get_service_by_name("grpc.health.v1.Health").unwrap();
    let methods: Vec<_> = service.methods().map(|method| method.name().to_owned()).collect();
    assert_eq!(methods, ["Check", "Watch", "List"]);
    let list = pool.get_message_by_name("grpc.health.v1.HealthListResponse").unwrap();
    assert!(list.get_field_by_name("statuses").unwrap().is_map());
}
