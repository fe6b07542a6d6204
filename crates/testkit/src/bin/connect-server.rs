//! A server under test of the Connect conformance suite: it reads on its standard input what to
//! serve, writes on its standard output where, and serves until it is told to end by a signal.

use std::io::{stdin, stdout};

use ahoy::server::Signals;
use anyhow::Context;
use testkit::conformance::{self, proto, server::Serving};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let request: proto::ServerCompatRequest =
        conformance::read(&mut stdin().lock())?.context("nothing on standard input")?;
    let serving = Serving::start(&request).await?;
    conformance::write(&mut stdout().lock(), &serving.response())?;
    serving.running().drain_on(&mut signals).await;
    Ok(())
}
