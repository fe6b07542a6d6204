//! What the tests have in common.

mod admin;
pub(crate) mod raw;
mod scripted;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ahoy::server::{Running, ServerSettings};
use ahoy::telemetry::Metrics;
use ahoy::{Channel, Server};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::hello_service_server::HelloServiceServer;
use contracts::hello::v1::{SayHelloRequest, SayHelloResponse};
use contracts::world::v1::world_service_client::WorldServiceClient;
use tokio::sync::mpsc;

pub(crate) use admin::{Page, get, get_at};
pub(crate) use scripted::Scripted;

/// A free port of this machine.
pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The time after which a test that still waits has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The output of a test, or a panic when it waits for what does not come.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, test).await.expect("waits for what does not come")
}

/// Settings on a free port, with nothing on the admin port.
pub(crate) fn settings() -> ServerSettings {
    ServerSettings { listen: ANY_PORT, admin: None, workers: 2, ..ServerSettings::default() }
}

/// Settings on a free port, and on another one for the operator.
pub(crate) fn settings_with_admin() -> ServerSettings {
    ServerSettings { admin: Some(ANY_PORT), ..settings() }
}

/// Starts a server, with metrics of its own.
pub(crate) async fn start(server: Server, settings: ServerSettings) -> Running {
    server.settings(settings).metrics(Metrics::new()).start().await.unwrap()
}

/// Starts the greeter.
pub(crate) async fn greeter(settings: ServerSettings) -> Running {
    start(greeter::server(), settings).await
}

/// Starts a hello service that does what it is told.
pub(crate) async fn scripted(hello: Scripted, settings: ServerSettings) -> Running {
    let server = Server::new("scripted").contracts(contracts::FILE_DESCRIPTOR_SET);
    start(server.service(HelloServiceServer::new(hello)), settings).await
}

/// Starts the caller of the hello service at `hello`.
pub(crate) async fn caller(hello: &Running, settings: ServerSettings) -> Running {
    start(caller::server(channel(hello)), settings).await
}

/// The URL of a server.
pub(crate) fn url(server: &Running) -> String {
    format!("http://{}", server.addr())
}

/// A channel to a server.
pub(crate) fn channel(server: &Running) -> Channel {
    Channel::new(url(server)).unwrap()
}

/// A client of a hello service.
pub(crate) fn hello(server: &Running) -> HelloServiceClient<Channel> {
    HelloServiceClient::new(channel(server))
}

/// A client of a world service.
pub(crate) fn world(server: &Running) -> WorldServiceClient<Channel> {
    WorldServiceClient::new(channel(server))
}

/// A request to greet `name`.
pub(crate) fn named(name: impl Into<String>) -> SayHelloRequest {
    SayHelloRequest { name: name.into(), ..SayHelloRequest::default() }
}

/// A greeting.
pub(crate) fn greeting(greeting: impl Into<String>) -> SayHelloResponse {
    SayHelloResponse { greeting: greeting.into() }
}

/// Makes guards that tell when they are dropped: one is given to what should not outlive its call.
#[derive(Clone)]
pub(crate) struct Guards(mpsc::UnboundedSender<()>);

/// Tells when it is dropped.
pub(crate) struct Guard(mpsc::UnboundedSender<()>);

/// Told by each guard.
pub(crate) struct Dropped(mpsc::UnboundedReceiver<()>);

impl Guards {
    pub(crate) fn new() -> (Self, Dropped) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Dropped(receiver))
    }

    pub(crate) fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nobody may listen any more.
        let _ = self.0.send(());
    }
}

impl Dropped {
    /// Resolves when a guard has been dropped, once for each.
    pub(crate) async fn one(&mut self) {
        self.0.recv().await.expect("no guard was made");
    }

    /// Whether a guard has been dropped that was not waited for.
    pub(crate) fn any(&mut self) -> bool {
        self.0.try_recv().is_ok()
    }
}
