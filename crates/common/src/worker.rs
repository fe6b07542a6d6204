//! Which worker the current thread is.
//!
//! Whatever is kept per worker (upstream pools, metric shards) is found by this number, so that
//! workers share no cache line on the path of a call.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many slots there are. Two threads may share one: what a slot holds must bear it.
pub(crate) const SLOTS: usize = 64;

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(0) };
}

/// Makes the current thread a worker. Slot 0 is left to threads that are none.
pub(crate) fn enroll() {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SLOT.set(1 + NEXT.fetch_add(1, Ordering::Relaxed) % (SLOTS - 1));
}

/// The current thread's slot, below [`SLOTS`].
pub(crate) fn slot() -> usize {
    SLOT.get()
}
