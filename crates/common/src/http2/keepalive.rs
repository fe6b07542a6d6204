//! Asks a silent peer for a sign of life.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::connection::Connection;
use super::transport::Transport;
use crate::seldom::Seldom;

/// When to ask, and whether it was in vain.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    interval: Duration,
    patience: Duration,
    /// Whether connections without streams are asked too.
    idle: bool,
    asked: bool,
    sleep: Pin<Box<Seldom<Sleep>>>,
}

impl KeepAlive {
    pub(crate) fn new(interval: Duration, patience: Duration, idle: bool) -> Self {
        let sleep = Box::pin(Seldom::new(sleep(interval)));
        Self { interval, patience, idle, asked: false, sleep }
    }

    /// Resolves when the peer was asked and nothing has come from it since: any whole frame is a
    /// sign of life, as single bytes are not, and neither are frames of a peer that takes nothing
    /// of what it asked for.
    pub(crate) fn poll_lost<S>(
        &mut self,
        transport: &mut Transport<S>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let stuck = transport.is_stuck();
            let wait = transport.connection().with(|connection| self.look(connection, stuck));
            let Some(wait) = wait else { return Poll::Ready(()) };
            let now = Instant::now();
            // A longer time than there is does not end.
            let next = now.checked_add(wait).unwrap_or(now + Duration::from_secs(1 << 30));
            self.sleep.as_mut().change().reset(next);
        }
    }

    /// How long to wait now; `None`: it was in vain.
    fn look(&mut self, connection: &mut Connection, stuck: bool) -> Option<Duration> {
        let heard = connection.heard() && !stuck;
        if heard || (!self.idle && connection.open() == 0) {
            self.asked = false;
            return Some(self.interval);
        }
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        connection.ask();
        Some(self.patience)
    }
}
