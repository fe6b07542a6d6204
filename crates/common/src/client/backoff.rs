//! When to try again to connect, by gRPC's "Connection Backoff Protocol".

use std::time::{Duration, Instant};

const MULTIPLIER: f64 = 1.6;
const JITTER: f64 = 0.2;

/// The waits between attempts to connect to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, failures: 0, not_before: None }
    }

    /// Whether an attempt may begin.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| time <= now)
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, now: Instant) {
        let wait = self.base.as_secs_f64() * MULTIPLIER.powi(self.failures.min(64) as i32);
        let jitter = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        let wait = wait.min(self.max.as_secs_f64()) * jitter;
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(Duration::from_secs_f64(wait));
    }

    /// The next attempt may begin now; the wait after it is as long as it would have been.
    pub(super) fn cut_short(&mut self) {
        self.not_before = None;
    }

    /// An attempt succeeded: the next wait is the first again.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_limit_with_jitter_and_starts_over() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));
        for expected in [1.0, 1.6, 2.56, 4.096] {
            backoff.failed(now);
            assert!(!backoff.is_over(now + Duration::from_secs_f64(expected * 0.79)));
            assert!(backoff.is_over(now + Duration::from_secs_f64(expected * 1.21)));
        }
        for _ in 0..100 {
            backoff.failed(now);
        }
        assert!(backoff.is_over(now + Duration::from_secs(145)));
        assert!(!backoff.is_over(now + Duration::from_secs(95)));
        backoff.succeeded();
        assert!(backoff.is_over(now));
    }
}
