//! One number of many bytes, the same on every machine: what a made up answer depends on.

/// FNV-1a, of 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325).with(&seed.to_le_bytes())
    }

    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let step =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}
