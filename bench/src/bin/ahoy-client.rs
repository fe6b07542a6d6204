//! Ahoy's channel on a runtime such as a worker's.

use bench::client::{self, Args};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut channels = Vec::new();
    for _ in 0..args.channels {
        let channel = ahoy::Channel::new(&args.url)?;
        channel.connect().await?;
        channels.push(channel);
    }
    client::run(&args, &channels).await
}
