use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many received messages are remembered.
const REMEMBERED: usize = 256;

/// Decides, message by message, what is compressed, and tells what came compressed.
///
/// Few need it: the settings of the layers decide well for whole calls.
///
/// A client puts one into the extensions of its request. A handler finds one in the extensions of
/// its request, if the server was told so (`per_message`). Clones are handles on the same call;
/// use a new one for each call.
///
/// A message that must be compressed is so whatever its size. In a call whose two sides have no
/// encoding in common, all are sent as they are.
#[derive(Clone, Debug, Default)]
pub struct MessageCompression {
    queues: Arc<Mutex<Queues>>,
}

#[derive(Debug, Default)]
struct Queues {
    send: VecDeque<bool>,
    received: VecDeque<bool>,
}

impl MessageCompression {
    /// A handle for one call.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how the next message is to be sent, or, called again, the one after it. Messages for
    /// which nothing was said are sent as the setting says.
    pub fn send_next(&self, compressed: bool) {
        self.lock().send.push_back(compressed);
    }

    /// Whether the next message, in the order in which they were received, came compressed;
    /// `None` if none has come since. Only the last 256 messages are remembered.
    pub fn next_received(&self) -> Option<bool> {
        self.lock().received.pop_front()
    }

    pub(super) fn take_send(&self) -> Option<bool> {
        self.lock().send.pop_front()
    }

    pub(super) fn record(&self, compressed: bool) {
        let received = &mut self.lock().received;
        if received.len() == REMEMBERED {
            received.pop_front();
        }
        received.push_back(compressed);
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
