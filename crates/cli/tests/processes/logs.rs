//! What a service logs of its calls.

use std::process::Stdio;

use ahoy::Channel;
use contracts::hello::v1::SayHelloRequest;
use contracts::hello::v1::hello_service_client::HelloServiceClient;

use crate::service::{ANY_PORT, Service};

/// What a greeter logs that was called once.
async fn log_of_a_call(access_log: Option<&str>) -> String {
    let mut greeter = Service::start_with("greeter", ANY_PORT, &[], |command| {
        command.env("AHOY_LOG", "info").env_remove("AHOY_ACCESS_LOG").stderr(Stdio::piped());
        if let Some(on) = access_log {
            command.env("AHOY_ACCESS_LOG", on);
        }
    });
    let channel = Channel::new(format!("http://{}", greeter.addr)).unwrap();
    let request = SayHelloRequest { name: "a name that no log has".into(), ..Default::default() };
    HelloServiceClient::new(channel).say_hello(request).await.unwrap();
    greeter.terminate();
    let log = greeter.errors();
    assert!(greeter.wait().success());
    assert!(log.contains("draining"), "{log}");
    assert!(!log.contains("a name that no log has"), "{log}");
    log
}

// Its thread waits for the log, and the client's end of the drain needs one too.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn calls_are_logged_only_if_asked_for() {
    let log = log_of_a_call(None).await;
    assert!(!log.contains("SayHello"), "{log}");
    let log = log_of_a_call(Some("true")).await;
    assert!(log.contains("SayHello"), "{log}");
}
