//! The peer: the same services on tonic's own server, started as tonic's documentation starts it.

use contracts::hello::v1::hello_service_server::HelloServiceServer;
use testkit::interop::proto::test_service_server::TestServiceServer;
use testkit::interop::server::Interop;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    // What `serve` does, but for the port, which the system chooses here.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = match std::env::args().nth(1).as_deref() {
        Some("hello") => Server::builder().add_service(HelloServiceServer::new(greeter::Greeter)),
        Some("echo") => Server::builder().add_service(TestServiceServer::new(Interop)),
        _ => anyhow::bail!("usage: tonic-server hello|echo"),
    };
    server.serve_with_incoming(incoming).await?;
    Ok(())
}
