//! What goes on with a connection after its last answer: a protocol that took it over.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

/// Where a protocol leaves what it runs on the connection from then on, for the connection to run
/// to its end. Among a request's extensions, where the connection can be taken over.
#[derive(Clone, Default)]
pub(crate) struct Takeover(Arc<Mutex<Option<Session>>>);

/// It ends with the connection.
type Session = BoxFuture<'static, ()>;

impl Takeover {
    pub(crate) fn leave(&self, session: Session) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    pub(crate) fn take(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
