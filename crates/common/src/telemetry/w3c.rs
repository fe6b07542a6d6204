//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), in and out, and the
//! [baggage](https://www.w3.org/TR/baggage/) that travels with it.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use http::header::{GetAll, HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// `VERSION-TRACE_ID-SPAN_ID-FLAGS`
const TRACEPARENT_LEN: usize = 55;

const SAMPLED: u8 = 0b01;
/// Level 2: the trace id is random in its last seven bytes.
const RANDOM: u8 = 0b10;

/// Trace Context, "tracestate header": at most 32 members.
const MAX_MEMBERS: usize = 32;

/// A `traceparent` and its `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace: 16 bytes, never zero.
    pub trace_id: u128,
    /// The span that caused this one: 8 bytes, never zero.
    pub span_id: u64,
    /// Bit 0: sampled. Bit 1: the trace id is random. The others are zero.
    pub flags: u8,
    /// The vendors' list, passed on as it came.
    pub state: Option<HeaderValue>,
    /// What applications along the way attached (W3C Baggage), passed on as it came. Never
    /// logged.
    pub baggage: Option<HeaderValue>,
}

impl TraceContext {
    /// Begins a trace.
    pub fn new_root(sampled: bool) -> Self {
        Ids::with(|ids| Self {
            trace_id: ids.trace_id(),
            span_id: ids.span_id(),
            flags: RANDOM | if sampled { SAMPLED } else { 0 },
            state: None,
            baggage: None,
        })
    }

    /// The same trace with a span id of its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: Ids::with(Ids::span_id), ..self.clone() }
    }

    /// Whether the caller may have recorded the trace.
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Reads the context that a request came with. `None` when there is no `traceparent`, more
    /// than one, or one that breaks the format; a `tracestate` that breaks it is left out alone.
    pub fn extract(headers: &HeaderMap) -> Option<Self> {
        let parent = headers.get(&TRACEPARENT)?;
        let mut context = Self::parse_traceparent(parent.as_bytes())?;
        if headers.get_all(&TRACEPARENT).iter().nth(1).is_some() {
            return None;
        }
        context.state = joined(headers.get_all(&TRACESTATE)).filter(valid_tracestate);
        context.baggage = joined(headers.get_all(&BAGGAGE));
        Some(context)
    }

    /// Writes the context into a request, in place of one that it may carry.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Ok(parent) = HeaderValue::from_bytes(&self.traceparent()) {
            headers.insert(TRACEPARENT, parent);
        }
        match &self.state {
            Some(state) => drop(headers.insert(TRACESTATE, state.clone())),
            // A list must not travel with a parent that it does not belong to.
            None => drop(headers.remove(&TRACESTATE)),
        }
        if let Some(baggage) = &self.baggage {
            headers.insert(BAGGAGE, baggage.clone());
        }
    }

    /// Reads a `traceparent`. A version to come may append fields, which are ignored.
    pub fn parse_traceparent(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(TRACEPARENT_LEN)?;
        let version = hex(known.get(..2)?)?;
        if version == 0xff || (version == 0 && !rest.is_empty()) {
            return None;
        }
        if !rest.is_empty() && rest.first() != Some(&b'-') {
            return None;
        }
        if [2, 35, 52].iter().any(|&at| known.get(at) != Some(&b'-')) {
            return None;
        }
        let trace_id = hex(known.get(3..35)?)?;
        let span_id = u64::try_from(hex(known.get(36..52)?)?).ok()?;
        let flags = u8::try_from(hex(known.get(53..55)?)?).ok()? & (SAMPLED | RANDOM);
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self { trace_id, span_id, flags, state: None, baggage: None })
    }

    /// The `traceparent`, in version 00.
    pub fn traceparent(&self) -> [u8; TRACEPARENT_LEN] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let mut put = |range: std::ops::Range<usize>, mut value: u128| {
            for byte in out.get_mut(range).into_iter().flatten().rev() {
                *byte = HEX.get((value & 0xf) as usize).copied().unwrap_or(b'0');
                value >>= 4;
            }
        };
        put(3..35, self.trace_id);
        put(36..52, self.span_id.into());
        put(53..55, self.flags.into());
        out
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Reads lower-case hexadecimal digits, at most 32.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// A list may be spread over several headers, whose order counts (RFC 9110, section 5.3).
fn joined(values: GetAll<'_, HeaderValue>) -> Option<HeaderValue> {
    let mut values = values.iter();
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(first.clone());
    };
    let mut all = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        all.push(b',');
        all.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}

/// Trace Context, section "list": `KEY=VALUE` with optional white space around, empty members
/// allowed.
fn valid_tracestate(value: &HeaderValue) -> bool {
    let mut members = 0;
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).all(|member| {
        if member.is_empty() {
            return true;
        }
        members += 1;
        let Some(equals) = member.iter().position(|&byte| byte == b'=') else {
            return false;
        };
        let (key, value) = member.split_at(equals);
        members <= MAX_MEMBERS && valid_key(key) && valid_value(value.get(1..).unwrap_or_default())
    })
}

fn valid_key(key: &[u8]) -> bool {
    key.len() <= 256
        && key.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && key.iter().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte)
        })
}

fn valid_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'=')
}

/// Identifiers need to be unlike those of other processes, not secret: two generators a thread,
/// seeded by the operating system through [`RandomState`], so that a trace id holds 128 bits.
struct Ids {
    high: fastrand::Rng,
    low: fastrand::Rng,
}

impl Ids {
    fn new() -> Self {
        let seed = |of: u8| fastrand::Rng::with_seed(RandomState::new().hash_one(of));
        Self { high: seed(0), low: seed(1) }
    }

    fn with<R>(run: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static IDS: RefCell<Ids> = RefCell::new(Ids::new());
        }
        IDS.with_borrow_mut(run)
    }

    fn trace_id(&mut self) -> u128 {
        u128::from(self.high.u64(..)) << 64 | u128::from(self.low.u64(1..))
    }

    fn span_id(&mut self) -> u64 {
        self.low.u64(1..)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_traceparent_is_read_and_written_back() {
        let context = TraceContext::parse_traceparent(PARENT.as_bytes()).unwrap();
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(context.sampled());
        assert_eq!(context.traceparent(), PARENT.as_bytes());
    }

    #[test]
    fn what_breaks_the_format_is_refused() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse_traceparent(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_version_to_come_may_append_and_only_known_flags_are_kept() {
        let long = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes";
        let context = TraceContext::parse_traceparent(long.as_bytes()).unwrap();
        assert_eq!(context.flags, 3);
        let short = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        assert!(!TraceContext::parse_traceparent(short.as_bytes()).unwrap().sampled());
    }

    #[test]
    fn state_and_baggage_travel_with_the_parent() {
        let came = headers(&[
            ("traceparent", PARENT),
            ("tracestate", "congo=t61rcWkgMzE"),
            ("tracestate", " rojo=00f067aa0ba902b7,,"),
            ("baggage", "user=7"),
        ]);
        let context = TraceContext::extract(&came).unwrap();
        let mut goes = headers(&[("traceparent", "old"), ("tracestate", "old=1")]);
        context.child().inject(&mut goes);
        assert_eq!(goes["tracestate"], "congo=t61rcWkgMzE, rojo=00f067aa0ba902b7,,");
        assert_eq!(goes["baggage"], "user=7");
        let arrived = TraceContext::extract(&goes).unwrap();
        assert_eq!(arrived.trace_id, context.trace_id);
        assert_ne!(arrived.span_id, context.span_id);
    }

    #[test]
    fn a_bad_state_is_left_out_alone() {
        let many = vec!["k=v"; MAX_MEMBERS + 1].join(",");
        for bad in ["Congo=1", "congo", "congo=a=b", "=1", "congo=", many.as_str()] {
            let context =
                TraceContext::extract(&headers(&[("traceparent", PARENT), ("tracestate", bad)]));
            assert_eq!(context.unwrap().state, None, "{bad}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let twice = headers(&[("traceparent", PARENT), ("traceparent", PARENT)]);
        assert_eq!(TraceContext::extract(&twice), None);
    }

    #[test]
    fn roots_differ() {
        let (one, two) = (TraceContext::new_root(true), TraceContext::new_root(false));
        assert_ne!(one.trace_id, two.trace_id);
        assert!(one.sampled() && !two.sampled());
        assert_eq!(
            TraceContext::parse_traceparent(&one.traceparent()).unwrap().traceparent(),
            one.traceparent()
        );
    }
}
