//! What passes through an agent, on the way in and on the way out.

use agent::{Agent, Inbound, Outbound, Routes, RunningAgent};
use ahoy::policy::{Cluster, Host, Policy};
use ahoy::server::{Running, ServerSettings};
use http::Method;
use testkit::interop::transport::{self, Endpoint};

use crate::interop::every_case;
use crate::rest::http_client::{get, json};
use crate::support::{ANY_PORT, get_at, greeter, settings, within};

/// An agent for what comes in for an application.
async fn inbound(app: &Running) -> RunningAgent {
    let inbound = Inbound { listen: ANY_PORT, app: app.addr().to_string() };
    start(Agent { inbound: Some(inbound), ..Agent::default() }).await
}

/// An agent for what an application calls.
async fn outbound(name: &str, upstream: &Running) -> RunningAgent {
    let cluster = Cluster::new(name, [Host::Address(upstream.addr())]);
    let outbound = Outbound { listen: ANY_PORT, routes: Routes::Given(Policy::of([cluster])) };
    start(Agent { outbound: Some(outbound), ..Agent::default() }).await
}

async fn start(agent: Agent) -> RunningAgent {
    let server = ServerSettings { admin: None, ..settings() };
    Agent { server, ..agent }.start().await.unwrap()
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
async fn readiness_follows_the_application() {
    within(async {
        let app = greeter(settings()).await;
        let inbound = Inbound { listen: ANY_PORT, app: app.addr().to_string() };
        let agent =
            start(Agent { inbound: Some(inbound), admin: Some(ANY_PORT), ..Agent::default() })
                .await;
        let admin = agent.admin().unwrap().addr();
        assert_eq!(get_at(admin, "/readyz").await.status, 200);
        app.drain().await;
        // It is asked once a second.
        while get_at(admin, "/readyz").await.status == 200 {
            tokio::task::yield_now().await;
        }
        assert_eq!(get_at(admin, "/livez").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_agent_is_alive_and_not_ready_while_it_waits_for_its_application() {
    within(async {
        // Bound, and nobody answers.
        let nobody = tokio::net::TcpListener::bind(ANY_PORT).await.unwrap();
        let admin = tokio::net::TcpListener::bind(ANY_PORT).await.unwrap().local_addr().unwrap();
        let inbound = Inbound { listen: ANY_PORT, app: nobody.local_addr().unwrap().to_string() };
        let agent = Agent { inbound: Some(inbound), admin: Some(admin), ..Agent::default() };
        let starting = tokio::spawn(agent.start());
        while tokio::net::TcpStream::connect(admin).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(get_at(admin, "/livez").await.status, 200);
        assert_eq!(get_at(admin, "/readyz").await.status, 503);
        starting.abort();
    })
    .await;
}
