//! Which fields have been there.

/// A bit for each, without allocation for messages of as many fields as people write.
#[derive(Default)]
pub(crate) struct Seen {
    first: u64,
    second: u64,
    rest: Vec<u64>,
}

impl Seen {
    /// Sets the bit, and says whether it was set before.
    #[inline]
    pub(crate) fn set(&mut self, slot: u32) -> bool {
        let bit = 1 << (slot % 64);
        let word = match slot / 64 {
            0 => &mut self.first,
            1 => &mut self.second,
            far => match self.far(far as usize - 2) {
                Some(word) => word,
                None => return false,
            },
        };
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    #[cold]
    fn far(&mut self, index: usize) -> Option<&mut u64> {
        if self.rest.len() <= index {
            self.rest.resize(index + 1, 0);
        }
        self.rest.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn each_bit_is_set_once() {
        let mut seen = Seen::default();
        for slot in [0, 63, 64, 127, 128, 1000] {
            assert!(!seen.set(slot));
            assert!(seen.set(slot));
        }
        assert!(!seen.set(129));
    }
}
