//! What is found by the name of a method or of a service, as every call looks for it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Values by names of the contracts.
pub(crate) type ByPath<V> = HashMap<Box<str>, V, BuildHasherDefault<PathHasher>>;

/// Eight bytes at a time, folded by a multiplication. Keys come from contracts, so nobody can
/// choose them to collide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathHasher(u64);

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
