//! Values that workers write without sharing a cache line.

use std::sync::OnceLock;

use crate::worker;

/// A value a core, each in its own cache lines. Workers beyond the machine's cores, and threads
/// that are none, write where another does.
#[derive(Debug)]
pub(super) struct Sharded<T> {
    first: Padded<T>,
    others: Box<[Padded<T>]>,
}

/// Two lines of 64 bytes, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self { first: Padded::default(), others: (1..cores()).map(|_| Padded::default()).collect() }
    }
}

impl<T> Sharded<T> {
    /// The value that this thread writes.
    pub(super) fn mine(&self) -> &T {
        let count = 1 + self.others.len();
        let index = worker::slot() % count;
        &self.others.get(index.wrapping_sub(1)).unwrap_or(&self.first).0
    }

    /// All of them, to add up.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others).map(|padded| &padded.0)
    }
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
