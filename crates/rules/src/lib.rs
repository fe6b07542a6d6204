//! The rules that contracts state with `buf.validate`: read once, checked against messages.
//!
//! [`Rules::new`] reads what a pool of descriptors states and refuses what cannot be kept, so that
//! a mistake in a contract is found when a service starts and not when a call comes.
//! [`Rules::check`] says what a message violates. No sockets and no async.
//!
//! The rules and the names of their violations are those of
//! [protovalidate](https://protovalidate.com/reference/rules); the words are our own.

mod check;
mod declared;
mod expression;
mod formats;
mod place;
mod plan;
mod range;
mod rule;
#[cfg(test)]
mod tests;
mod text;
mod wkt;

use std::collections::HashMap;
use std::fmt;

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage};

pub use place::Place;
pub use range::{Lower, Range, Upper};
pub use rule::{
    AnyRules, BytesRules, EnumRules, FieldRules, Ignore, MaskRules, MessageRules, NumberRules,
    StringRules, TimestampRules, TypeRules, WellKnown,
};

use plan::Plan;

/// At most this many violations of a message are told: they travel in headers.
const MAX_VIOLATIONS: usize = 16;

/// A rule that cannot be kept, and whose it is.
#[derive(Debug, thiserror::Error)]
#[error("{}the rules of {of}: {problem}", place.as_ref().map(|p| format!("{p}: ")).unwrap_or_default())]
pub struct RuleError {
    /// The full name of the message, field or oneof.
    pub of: String,
    /// What is wrong.
    pub problem: String,
    /// Where it is stated, if the descriptors say so.
    pub place: Option<Place>,
}

/// Why a message does not pass.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It breaks rules.
    #[error("it breaks {} of its rules", .0.len())]
    Violations(Vec<Violation>),
    /// Whether it does cannot be said, which is the contract's fault and not the message's.
    #[error("the rule {rule} cannot be evaluated: {problem}")]
    Evaluation {
        /// The rule's id.
        rule: String,
        /// Why.
        problem: String,
    },
}

/// A rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as `items[0].sku` or `labels["a"]`; empty for the message as a whole.
    pub field: String,
    /// The rule, such as `string.max_bytes`.
    pub rule: String,
    /// What is wrong, in words.
    pub message: String,
    /// Whether it is the key of a map's entry that is wrong.
    pub for_key: bool,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The rules of every message of some contracts.
#[derive(Debug, Default)]
pub struct Rules {
    plans: Vec<Plan>,
    by_name: HashMap<String, usize>,
}

impl Rules {
    /// Reads the rules of every message in the pool.
    ///
    /// # Errors
    /// The first rule that cannot be kept: it does not fit its field, or is no expression.
    pub fn new(pool: &DescriptorPool) -> Result<Self, RuleError> {
        plan::read(pool)
    }

    /// Whether messages of this full name, or what is in them, have rules at all.
    pub fn has(&self, message: &str) -> bool {
        self.plan(message).is_some_and(|plan| plan.matters)
    }

    /// Checks a message and all that is in it.
    ///
    /// # Errors
    /// What it violates, in the order of the contract; of many the first. Or else the rule that
    /// could not be evaluated.
    pub fn check(&self, message: &DynamicMessage) -> Result<(), CheckError> {
        let Some(plan) = self.plan(message.descriptor().full_name()) else {
            return Ok(());
        };
        let mut found = check::Found::default();
        check::message(self, plan, message, &check::At::Root, &mut found);
        found.into_result()
    }

    fn plan(&self, message: &str) -> Option<&Plan> {
        self.plans.get(*self.by_name.get(message)?)
    }
}

/// What a contract states about a field; `None` if nothing.
///
/// # Errors
/// The rules do not fit the field.
pub fn of_field(field: &prost_reflect::FieldDescriptor) -> Result<Option<FieldRules>, RuleError> {
    declared::of_field(field)
}

/// The groups of fields of which at most one may be set, by the rules of their message.
pub fn oneofs_of_message(
    message: &prost_reflect::MessageDescriptor,
) -> Vec<Vec<prost_reflect::FieldDescriptor>> {
    let rules = declared::of_message(message).unwrap_or_default();
    rules.oneofs.into_iter().map(|(fields, _)| fields).collect()
}
