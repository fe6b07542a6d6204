//! The rules of every message of a pool, and which messages they matter for.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use crate::declared;
use crate::rule::{FieldRules, Ignore, MessageRules};
use crate::{RuleError, Rules};

/// What to check of a message.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) message: MessageRules,
    /// Of which one field has to be set.
    pub(crate) oneofs: Vec<OneofDescriptor>,
    pub(crate) fields: Vec<FieldPlan>,
    /// Whether there is anything to check, here or further in.
    pub(crate) matters: bool,
}

/// What to check of a field.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) field: FieldDescriptor,
    pub(crate) rules: FieldRules,
    /// Of a group of which one is set, the others need not keep their rules.
    pub(crate) only_if_set: bool,
    /// The plan of the messages in the field, if any matter.
    pub(crate) inner: Option<usize>,
}

pub(crate) fn read(pool: &DescriptorPool) -> Result<Rules, RuleError> {
    let messages: Vec<_> = pool
        .all_messages()
        // What is `google.protobuf`'s has rules by its type, on the field that holds it.
        .filter(|m| !m.is_map_entry() && m.package_name() != "google.protobuf")
        .collect();
    let by_name: HashMap<_, _> =
        messages.iter().enumerate().map(|(at, m)| (m.full_name().to_owned(), at)).collect();
    let mut plans =
        messages.iter().map(|m| plan(m, &by_name)).collect::<Result<Vec<_>, RuleError>>()?;
    spread(&mut plans);
    let matters: Vec<bool> = plans.iter().map(|plan| plan.matters).collect();
    for plan in &mut plans {
        for field in &mut plan.fields {
            field.inner = field.inner.filter(|inner| matters.get(*inner).copied().unwrap_or(false));
        }
        plan.fields.retain(|field| field.inner.is_some() || field.rules.ask_something());
    }
    Ok(Rules { plans, by_name })
}

/// A message matters if it has rules, or holds one that matters; messages may hold one another.
fn spread(plans: &mut [Plan]) {
    loop {
        let matters: Vec<bool> = plans.iter().map(|plan| plan.matters).collect();
        let matters = |inner: usize| matters.get(inner).copied().unwrap_or(false);
        let mut changed = false;
        for plan in plans.iter_mut().filter(|plan| !plan.matters) {
            plan.matters = plan.fields.iter().any(|field| field.inner.is_some_and(matters));
            changed |= plan.matters;
        }
        if !changed {
            return;
        }
    }
}

fn plan(message: &MessageDescriptor, by_name: &HashMap<String, usize>) -> Result<Plan, RuleError> {
    let mut plan = Plan { message: declared::of_message(message)?, ..Plan::default() };
    plan.oneofs = message.oneofs().filter(declared::of_oneof).collect();
    for field in message.fields() {
        let rules = declared::of_field(&field)?.unwrap_or_default();
        if rules.ignore == Ignore::Always {
            continue;
        }
        let in_group = plan.message.oneofs.iter().any(|(fields, _)| fields.contains(&field));
        let only_if_set = in_group && !rules.says_when;
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        let inner = match &kind {
            Kind::Message(message) => by_name.get(message.full_name()).copied(),
            _ => None,
        };
        plan.matters |= rules.ask_something();
        plan.fields.push(FieldPlan { field, rules, only_if_set, inner });
    }
    let whole = &plan.message;
    plan.matters |=
        !(whole.expressions.is_empty() && whole.oneofs.is_empty() && plan.oneofs.is_empty());
    Ok(plan)
}

impl FieldRules {
    fn ask_something(&self) -> bool {
        self.required || self.of_type.is_some() || !self.expressions.is_empty()
    }
}
