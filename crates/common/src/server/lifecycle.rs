//! From starting to stopped.

use std::fmt;

use tokio::sync::watch;

/// Where a server stands. It only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not yet listening.
    #[default]
    Starting,
    /// Serving.
    Ready,
    /// Finishing what is in flight; its health is NOT_SERVING and it takes no new connection.
    Draining,
    /// Nothing is served; what was in flight is cut.
    Stopped,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        })
    }
}

/// The phase, told to the accept loop and to every worker. Each listener has a channel of its
/// own, since one that all connections poll would be a lock that workers share.
#[derive(Debug)]
pub(super) struct Lifecycle {
    listeners: Vec<watch::Sender<Phase>>,
}

impl Lifecycle {
    pub(super) fn new(listeners: usize) -> Self {
        Self { listeners: (0..listeners).map(|_| watch::Sender::default()).collect() }
    }

    /// The listener's own view. Numbers beyond those made share the last one's.
    pub(super) fn subscribe(&self, listener: usize) -> watch::Receiver<Phase> {
        match self.listeners.get(listener).or(self.listeners.last()) {
            Some(sender) => sender.subscribe(),
            None => watch::channel(Phase::Stopped).1,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.listeners.first().map_or(Phase::Stopped, |sender| *sender.borrow())
    }

    /// Goes on to `next`; stays where it is when it is already there or beyond.
    pub(super) fn advance(&self, next: Phase) {
        for listener in &self.listeners {
            listener.send_if_modified(|phase| {
                let forward = next > *phase;
                if forward {
                    *phase = next;
                }
                forward
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_goes_forward() {
        let lifecycle = Lifecycle::new(2);
        lifecycle.advance(Phase::Draining);
        lifecycle.advance(Phase::Ready);
        assert_eq!(lifecycle.phase(), Phase::Draining);
        assert_eq!(*lifecycle.subscribe(1).borrow(), Phase::Draining);
    }
}
