//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), in and out.

use http::HeaderValue;

/// A `traceparent` and its `tracestate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace: 16 bytes, never zero.
    pub trace_id: u128,
    /// The span that caused this one: 8 bytes, never zero.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
    /// The vendors' list, passed on as it came.
    pub state: Option<HeaderValue>,
}
