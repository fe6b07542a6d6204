//! Named examples of a contract's methods, from the YAML file that stands beside the contract.
//!
//! One file has four uses: a docs page shows the examples, a mock answers with them, a test of a
//! live service checks them, and a Rust test loads them. [`Examples::read`] takes only what fits
//! the contract, and names the line of what does not. The format is in `docs/examples.md`.
//!
//! Where there is no example, [`synth`] makes messages up. No sockets and no async.

pub mod compare;
mod file;
pub mod misfit;
pub mod status;
pub mod suggest;
pub mod synth;
#[cfg(test)]
mod tests;
mod yaml;

use std::cell::LazyCell;
use std::fmt;
use std::time::Duration;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use rules::Rules;
use serde_json::Value;

pub use compare::Compare;
pub use status::Status;

/// How a file of examples is called: `hello.examples.yaml` stands beside `hello.proto`.
pub const EXTENSION: &str = ".examples.yaml";

/// Where something stands in a file; both are counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its line.
    pub line: usize,
    /// Its column, in characters.
    pub column: usize,
}

/// An example that cannot be, and where it stands.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The file, as it was named to [`Examples::read`].
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{}:{line}:{column}: {}; {}", self.file, self.text, self.advice)
    }
}

impl std::error::Error for Problem {}

/// A call as it may go.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it is called; unique in its file.
    pub name: String,
    /// What it shows; may be empty.
    pub description: String,
    /// Its method, with its contract.
    pub method: MethodDescriptor,
    /// What the client sends, as it is written in the file: one message unless the client streams.
    pub requests: Vec<Value>,
    /// What the server answers, likewise.
    pub responses: Vec<Value>,
    /// How the call ends; OK unless the file says otherwise.
    pub status: Status,
    /// How an answer of a live service is compared with it.
    pub compare: Compare,
    /// How long a mock waits before each answer.
    pub delay: Duration,
    /// The file that it is from.
    pub file: String,
    /// Where it begins there.
    pub place: Place,
    request_messages: Vec<DynamicMessage>,
    response_messages: Vec<DynamicMessage>,
    /// What each request has to contain for the example to apply; only the first one, where the
    /// example has a condition of its own.
    conditions: Vec<Value>,
    when: bool,
}

impl Example {
    /// The path of its method, such as `/hello.v1.HelloService/SayHello`.
    pub fn path(&self) -> String {
        path_of(&self.method)
    }

    /// What the client sends, as messages.
    pub fn request_messages(&self) -> &[DynamicMessage] {
        &self.request_messages
    }

    /// What the server answers, as messages.
    pub fn response_messages(&self) -> &[DynamicMessage] {
        &self.response_messages
    }

    /// What the client sends, as messages of the generated type `T`; the default where `T` is not
    /// the method's.
    pub fn requests_as<T: Message + Default>(&self) -> Vec<T> {
        self.request_messages.iter().map(|m| m.transcode_to().unwrap_or_default()).collect()
    }

    /// The first request, as a message of the generated type `T`.
    pub fn request_as<T: Message + Default>(&self) -> T {
        self.requests_as().into_iter().next().unwrap_or_default()
    }

    /// What the server answers, as messages of the generated type `T`.
    pub fn responses_as<T: Message + Default>(&self) -> Vec<T> {
        self.response_messages.iter().map(|m| m.transcode_to().unwrap_or_default()).collect()
    }

    /// The first answer, as a message of the generated type `T`.
    pub fn response_as<T: Message + Default>(&self) -> T {
        self.responses_as().into_iter().next().unwrap_or_default()
    }

    /// Whether the example's answers are for these requests, given in full (see
    /// [`compare::in_full`]): each contains what the example asks for.
    pub fn applies(&self, requests: &[Value]) -> bool {
        let mut pairs = self.conditions.iter().zip(requests);
        let enough = match self.when {
            true => !requests.is_empty(),
            false => self.conditions.len() == requests.len(),
        };
        enough && pairs.all(|(condition, request)| compare::contains(request, condition))
    }

    /// Whether its request of that number is in this one, given in full.
    pub fn asks_for(&self, index: usize, request: &Value) -> bool {
        match (self.when, index) {
            (true, 1..) => index < self.requests.len(),
            _ => self.conditions.get(index).is_some_and(|c| compare::contains(request, c)),
        }
    }

    /// The answers, as an answer of a live service is compared with them: in full, or only what
    /// the example names.
    pub fn expected_responses(&self) -> Vec<Value> {
        let output = self.method.output();
        let expected = self.responses.iter().zip(&self.response_messages).map(|(raw, message)| {
            let full = compare::in_full(message);
            match self.compare {
                Compare::Exact => full,
                Compare::Partial => compare::only_named(&output, raw, &full),
            }
        });
        expected.collect()
    }

    /// For a method that streams both ways: the answers to one message of the client's, if the
    /// example has as many answers as requests and one of its requests is in this one.
    pub fn answer_to(&self, request: &Value) -> Option<usize> {
        let pairs = self.requests.len() == self.response_messages.len();
        let found = || self.conditions.iter().position(|c| compare::contains(request, c));
        if pairs { found() } else { None }
    }
}

/// The examples of some contracts.
#[derive(Clone, Debug, Default)]
pub struct Examples(Vec<Example>);

impl Examples {
    /// Reads files, each given as its path below the root of the contracts, such as
    /// `hello/v1/hello.examples.yaml`, and its text.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        pool: &DescriptorPool,
    ) -> Result<Self, Vec<Problem>> {
        // Rules that cannot be kept are told by whoever is to keep them.
        let rules = LazyCell::new(|| Rules::new(pool).unwrap_or_default());
        let mut examples = Vec::new();
        let mut problems = Vec::new();
        for (path, source) in files {
            file::read(path, source, pool, &rules, &mut examples, &mut problems);
        }
        if problems.is_empty() { Ok(Self(examples)) } else { Err(problems) }
    }

    /// All of them, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &Example> {
        self.0.iter()
    }

    /// Those of a method, by its path with or without the leading slash.
    pub fn for_method<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Example> {
        let path = path.trim_start_matches('/');
        let named = move |example: &&Example| {
            let (service, method) = path.split_once('/').unwrap_or_default();
            example.method.name() == method
                && example.method.parent_service().full_name() == service
        };
        self.0.iter().filter(named)
    }

    /// The first of that name.
    pub fn named(&self, name: &str) -> Option<&Example> {
        self.0.iter().find(|example| example.name == name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The path of a method, such as `/hello.v1.HelloService/SayHello`.
pub fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}
