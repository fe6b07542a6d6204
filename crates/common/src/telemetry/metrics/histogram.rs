//! Histograms with the fixed bounds of gRFC A66.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Durations: upper bounds in nanoseconds.
pub(super) const DURATION_BOUNDS: [u64; 41] = [
    0,
    10_000,
    50_000,
    100_000,
    300_000,
    600_000,
    800_000,
    1_000_000,
    2_000_000,
    3_000_000,
    4_000_000,
    5_000_000,
    6_000_000,
    8_000_000,
    10_000_000,
    13_000_000,
    16_000_000,
    20_000_000,
    25_000_000,
    30_000_000,
    40_000_000,
    50_000_000,
    65_000_000,
    80_000_000,
    100_000_000,
    130_000_000,
    160_000_000,
    200_000_000,
    250_000_000,
    300_000_000,
    400_000_000,
    500_000_000,
    650_000_000,
    800_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    20_000_000_000,
    50_000_000_000,
    100_000_000_000,
];

/// Sizes: upper bounds in bytes.
pub(super) const SIZE_BOUNDS: [u64; 14] = [
    0,
    1_024,
    2_048,
    4_096,
    16_384,
    65_536,
    262_144,
    1_048_576,
    4_194_304,
    16_777_216,
    67_108_864,
    268_435_456,
    1_073_741_824,
    4_294_967_296,
];

/// How often values fell below each of `N - 1` bounds, or above the last.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
}

/// Of durations, in nanoseconds.
pub(super) type Durations = Histogram<{ DURATION_BOUNDS.len() + 1 }>;
/// Of sizes, in bytes.
pub(super) type Sizes = Histogram<{ SIZE_BOUNDS.len() + 1 }>;

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }
}

impl<const N: usize> Histogram<N> {
    /// Counts a value. Bounds belong to the bucket below them, as in Prometheus' `le`.
    pub(super) fn record(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.partition_point(|&bound| bound < value);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    /// Adds what was counted here to `total`.
    pub(super) fn add_to(&self, total: &mut Counts) {
        total.buckets.resize(N, 0);
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        total.sum += self.sum.load(Relaxed);
    }
}

/// The histograms of all workers added up.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// One more than there are bounds; not cumulative.
    pub(super) buckets: Vec<u64>,
    pub(super) sum: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_bound_is_inclusive_and_the_last_bucket_has_none() {
        let sizes = Sizes::default();
        for value in [0, 1, 1_024, 1_025, u64::MAX / 2] {
            sizes.record(&SIZE_BOUNDS, value);
        }
        let mut counts = Counts::default();
        sizes.add_to(&mut counts);
        assert_eq!(counts.buckets[..3], [1, 2, 1]);
        assert_eq!(counts.buckets.last(), Some(&1));
        assert_eq!(counts.sum, 2_050 + u64::MAX / 2);
    }

    #[test]
    fn bounds_ascend() {
        assert!(DURATION_BOUNDS.is_sorted() && SIZE_BOUNDS.is_sorted());
    }
}
