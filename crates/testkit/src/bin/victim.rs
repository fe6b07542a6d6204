//! Serves grpc.testing.TestService on a free port of loopback, as the environment says, to be
//! attacked: it prints its address, and ends when its standard input does.

use std::io::{Read, stdin};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::abort;

use ahoy::Server;
use ahoy::server::ServerSettings;
use testkit::interop::{DESCRIPTOR_SET, server};

/// What our programs use; with another, memory would be measured that nobody has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    // No handler here panics: whoever does is ours, and must not go unnoticed.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        abort();
    }));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let settings = ServerSettings { listen, admin: None, ..ServerSettings::from_env()? };
    let server = Server::new("victim")
        .contracts(DESCRIPTOR_SET)
        .service(server::service())
        .settings(settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = runtime.block_on(server.start())?;
    println!("{}", running.addr());
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
