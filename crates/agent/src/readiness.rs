//! Whether calls should come here, and if not, why.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by what finds out and by who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// Not ready, if there is a reason.
    Open(Option<String>),
    Draining,
}

impl Readiness {
    pub(crate) fn starting() -> Self {
        Self(Arc::new(Mutex::new(State::Open(Some("starting".to_owned())))))
    }

    /// Says that it is ready, or why it is not; whether that is something new. A drain is final.
    pub(crate) fn set(&self, not_ready: Option<String>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(known) if *known != not_ready => {
                *known = not_ready;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn drain(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Draining;
    }

    /// Why it is not ready, if it is not.
    pub(crate) fn not_ready(&self) -> Option<String> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open(why) => why.clone(),
            State::Draining => Some("draining".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_final() {
        let readiness = Readiness::starting();
        assert_eq!(readiness.not_ready().as_deref(), Some("starting"));
        assert!(readiness.set(None));
        assert!(!readiness.set(None));
        assert_eq!(readiness.not_ready(), None);
        readiness.drain();
        assert!(!readiness.set(None));
        assert_eq!(readiness.not_ready().as_deref(), Some("draining"));
    }
}
