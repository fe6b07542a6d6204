//! Which endpoint a call goes to. No sockets: what can be called, and how busy it is, is told.

use std::time::{Duration, Instant};

use twox_hash::XxHash64;

use crate::policy::{LbPolicy, SlowStart};

/// What a balancer asks of the endpoints of a cluster, by their index.
pub(super) trait Endpoints {
    fn weight(&self, index: usize) -> u32;

    /// Calls in flight.
    fn in_flight(&self, index: usize) -> usize;

    /// What it takes to answer, in nanoseconds: a moving average that follows peaks at once. Zero
    /// before the first answer.
    fn latency(&self, index: usize, now: Instant) -> f64;

    /// Since when it can be called.
    fn ready_since(&self, index: usize) -> Option<Instant>;
}

/// The endpoints that can be called.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// In ascending order.
    pub(super) indices: Vec<usize>,
    /// The largest weight among them.
    pub(super) heaviest: u32,
}

/// Chooses among endpoints that can be called.
#[derive(Debug)]
pub(super) struct Balancer {
    kind: Kind,
    slow_start: Option<SlowStart>,
}

#[derive(Debug)]
enum Kind {
    RoundRobin { turn: u64 },
    LeastRequest { choices: u32 },
    PeakEwma,
    RingHash { size: usize, ring: Vec<(u64, u32)> },
    PickFirst,
}

/// As many draws at most until one is not passed over because it has just become ready.
const DRAWS: usize = 4;

/// What is assumed to take longer than anything known, in nanoseconds.
const UNKNOWN: f64 = 1e15;

/// What a weight may be at most, so that turns do not overflow.
const MAX_WEIGHT: u64 = u32::MAX as u64;

impl Balancer {
    pub(super) fn new(policy: LbPolicy, slow_start: Option<SlowStart>) -> Self {
        let kind = match policy {
            // Channels that start together would all begin with the same endpoint.
            LbPolicy::RoundRobin => Kind::RoundRobin { turn: u64::from(fastrand::u32(..)) },
            LbPolicy::LeastRequest { choices } => Kind::LeastRequest { choices },
            LbPolicy::PeakEwma => Kind::PeakEwma,
            LbPolicy::RingHash { size } => Kind::RingHash { size, ring: Vec::new() },
            LbPolicy::PickFirst => Kind::PickFirst,
        };
        Self { kind, slow_start }
    }

    /// The endpoints are others than before; `hosts`: the address and the weight of each.
    pub(super) fn update<'a>(&mut self, hosts: impl Iterator<Item = (String, u32)> + 'a) {
        let Kind::RingHash { size, ring } = &mut self.kind else { return };
        let hosts: Vec<_> = hosts.collect();
        let total: u64 = hosts.iter().map(|(_, weight)| u64::from(*weight)).sum();
        ring.clear();
        for (index, (addr, weight)) in hosts.iter().enumerate() {
            // Every endpoint has a place, however small its share.
            let share = (*size as u64).saturating_mul(u64::from(*weight)) / total.max(1);
            for place in 0..share.max(1) {
                let hash = XxHash64::oneshot(0, format!("{addr}_{place}").as_bytes());
                ring.push((hash, u32::try_from(index).unwrap_or(u32::MAX)));
            }
        }
        ring.sort_unstable();
    }

    /// One that is ready; `None` if there is none. `hash` says what is to go to the same endpoint,
    /// where the policy is a hash's.
    pub(super) fn pick(
        &mut self,
        endpoints: &impl Endpoints,
        ready: &Ready,
        hash: Option<u64>,
    ) -> Option<usize> {
        if let [only] = ready.indices.as_slice() {
            return Some(*only);
        }
        let Some(slow_start) = self.slow_start else {
            return self.draw(endpoints, ready, hash);
        };
        let mut picked = None;
        for _ in 0..DRAWS {
            picked = self.draw(endpoints, ready, hash);
            let since = endpoints.ready_since(picked?);
            if since.is_none_or(|since| fastrand::f64() < slow_start.share(since.elapsed())) {
                break;
            }
        }
        picked
    }

    fn draw(
        &mut self,
        endpoints: &impl Endpoints,
        ready: &Ready,
        hash: Option<u64>,
    ) -> Option<usize> {
        match &mut self.kind {
            Kind::RoundRobin { turn } => in_turn(turn, endpoints, ready),
            Kind::LeastRequest { choices } => {
                let load = |index: usize| {
                    let weight = f64::from(endpoints.weight(index).max(1));
                    (endpoints.in_flight(index) as f64 + 1.0) / weight
                };
                least_of(*choices, &ready.indices, load)
            }
            Kind::PeakEwma => {
                let now = Instant::now();
                let cost = |index: usize| {
                    let latency = endpoints.latency(index, now);
                    let in_flight = endpoints.in_flight(index) as f64;
                    // One that has never answered is tried once, and then avoided until it does.
                    let latency = if latency > 0.0 { latency } else { UNKNOWN * in_flight };
                    let weight = f64::from(endpoints.weight(index).max(1));
                    latency * (in_flight + 1.0) / weight
                };
                least_of(2, &ready.indices, cost)
            }
            Kind::RingHash { ring, .. } => {
                let hash = hash.unwrap_or_else(|| fastrand::u64(..));
                let start = ring.partition_point(|(at, _)| *at < hash);
                let (before, after) = ring.split_at(start.min(ring.len()));
                let mut order = after.iter().chain(before).map(|(_, index)| *index as usize);
                order.find(|index| ready.indices.binary_search(index).is_ok())
            }
            Kind::PickFirst => ready.indices.first().copied(),
        }
    }
}

/// Weighted round robin in constant time: whoever has a smaller weight than the largest lets its
/// turn pass as often as its share says, evenly spread.
fn in_turn(turn: &mut u64, endpoints: &impl Endpoints, ready: &Ready) -> Option<usize> {
    let count = ready.indices.len() as u64;
    let most = u64::from(ready.heaviest.max(1));
    loop {
        *turn = turn.wrapping_add(1);
        let index = *ready.indices.get((*turn).checked_rem(count)? as usize)?;
        let weight = u64::from(endpoints.weight(index).max(1));
        if weight >= most {
            return Some(index);
        }
        // Between this round and the next, `weight * round / most` passes a whole number.
        let round = (*turn / count) % MAX_WEIGHT;
        if (weight * (round + 1)) / most > (weight * round) / most {
            return Some(index);
        }
    }
}

/// The power of two choices, or of more: a few at random, and of these the one with the least.
fn least_of(choices: u32, ready: &[usize], load: impl Fn(usize) -> f64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    let mut last = None;
    for _ in 0..choices.max(1) {
        let mut at = fastrand::usize(..ready.len().max(1));
        if last == Some(at) {
            at = (at + 1).checked_rem(ready.len())?;
        }
        last = Some(at);
        let index = *ready.get(at)?;
        let load = load(index);
        if best.is_none_or(|(_, least)| load < least) {
            best = Some((index, load));
        }
    }
    best.map(|(index, _)| index)
}

impl SlowStart {
    /// How much of its share an endpoint gets that became ready so long ago.
    fn share(&self, since: Duration) -> f64 {
        if since >= self.window {
            return 1.0;
        }
        let time = since.as_secs_f64() / self.window.as_secs_f64();
        time.powf(1.0 / self.aggression).max(self.min_share)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[derive(Default)]
    struct Fake {
        weights: Vec<u32>,
        in_flight: Vec<usize>,
        latency: Vec<f64>,
        since: Option<Instant>,
    }

    impl Endpoints for Fake {
        fn weight(&self, index: usize) -> u32 {
            self.weights.get(index).copied().unwrap_or(1)
        }

        fn in_flight(&self, index: usize) -> usize {
            self.in_flight.get(index).copied().unwrap_or(0)
        }

        fn latency(&self, index: usize, _: Instant) -> f64 {
            self.latency.get(index).copied().unwrap_or(0.0)
        }

        fn ready_since(&self, index: usize) -> Option<Instant> {
            self.since.filter(|_| index == 0)
        }
    }

    /// How often each of `count` endpoints is picked.
    fn picks(balancer: &mut Balancer, fake: &Fake, count: usize, times: usize) -> Vec<usize> {
        let heaviest = (0..count).map(|index| fake.weight(index)).max().unwrap();
        let ready = Ready { indices: (0..count).collect(), heaviest };
        let mut picked = vec![0; count];
        for _ in 0..times {
            picked[balancer.pick(fake, &ready, None).unwrap()] += 1;
        }
        picked
    }

    #[test]
    fn round_robin_is_exact_also_by_weight() {
        let mut balancer = Balancer::new(LbPolicy::RoundRobin, None);
        assert_eq!(picks(&mut balancer, &Fake::default(), 3, 300), [100, 100, 100]);
        let fake = Fake { weights: vec![1, 2, 5], ..Fake::default() };
        let mut balancer = Balancer::new(LbPolicy::RoundRobin, None);
        let picked = picks(&mut balancer, &fake, 3, 8000);
        for (picked, share) in picked.iter().zip([1000, 2000, 5000]) {
            assert!(picked.abs_diff(share) <= 2, "{picked} of {share}");
        }
    }

    #[test]
    fn least_request_avoids_the_busy_and_prefers_the_heavy() {
        let mut balancer = Balancer::new(LbPolicy::LeastRequest { choices: 2 }, None);
        let fake = Fake { in_flight: vec![9, 0, 9], ..Fake::default() };
        let picked = picks(&mut balancer, &fake, 3, 3000);
        // It is among two of three with a chance of two thirds, and then it is picked.
        assert!(picked[1] > 1700, "{picked:?}");
        let fake = Fake { weights: vec![1, 9], in_flight: vec![1, 1], ..Fake::default() };
        assert_eq!(picks(&mut balancer, &fake, 2, 100), [0, 100]);
    }

    #[test]
    fn peak_ewma_avoids_the_slow() {
        let mut balancer = Balancer::new(LbPolicy::PeakEwma, None);
        let fake = Fake { latency: vec![1e9, 1e6], ..Fake::default() };
        assert_eq!(picks(&mut balancer, &fake, 2, 100), [0, 100]);
        // The slow one is still worth it where the fast one is busy enough.
        let fake = Fake { latency: vec![1e7, 1e6], in_flight: vec![0, 99], ..Fake::default() };
        assert_eq!(picks(&mut balancer, &fake, 2, 100), [100, 0]);
    }

    #[test]
    fn a_ring_keeps_its_choice_when_others_come_and_go() {
        let mut balancer = Balancer::new(LbPolicy::RingHash { size: 1024 }, None);
        let host = |index: usize| (format!("10.0.0.{index}:1"), 1);
        balancer.update((0..10).map(host));
        let all = Ready { indices: (0..10).collect(), heaviest: 1 };
        let fake = Fake::default();
        let hash = |key: u64| XxHash64::oneshot(0, &key.to_le_bytes());
        let before: Vec<_> =
            (0..1000).map(|key| balancer.pick(&fake, &all, Some(hash(key))).unwrap()).collect();
        let without = Ready { indices: (0..10).filter(|index| *index != 3).collect(), heaviest: 1 };
        for (key, before) in (0..1000).zip(before) {
            let after = balancer.pick(&fake, &without, Some(hash(key))).unwrap();
            assert!(before == 3 || after == before, "{key} went from {before} to {after}");
            assert_ne!(after, 3);
        }
    }

    #[test]
    fn who_has_just_become_ready_gets_less() {
        let slow_start =
            SlowStart { window: Duration::from_secs(3600), aggression: 1.0, min_share: 0.1 };
        let fake = Fake { since: Some(Instant::now()), ..Fake::default() };
        let mut balancer = Balancer::new(LbPolicy::RoundRobin, Some(slow_start));
        let picked = picks(&mut balancer, &fake, 2, 1000);
        assert!(picked[0] < 200, "{picked:?}");
    }

    #[test]
    fn none_of_none() {
        for policy in [
            LbPolicy::RoundRobin,
            LbPolicy::LeastRequest { choices: 2 },
            LbPolicy::PeakEwma,
            LbPolicy::RingHash { size: 16 },
            LbPolicy::PickFirst,
        ] {
            let mut balancer = Balancer::new(policy, None);
            assert_eq!(balancer.pick(&Fake::default(), &Ready::default(), None), None);
        }
    }
}
