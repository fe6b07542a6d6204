//! A client under test of the Connect conformance suite: it reads calls on its standard input,
//! makes them, several at a time, and writes on its standard output how each went.

use std::io::{stdin, stdout};
use std::sync::Arc;

use testkit::conformance::{self, client, proto};
use tokio::sync::{Semaphore, mpsc};

/// Calls at a time.
const PARALLEL: usize = 8;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (done, mut results) = mpsc::unbounded_channel();
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(result) = results.blocking_recv() {
            let result: proto::ClientCompatResponse = result;
            conformance::write(&mut stdout().lock(), &result)?;
        }
        std::io::Result::Ok(())
    });
    let (calls, mut requests) = mpsc::channel::<proto::ClientCompatRequest>(1);
    let reader = tokio::task::spawn_blocking(move || {
        while let Some(request) = conformance::read(&mut stdin().lock())? {
            if calls.blocking_send(request).is_err() {
                break;
            }
        }
        std::io::Result::Ok(())
    });
    let places = Arc::new(Semaphore::new(PARALLEL));
    while let Some(request) = requests.recv().await {
        let place = Arc::clone(&places).acquire_owned().await?;
        let done = done.clone();
        tokio::spawn(async move {
            let _ = done.send(client::run(request).await);
            drop(place);
        });
    }
    drop(done);
    reader.await??;
    writer.await??;
    Ok(())
}
