use std::fmt;

use crate::json::Trail;

/// What is wrong with a message on the wire, and where.
pub struct WireError(Box<Inner>);

struct Inner {
    offset: usize,
    trail: Trail,
    reason: String,
    over_limit: bool,
}

impl WireError {
    pub(crate) fn new(offset: usize, reason: impl Into<String>) -> Self {
        let (trail, reason) = (Trail::default(), reason.into());
        Self(Box::new(Inner { offset, trail, reason, over_limit: false }))
    }

    pub(crate) fn over_limit(offset: usize, reason: impl Into<String>) -> Self {
        let mut error = Self::new(offset, reason);
        error.0.over_limit = true;
        error
    }

    /// Whether the message is only larger than it may be, in bytes of JSON or in values.
    pub fn is_over_limit(&self) -> bool {
        self.0.over_limit
    }

    /// The byte that it was found at, from the message's first.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The field that it was found in, such as `items[3].price`; empty for the message itself.
    pub fn path(&self) -> String {
        self.0.trail.to_string()
    }

    /// What is wrong, without where.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    pub(crate) fn trail(&mut self) -> &mut Trail {
        &mut self.0.trail
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { offset, trail, reason, .. } = &*self.0;
        if trail.is_empty() {
            write!(f, "byte {offset}: {reason}")
        } else {
            write!(f, "byte {offset}: {trail}: {reason}")
        }
    }
}

impl fmt::Debug for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireError({self})")
    }
}

impl std::error::Error for WireError {}

/// Bytes that are no wire format at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Ends,
    Varint,
    Tag,
    Group,
    Depth,
}

impl Malformed {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Ends => "the message ends within a field",
            Self::Varint => "a varint is longer than ten bytes",
            Self::Tag => "no field has such a tag",
            Self::Group => "a group does not end as it began",
            Self::Depth => "nested too deeply",
        }
    }
}

/// Why a walk over a message ended early.
pub(crate) enum Stop {
    /// A field that was over came again: its parts have to be brought together first.
    Scattered,
    Failed(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Failed(error)
    }
}
