//! Loads servers with streams. It is tonic's channel on one thread: a load that takes little of
//! the machine, and none of what is compared.

use bench::client::{self, Args};
use clap::Parser;
use tonic::transport::Endpoint;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut channels = Vec::new();
    for _ in 0..args.channels {
        channels.push(Endpoint::new(args.url.clone())?.connect().await?);
    }
    client::run(&args, &channels).await
}
