//! The first signal drains, the second cuts.

use ahoy::Channel;
use contracts::hello::v1::ChatRequest;
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use futures_util::{StreamExt, stream};
use tonic::Code;

use crate::service::{ANY_PORT, Service};

#[tokio::test]
async fn the_second_signal_cuts_what_the_first_waits_for() {
    let mut greeter = Service::start_with("greeter", ANY_PORT, &[], |command| {
        command.env("AHOY_DRAIN_TIMEOUT", "1h");
    });
    let channel = Channel::new(format!("http://{}", greeter.addr)).unwrap();
    // A call that does not end by itself.
    let requests = stream::iter([ChatRequest::default()]).chain(stream::pending());
    let answers = HelloServiceClient::new(channel).chat(requests).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());

    greeter.terminate();
    while std::net::TcpStream::connect(greeter.addr).is_ok() {}
    greeter.terminate();
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(greeter.wait().success());
}
