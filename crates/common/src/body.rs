//! Bodies as the stacks pass them.

/// A boxed body of bytes whose errors are statuses. It is what generated tonic code takes and
/// gives, and where each stack boxes, once, at its end.
pub type Body = tonic::body::Body;
