//! Asks a connection for signs of life.

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

use super::pool::Load;

/// Resolves when a ping was not answered in time. Pings go out while there are calls.
pub(super) async fn lost(mut pings: PingPong, interval: Duration, patience: Duration, load: &Load) {
    loop {
        sleep(interval).await;
        if load.streams() > 0
            && !matches!(timeout(patience, pings.ping(Ping::opaque())).await, Ok(Ok(_)))
        {
            return;
        }
    }
}
