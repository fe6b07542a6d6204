//! Examples of calls, as the documents show them.

use serde_json::Value;
use tonic::Code;

/// A call of a method, named.
#[derive(Clone, Debug)]
pub struct Example {
    /// A name that no other example of the method has.
    pub name: String,
    /// What it shows, in a sentence; may be empty.
    pub summary: String,
    /// The messages of the request, in protobuf's JSON mapping.
    pub requests: Vec<Value>,
    /// How it ends.
    pub outcome: Outcome,
}

/// How an example's call ends.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With these messages.
    Responses(Vec<Value>),
    /// With a failure.
    Failure {
        /// Its code.
        code: Code,
        /// Its message.
        message: String,
        /// Its details, each with its `@type`.
        details: Vec<Value>,
    },
}
