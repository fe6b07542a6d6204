//! The peer as a client: tonic's own channel, used as tonic's documentation uses it.

use bench::client::{self, Args};
use clap::Parser;
use tonic::transport::Endpoint;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut channels = Vec::new();
    for _ in 0..args.channels {
        channels.push(Endpoint::new(args.url.clone())?.connect().await?);
    }
    client::run(&args, &channels).await
}
