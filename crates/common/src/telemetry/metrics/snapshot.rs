//! What a registry held at one moment, for whoever writes it out.

use std::borrow::Cow;
use std::sync::Arc;

/// Names as OpenTelemetry writes them, with dots.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The series of one name.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: Cow<'static, str>,
    /// In UCUM, as OpenTelemetry wants it: `s`, `By`, `{call}`; empty for none.
    pub(crate) unit: Cow<'static, str>,
    pub(crate) help: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) series: Vec<Series>,
}

/// How the values of a family move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
    Histogram,
}

#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Histogram {
        /// Upper, inclusive, ascending.
        bounds: Arc<[f64]>,
        /// One more than bounds; not cumulative.
        buckets: Vec<u64>,
        sum: f64,
    },
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Number(count as f64)
    }
}
