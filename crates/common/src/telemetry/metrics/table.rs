//! Finds what a call is counted in by the path of its request.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Which entry of a table a call is counted in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MethodId(u32);

impl MethodId {
    /// The entry of whatever is not known.
    pub(super) const OTHER: Self = Self(0);
}

/// Entries by the path of a request (`/package.Service/Method`); entry 0 is for the others.
#[derive(Clone, Debug)]
pub(super) struct Table<M> {
    ids: HashMap<Box<str>, MethodId, BuildHasherDefault<PathHasher>>,
    entries: Vec<M>,
    other: M,
}

impl<M> Table<M> {
    pub(super) fn new(other: M) -> Self {
        Self { ids: HashMap::default(), entries: Vec::new(), other }
    }

    /// `path` with or without its leading slash.
    pub(super) fn add(&mut self, path: &str, entry: impl FnOnce(&str) -> M) {
        let name = path.strip_prefix('/').unwrap_or(path);
        self.entries.push(entry(name));
        if let Ok(id) = u32::try_from(self.entries.len()) {
            self.ids.insert(format!("/{name}").into(), MethodId(id));
        }
    }

    pub(super) fn find(&self, path: &str) -> Option<MethodId> {
        self.ids.get(path).copied()
    }

    pub(super) fn get(&self, id: MethodId) -> &M {
        self.entries.get((id.0 as usize).wrapping_sub(1)).unwrap_or(&self.other)
    }
}

/// Eight bytes at a time, folded by a multiplication. Keys come from contracts, so nobody can
/// choose them to collide.
#[derive(Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let tail = rest.iter().fold(0, |tail, &byte| tail << 8 | u64::from(byte));
        self.write_u64(tail ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        let product =
            u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
