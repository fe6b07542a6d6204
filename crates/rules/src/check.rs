//! Checks a message against its plan.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};

use crate::declared;
use crate::expression::Expression;
use crate::plan::{FieldPlan, Plan};
use crate::rule::{FieldRules, Ignore, NumberRules, TimestampRules, TypeRules};
use crate::{CheckError, MAX_VIOLATIONS, Rules, Violation, text, wkt};

/// Where in a message a value is; a path is only written out when something is wrong there.
pub(crate) enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
    Entry(&'a At<'a>, &'a MapKey),
    /// The key itself, not its value.
    Key(&'a At<'a>, &'a MapKey),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Item(outer, at) => write!(f, "{outer}[{at}]"),
            Self::Entry(outer, key) | Self::Key(outer, key) => match key {
                MapKey::String(key) => {
                    // It comes from outside, and goes into a header.
                    let short: String = key.chars().take(64).collect();
                    write!(f, "{outer}[{short:?}]")
                }
                MapKey::Bool(key) => write!(f, "{outer}[{key}]"),
                MapKey::I32(key) => write!(f, "{outer}[{key}]"),
                MapKey::I64(key) => write!(f, "{outer}[{key}]"),
                MapKey::U32(key) => write!(f, "{outer}[{key}]"),
                MapKey::U64(key) => write!(f, "{outer}[{key}]"),
            },
        }
    }
}

/// How many expressions are evaluated for one message, so that none holds up a worker.
const MAX_EVALUATIONS: u32 = 10_000;

/// What is wrong so far.
#[derive(Default)]
pub(crate) struct Found {
    violations: Vec<Violation>,
    /// A list or a map has more than it may.
    too_long: bool,
    evaluations: u32,
    /// The rule that could not be evaluated, and why.
    unevaluated: Option<(String, String)>,
}

impl Found {
    pub(crate) fn add(&mut self, at: &At<'_>, rule: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            self.violations.push(Violation {
                field: at.to_string(),
                rule: rule.into(),
                message: message.into(),
                for_key: matches!(at, At::Key(..)),
            });
        }
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= MAX_VIOLATIONS
    }

    #[cfg(feature = "cel")]
    pub(crate) fn cannot(&mut self, rule: &str, problem: impl fmt::Display) {
        self.unevaluated = Some((rule.to_owned(), problem.to_string()));
    }

    /// What is broken counts for more than what cannot be known.
    pub(crate) fn into_result(self) -> Result<(), CheckError> {
        match (self.violations, self.unevaluated) {
            (violations, _) if !violations.is_empty() => Err(CheckError::Violations(violations)),
            (_, Some((rule, problem))) => Err(CheckError::Evaluation { rule, problem }),
            (_, None) => Ok(()),
        }
    }
}

pub(crate) fn message(
    rules: &Rules,
    plan: &Plan,
    value: &DynamicMessage,
    at: &At<'_>,
    found: &mut Found,
) {
    for (fields, required) in &plan.message.oneofs {
        let names = || fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ");
        match fields.iter().filter(|field| value.has_field(field)).count() {
            0 if *required => {
                found.add(at, "message.oneof", format!("one of {} is required", names()))
            }
            0 | 1 => {}
            _ => found.add(at, "message.oneof", format!("only one of {} may be set", names())),
        }
    }
    for oneof in &plan.oneofs {
        if !oneof.fields().any(|field| value.has_field(&field)) {
            let names: Vec<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
            let at = At::Field(at, oneof.name());
            found.add(&at, "required", format!("one of {} is required", names.join(", ")));
        }
    }
    for field in &plan.fields {
        if found.is_full() {
            return;
        }
        check_field(rules, field, value, at, found);
    }
    if !plan.message.expressions.is_empty() {
        express(&plan.message.expressions, &Value::Message(value.clone()), at, found);
    }
}

/// Evaluates expressions, after all other rules: they cost the most, and the more the more they
/// look at, so that what is too long already is not looked at again.
fn express(expressions: &[Expression], this: &Value, at: &At<'_>, found: &mut Found) {
    for expression in expressions {
        let over = found.evaluations > MAX_EVALUATIONS || found.unevaluated.is_some();
        if found.too_long || found.is_full() || over {
            return;
        }
        found.evaluations += 1;
        if found.evaluations > MAX_EVALUATIONS {
            return found.add(at, "too_many", "too many values to check in one message");
        }
        expression.check(this, at, found);
    }
}

fn check_field(
    rules: &Rules,
    plan: &FieldPlan,
    message: &DynamicMessage,
    at: &At<'_>,
    found: &mut Found,
) {
    let field = &plan.field;
    let at = At::Field(at, field.name());
    // For a field without presence: whether it has something else than its default.
    let is_set = message.has_field(field);
    if !is_set {
        if plan.rules.required {
            found.add(&at, "required", "required");
        }
        let optional = field.supports_presence() || plan.only_if_set;
        if plan.rules.required || optional || plan.rules.ignore == Ignore::Zero {
            return;
        }
    }
    let value = message.get_field(field);
    if plan.rules.ignore == Ignore::Zero && is_zero(&value, &field.default_value()) {
        return;
    }
    check_value(rules, &plan.rules, &value, &at, found);
    if let Some(inner) = plan.inner.and_then(|inner| rules.plans.get(inner)) {
        let ignore = plan.rules.ignores_inside();
        each_message(&value, &at, &mut |value, at| {
            let zero = ignore == Ignore::Zero && is_empty(value);
            if ignore != Ignore::Always && !zero {
                self::message(rules, inner, value, at, found);
            }
        });
    }
}

/// Calls for each message in a value: itself, its items, or its map's values.
fn each_message(value: &Value, at: &At<'_>, check: &mut dyn FnMut(&DynamicMessage, &At<'_>)) {
    match value {
        Value::Message(message) => check(message, at),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Value::Message(message) = item {
                    check(message, &At::Item(at, index));
                }
            }
        }
        Value::Map(entries) => {
            for (key, item) in entries {
                if let Value::Message(message) = item {
                    check(message, &At::Entry(at, key));
                }
            }
        }
        _ => {}
    }
}

fn is_zero(value: &Value, default: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Message(message) => is_empty(message),
        value => value == default,
    }
}

fn is_empty(message: &DynamicMessage) -> bool {
    message.fields().next().is_none()
}

/// Checks a value that has a type of its own: a field's, an item, a key.
fn check_inner(rules: &Rules, of: &FieldRules, value: &Value, at: &At<'_>, found: &mut Found) {
    let zero = match value {
        Value::Message(message) => is_empty(message),
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Bool(value) => !value,
        Value::EnumNumber(number) => *number == 0,
        value => declared::whole(value) == Some(0) || declared::float(value) == Some(0.0),
    };
    match of.ignore {
        Ignore::Always => return,
        Ignore::Zero if zero => return,
        _ => {}
    }
    check_value(rules, of, value, at, found);
}

fn check_value(rules: &Rules, of: &FieldRules, value: &Value, at: &At<'_>, found: &mut Found) {
    let value = unwrapped(value);
    if let Some(of_type) = &of.of_type {
        check_type(rules, of_type, &value, at, found);
    }
    if !of.expressions.is_empty() {
        express(&of.expressions, &value, at, found);
    }
}

fn check_type(rules: &Rules, of_type: &TypeRules, value: &Value, at: &At<'_>, found: &mut Found) {
    match (of_type, value) {
        (TypeRules::Number(name, NumberRules::Whole(range)), value) => {
            if let Some(number) = declared::whole(value) {
                range.check(&number, i128::to_string, |rule, words| {
                    found.add(at, format!("{name}.{rule}"), words);
                });
            }
        }
        (TypeRules::Number(name, NumberRules::Float { range, finite }), value) => {
            if let Some(number) = declared::float(value) {
                range.check(&number, f64::to_string, |rule, words| {
                    found.add(at, format!("{name}.{rule}"), words);
                });
                if *finite && !number.is_finite() {
                    found.add(at, format!("{name}.finite"), "has to be finite");
                }
            }
        }
        (TypeRules::Bool(Some(exactly)), Value::Bool(value)) if exactly != value => {
            found.add(at, "bool.const", format!("has to be {exactly}"));
        }
        (TypeRules::String(rules), Value::String(value)) => {
            text::check(rules, value, |rule, words| found.add(at, rule, words));
        }
        (TypeRules::Bytes(rules), Value::Bytes(value)) => {
            text::check_bytes(rules, value, |rule, words| found.add(at, rule, words));
        }
        (TypeRules::Any(rules), Value::Message(any)) => {
            let url = any.get_field_by_name("type_url");
            let url = url.as_deref().and_then(Value::as_str).unwrap_or_default();
            if !rules.one_of.is_empty() && !rules.one_of.iter().any(|known| known == url) {
                let list = rules.one_of.join(", ");
                found.add(at, "any.in", format!("its type has to be one of {list}"));
            }
            if rules.none_of.iter().any(|known| known == url) {
                let list = rules.none_of.join(", ");
                found.add(at, "any.not_in", format!("its type must not be one of {list}"));
            }
        }
        (TypeRules::Duration(range), Value::Message(duration)) => {
            let show = |time: &i128| wkt::seconds(*time);
            range.check(&wkt::nanoseconds(duration), show, |rule, words| {
                found.add(at, format!("duration.{rule}"), words);
            });
        }
        (TypeRules::Timestamp(rules), Value::Message(timestamp)) => {
            check_timestamp(rules, wkt::nanoseconds(timestamp), now(), at, found);
        }
        (TypeRules::Mask(rules), Value::Message(mask)) => {
            let paths = wkt::paths(mask);
            if let Some(exactly) = &rules.exactly
                && *exactly != paths
            {
                found.add(at, "field_mask.const", format!("has to be {}", exactly.join(", ")));
            }
            let below = |path: &str, list: &[String]| {
                list.iter().any(|root| {
                    path.strip_prefix(root.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                })
            };
            if !rules.one_of.is_empty() && !paths.iter().all(|path| below(path, &rules.one_of)) {
                let list = rules.one_of.join(", ");
                found.add(at, "field_mask.in", format!("each path has to be in {list}"));
            }
            if paths.iter().any(|path| below(path, &rules.none_of)) {
                let list = rules.none_of.join(", ");
                found.add(at, "field_mask.not_in", format!("no path may be in {list}"));
            }
        }
        (TypeRules::List { min, max, unique, items }, Value::List(values)) => {
            count("repeated", "items", values.len(), *min, *max, at, found);
            if *unique && !are_unique(values) {
                found.add(at, "repeated.unique", "no two items may be equal");
            }
            for (index, value) in values.iter().enumerate() {
                if let Some(items) = items {
                    check_inner(rules, items, value, &At::Item(at, index), found);
                }
                if found.is_full() {
                    return;
                }
            }
        }
        (TypeRules::Map { min, max, keys, values }, Value::Map(entries)) => {
            count("map", "pairs", entries.len(), *min, *max, at, found);
            // In an order that is the same each time.
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                if let Some(keys) = keys {
                    check_inner(rules, keys, &Value::from(key.clone()), &At::Key(at, key), found);
                }
                if let Some(values) = values {
                    check_inner(rules, values, value, &At::Entry(at, key), found);
                }
                if found.is_full() {
                    return;
                }
            }
        }
        (TypeRules::Enum(rules), Value::EnumNumber(number)) => {
            let show = |number: &i32| match rules.of.get_value(*number) {
                Some(value) => value.name().to_owned(),
                None => number.to_string(),
            };
            rules.values.check(number, show, |rule, words| {
                found.add(at, format!("enum.{rule}"), words);
            });
            if rules.defined_only && rules.of.get_value(*number).is_none() {
                let words = format!("{number} is not a value of {}", rules.of.full_name());
                found.add(at, "enum.defined_only", words);
            }
        }
        _ => {}
    }
}

/// The value of a wrapper, such as `google.protobuf.StringValue`; others as they are.
fn unwrapped(value: &Value) -> Cow<'_, Value> {
    if let Value::Message(message) = value
        && let descriptor = message.descriptor()
        && descriptor.package_name() == "google.protobuf"
        && descriptor.name().ends_with("Value")
        && let Some(field) = descriptor.get_field_by_name("value")
    {
        return Cow::Owned(message.get_field(&field).into_owned());
    }
    Cow::Borrowed(value)
}

fn count(
    kind: &str,
    of: &str,
    count: usize,
    min: Option<u64>,
    max: Option<u64>,
    at: &At<'_>,
    found: &mut Found,
) {
    let (one, many) = if kind == "map" { ("entry", "entries") } else { ("item", "items") };
    let what = |limit| if limit == 1 { one } else { many };
    if let Some(min) = min.filter(|min| (count as u64) < *min) {
        let words = format!("at least {min} {}, not {count}", what(min));
        found.add(at, format!("{kind}.min_{of}"), words);
    }
    if let Some(max) = max.filter(|max| (count as u64) > *max) {
        found.too_long = true;
        let words = format!("at most {max} {}, not {count}", what(max));
        found.add(at, format!("{kind}.max_{of}"), words);
    }
}

fn are_unique(values: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(values.len());
    values.iter().filter_map(Key::of).all(|key| seen.insert(key))
}

/// What can be compared by its bits.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Whole(i128),
    Float(u64),
}

impl<'a> Key<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Bytes(bytes) => Some(Self::Bytes(bytes)),
            Value::Bool(value) => Some(Self::Whole((*value).into())),
            Value::EnumNumber(number) => Some(Self::Whole((*number).into())),
            // Zero is one number, whatever its sign, and NaN is equal to nothing.
            value => declared::whole(value).map(Self::Whole).or_else(|| {
                let number = declared::float(value).filter(|number| !number.is_nan())?;
                Some(Self::Float((number + 0.0).to_bits()))
            }),
        }
    }
}

fn now() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos().cast_signed())
}

pub(crate) fn check_timestamp(
    rules: &TimestampRules,
    time: i128,
    now: i128,
    at: &At<'_>,
    found: &mut Found,
) {
    rules.range.check(
        &time,
        |time| wkt::instant(*time),
        |rule, words| {
            found.add(at, format!("timestamp.{rule}"), words);
        },
    );
    if rules.past && time >= now {
        found.add(at, "timestamp.lt_now", "has to be in the past");
    }
    if rules.future && time <= now {
        found.add(at, "timestamp.gt_now", "has to be in the future");
    }
    if let Some(within) = rules.within
        && (time - now).abs() > within
    {
        let words = format!("has to be within {} of now", wkt::seconds(within));
        found.add(at, "timestamp.within", words);
    }
}
