//! The interop service on Ahoy's server, as a service's `main` starts it, on a free port.

use std::net::{Ipv4Addr, SocketAddr};

use ahoy::Server;
use ahoy::server::{ServerSettings, Signals};
use ahoy::telemetry;
use testkit::interop::DESCRIPTOR_SET;
use testkit::interop::proto::test_service_server::TestServiceServer;
use testkit::interop::server::Interop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&telemetry::Settings::from_env("echo")?)?;
    let mut signals = Signals::new()?;
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let settings =
        ServerSettings { listen: free, admin: Some(free), ..ServerSettings::from_env()? };
    let server = Server::new("echo")
        .contracts(DESCRIPTOR_SET)
        .service(TestServiceServer::new(Interop))
        .settings(settings)
        .start()
        .await?;
    println!("listening on {}", server.addr());
    server.drain_on(&mut signals).await;
    Ok(())
}
