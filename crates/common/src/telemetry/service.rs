//! Which service the code running now belongs to.
//!
//! One process may run several services (`ahoy up` does), and a log line must tell them apart. So
//! the layers name the service around each poll, as they do with [`crate::CallContext`], and the
//! log reads it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

thread_local! {
    static CURRENT: Cell<Option<ServiceName>> = const { Cell::new(None) };
}

/// The short name of a service. Copying it costs nothing; each different name is kept in memory
/// for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceName(&'static str);

impl ServiceName {
    /// Takes a name.
    pub fn new(name: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        Self(names.get(name).copied().unwrap_or_else(|| {
            let name: &'static str = Box::leak(Box::from(name));
            names.insert(name);
            name
        }))
    }

    /// The name as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The service that the code running now belongs to, if it runs within [`ServiceName::enter`].
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Runs a closure as part of this service.
    pub fn enter<R>(self, run: impl FnOnce() -> R) -> R {
        struct Restore(Option<ServiceName>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        run()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_innermost_service_counts_and_the_outer_one_comes_back() {
        let (outer, inner) = (ServiceName::new("outer"), ServiceName::new("inner"));
        outer.enter(|| {
            inner.enter(|| assert_eq!(ServiceName::current(), Some(inner)));
            assert_eq!(ServiceName::current(), Some(outer));
        });
        assert_eq!(ServiceName::current(), None);
    }

    #[test]
    fn a_name_is_kept_once() {
        let (one, two) = (ServiceName::new("same"), ServiceName::new(&String::from("same")));
        assert!(std::ptr::eq(one.as_str(), two.as_str()));
    }
}
