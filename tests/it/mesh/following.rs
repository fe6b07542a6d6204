//! A policy that is a file's.

use ahoy::client::{ChannelSettings, Mesh};
use contracts::hello::v1::hello_service_client::HelloServiceClient;

use super::position::called;
use crate::support::{named, within};

#[tokio::test]
async fn a_file_is_followed_and_a_bad_one_changes_nothing() {
    within(async {
        let (one, two) = (called("one").await, called("two").await);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mesh.yaml");
        let hello_is = |addr| format!("clusters: {{hello: {{endpoints: [\"{addr}\"]}}}}");
        std::fs::write(&file, hello_is(one.addr())).unwrap();
        let mesh = Mesh::from_file(&file, ChannelSettings::default()).await.unwrap();
        let mut hello = HelloServiceClient::new(mesh.channel("hello").unwrap());
        let mut who = async || hello.say_hello(named("Ada")).await.unwrap().into_inner().greeting;
        assert_eq!(who().await, "one");
        std::fs::write(&file, "clusters: {hello: {endpoints: []}}").unwrap();
        assert_eq!(who().await, "one");
        std::fs::write(&file, hello_is(two.addr())).unwrap();
        // Nobody says when it was read.
        while who().await != "two" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_file_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mesh.yaml");
    let missing = Mesh::from_file(&file, ChannelSettings::default()).await.unwrap_err();
    assert_eq!(missing.to_string(), format!("cannot read {}", file.display()));
    std::fs::write(&file, "clusters:\n  hello: {endpoints: [nowhere]}").unwrap();
    let bad = Mesh::from_file(&file, ChannelSettings::default()).await.unwrap_err();
    let expected = format!("{}:2:23: \"nowhere\" is not HOST:PORT", file.display());
    assert_eq!(bad.to_string(), expected);
}
