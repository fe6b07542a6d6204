//! How a call of an example ends.

use serde_json::Value;

/// The codes, each at the place of its number (gRPC's "Status codes and their use").
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a call ends.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// gRPC's number; 0 is OK.
    pub code: i32,
    /// What it says; `None` if that is left open.
    pub message: Option<String>,
    /// Its details, each an object with its `@type`.
    pub details: Vec<Value>,
}

impl Status {
    /// Whether the call succeeds.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// The code in words.
    pub fn code_name(&self) -> &'static str {
        code_name(self.code)
    }
}

/// A code in words.
pub fn code_name(code: i32) -> &'static str {
    let index = usize::try_from(code).ok();
    index.and_then(|index| CODES.get(index)).copied().unwrap_or("UNKNOWN")
}

/// The number of a code, from its name in any case or from a number.
pub(crate) fn code(value: &Value) -> Option<i32> {
    let number = match value {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok()?,
        Value::String(name) => CODES.iter().position(|code| code.eq_ignore_ascii_case(name))?,
        _ => return None,
    };
    if number < CODES.len() { i32::try_from(number).ok() } else { None }
}
