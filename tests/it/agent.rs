//! What passes through an agent, on the way in and on the way out.

use agent::{Agent, Inbound, Outbound, RunningAgent, Upstream};
use ahoy::Channel;
use ahoy::server::{Running, ServerSettings};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use http::Method;
use testkit::interop::transport::{self, Endpoint};
use tonic::Code;

use crate::interop::every_case;
use crate::rest::http_client::{get, json};
use crate::support::{ANY_PORT, greeter, named, settings, within};

/// An agent for what comes in for an application.
async fn inbound(app: &Running) -> RunningAgent {
    let inbound = Inbound { listen: ANY_PORT, app: app.addr().to_string() };
    start(Agent { inbound: Some(inbound), ..Agent::default() }).await
}

/// An agent for what an application calls.
async fn outbound(name: &str, upstream: &Running) -> RunningAgent {
    let upstream = Upstream { name: name.to_owned(), target: upstream.addr().to_string() };
    let outbound = Outbound { listen: ANY_PORT, upstreams: vec![upstream] };
    start(Agent { outbound: Some(outbound), ..Agent::default() }).await
}

async fn start(agent: Agent) -> RunningAgent {
    let server = ServerSettings { admin: None, ..settings() };
    Agent { server, ..agent }.start().await.unwrap()
}

/// A client of the service called `name` behind an outbound port.
fn client(agent: &RunningAgent, name: &str) -> HelloServiceClient<Channel> {
    let settings = ahoy::client::ChannelSettings {
        authority: Some(name.to_owned()),
        ..ahoy::client::ChannelSettings::default()
    };
    let target = format!("http://{}", agent.outbound().unwrap().addr());
    HelloServiceClient::new(Channel::builder(target).settings(settings).build().unwrap())
}

#[tokio::test]
async fn every_interop_case_passes_through_one() {
    let server = transport::serve(ANY_PORT, None).await.unwrap();
    let agent = inbound(&server).await;
    every_case(Endpoint::plain(agent.inbound().unwrap().addr())).await;
}

#[tokio::test]
async fn every_interop_case_passes_through_two() {
    let server = transport::serve(ANY_PORT, None).await.unwrap();
    let servers = inbound(&server).await;
    let clients = outbound("127.0.0.1", servers.inbound().unwrap()).await;
    every_case(Endpoint::plain(clients.outbound().unwrap().addr())).await;
}

#[tokio::test]
async fn an_application_speaks_every_protocol_behind_one() {
    within(async {
        let app = greeter(settings()).await;
        let agent = inbound(&app).await;
        let server = agent.inbound().unwrap();
        let answer = get(server, "/v1/hello/Ada?language=de").await;
        assert_eq!(answer.text(), r#"{"greeting":"Hallo, Ada!"}"#);
        let path = "/hello.v1.HelloService/SayHello";
        let answer = json(server, Method::POST, path, r#"{"name": "Ada"}"#).await;
        assert_eq!(answer.text(), r#"{"greeting":"Hello, Ada!"}"#);
        assert_eq!(get(server, "/hello/docs").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_outbound_port_takes_calls_by_the_services_name() {
    within(async {
        let hello = greeter(settings()).await;
        let agent = outbound("hello", &hello).await;
        let answer = client(&agent, "HELLO:50051").say_hello(named("Ada")).await.unwrap();
        assert_eq!(answer.into_inner().greeting, "Hello, Ada!");
        let refused = client(&agent, "wrold").say_hello(named("Ada")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert_eq!(refused.message(), "no upstream is called \"wrold\"; known are: hello");
    })
    .await;
}
