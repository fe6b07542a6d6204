//! Makes messages up: likely by the names of their fields, and within the rules of their contract.
//!
//! The same seed makes the same message, on every machine. Recursive messages end.

mod pattern;
mod ruled;
mod words;

use fastrand::Rng;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use rules::{FieldRules, TypeRules};

/// How deep messages are filled in.
const MAX_DEPTH: usize = 8;

/// The most items that a list gets when its contract asks for no more.
const MAX_ITEMS: u64 = 3;

/// The most that it gets whatever its contract asks for.
const MOST_ITEMS: u64 = 64;

/// How many fields a message gets, with all that is in it: contracts may be wide and deep.
const MAX_FIELDS: usize = 1_000;

/// Lists of messages deeper than this get one item, unless their rules ask for more.
const FULL_DEPTH: usize = 3;

/// Makes a message up.
pub fn message(descriptor: &MessageDescriptor, seed: u64) -> DynamicMessage {
    let mut synth = Synth { rng: Rng::with_seed(seed), within: Vec::new(), left: MAX_FIELDS };
    synth.message(descriptor)
}

struct Synth {
    rng: Rng,
    /// The types that are being filled in, from the outermost.
    within: Vec<String>,
    /// How many fields may still be filled in.
    left: usize,
}

impl Synth {
    fn message(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        if self.well_known(&mut message, None) {
            return message;
        }
        self.within.push(descriptor.full_name().to_owned());
        let only_one = rules::oneofs_of_message(descriptor);
        for field in descriptor.fields() {
            let in_group = |group: &&Vec<FieldDescriptor>| group.contains(&field);
            if let Some(group) = only_one.iter().find(in_group)
                && group.iter().any(|other| message.has_field(other))
            {
                continue;
            }
            let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
            let chosen = match &oneof {
                None => true,
                Some(oneof) => self.chosen(oneof) == Some(field.number()),
            };
            if chosen && let Some(value) = self.field(&field) {
                message.set_field(&field, value);
            }
        }
        self.within.pop();
        message
    }

    /// The one field of a oneof that is set: the same whenever it is asked within a message.
    fn chosen(&mut self, oneof: &prost_reflect::OneofDescriptor) -> Option<u32> {
        let fields: Vec<_> = oneof.fields().filter(|field| !self.ends_at(field)).collect();
        let name = oneof.full_name().bytes().fold(0_usize, |sum, b| sum.wrapping_add(b.into()));
        let at = (name + self.within.len()).checked_rem(fields.len())?;
        fields.get(at).map(FieldDescriptor::number)
    }

    /// Whether a field is left out, so that the message ends.
    fn ends_at(&self, field: &FieldDescriptor) -> bool {
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        match kind {
            Kind::Message(message) => {
                let name = message.full_name();
                let again = self.within.iter().any(|outer| outer == name);
                again
                    || self.left == 0
                    || self.within.len() >= MAX_DEPTH
                    || name == "google.protobuf.Any"
            }
            _ => false,
        }
    }

    /// The value of a field, if it gets one.
    fn field(&mut self, field: &FieldDescriptor) -> Option<Value> {
        let declared = rules::of_field(field).ok().flatten().unwrap_or_default();
        if self.ends_at(field) {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        let name = field.name();
        match (field.kind(), &declared.of_type) {
            (Kind::Message(entry), of_type) if field.is_map() => {
                let (min, max, keys, values) = match of_type {
                    Some(TypeRules::Map { min, max, keys, values }) => {
                        (*min, *max, of_type_of(keys), of_type_of(values))
                    }
                    _ => (None, None, None, None),
                };
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let mut entries = std::collections::HashMap::new();
                for _ in 0..self.count(min, max) {
                    let key = self.value(&key.kind(), name, keys);
                    let value = self.value(&value.kind(), name, values);
                    if let Some(key) = map_key(key) {
                        entries.insert(key, value);
                    }
                }
                Some(Value::Map(entries))
            }
            (kind, of_type) if field.is_list() => {
                let (min, max, unique, items) = match of_type {
                    Some(TypeRules::List { min, max, unique, items }) => {
                        (*min, *max, *unique, of_type_of(items))
                    }
                    _ => (None, None, false, None),
                };
                let mut list: Vec<Value> = Vec::new();
                let count = self.count(min, max);
                // Some more tries than items, since made up ones may be equal.
                for _ in 0..count * 4 {
                    if list.len() as u64 >= count {
                        break;
                    }
                    let item = self.value(&kind, name, items);
                    if !unique || !list.contains(&item) {
                        list.push(item);
                    }
                }
                Some(Value::List(list))
            }
            (kind, of_type) => Some(self.value(&kind, name, of_type.as_ref())),
        }
    }

    fn count(&mut self, min: Option<u64>, max: Option<u64>) -> u64 {
        let most = max.unwrap_or(u64::MAX).min(MOST_ITEMS);
        if self.within.len() > FULL_DEPTH || self.left == 0 {
            return min.unwrap_or(1).min(most);
        }
        let least = min.unwrap_or(2.min(most)).min(most);
        self.rng.u64(least..=least.max(MAX_ITEMS.min(most)))
    }

    fn value(&mut self, kind: &Kind, name: &str, of_type: Option<&TypeRules>) -> Value {
        match kind {
            Kind::Message(descriptor) => {
                let mut message = DynamicMessage::new(descriptor.clone());
                if self.well_known(&mut message, Some((name, of_type))) {
                    return Value::Message(message);
                }
                Value::Message(self.message(descriptor))
            }
            Kind::Enum(descriptor) => {
                let allowed = |number: i32| match of_type {
                    Some(TypeRules::Enum(rules)) => {
                        let values = &rules.values;
                        values.exactly.is_none_or(|only| only == number)
                            && (values.one_of.is_empty() || values.one_of.contains(&number))
                            && !values.none_of.contains(&number)
                    }
                    _ => true,
                };
                let numbers: Vec<_> = descriptor.values().map(|value| value.number()).collect();
                let mut likely: Vec<_> =
                    numbers.iter().copied().filter(|n| *n != 0 && allowed(*n)).collect();
                if likely.is_empty() {
                    likely = numbers.into_iter().filter(|number| allowed(*number)).collect();
                }
                Value::EnumNumber(self.rng.choice(likely).unwrap_or(0))
            }
            Kind::Bool => Value::Bool(match of_type {
                Some(TypeRules::Bool(Some(only))) => *only,
                _ => self.rng.bool(),
            }),
            Kind::String => Value::String(ruled::text(&mut self.rng, name, of_type)),
            Kind::Bytes => Value::Bytes(ruled::bytes(&mut self.rng, of_type).into()),
            Kind::Double => Value::F64(ruled::float(&mut self.rng, name, of_type)),
            // The nearest float may be over a bound, but not by more than its precision.
            Kind::Float => Value::F32(ruled::float(&mut self.rng, name, of_type) as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let range = (i32::MIN.into(), i32::MAX.into());
                let number = ruled::whole(&mut self.rng, name, of_type, range);
                Value::I32(i32::try_from(number).unwrap_or(0))
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                let range = (i64::MIN.into(), i64::MAX.into());
                let number = ruled::whole(&mut self.rng, name, of_type, range);
                Value::I64(i64::try_from(number).unwrap_or(0))
            }
            Kind::Uint32 | Kind::Fixed32 => {
                let number = ruled::whole(&mut self.rng, name, of_type, (0, u32::MAX.into()));
                Value::U32(u32::try_from(number).unwrap_or(0))
            }
            Kind::Uint64 | Kind::Fixed64 => {
                let number = ruled::whole(&mut self.rng, name, of_type, (0, u64::MAX.into()));
                Value::U64(u64::try_from(number).unwrap_or(0))
            }
        }
    }

    /// Fills in a message of `google.protobuf`, and says whether it is one.
    fn well_known(
        &mut self,
        message: &mut DynamicMessage,
        field: Option<(&str, Option<&TypeRules>)>,
    ) -> bool {
        let descriptor = message.descriptor();
        let (name, of_type) = field.unwrap_or_default();
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let nanoseconds = ruled::timestamp(&mut self.rng, name, of_type);
                set_time(message, nanoseconds);
            }
            "google.protobuf.Duration" => {
                let nanoseconds = ruled::duration(&mut self.rng, of_type);
                set_time(message, nanoseconds);
            }
            "google.protobuf.FieldMask" => {
                if let Some(TypeRules::Mask(rules)) = of_type {
                    let paths = rules.exactly.as_ref().unwrap_or(&rules.one_of);
                    let paths = paths.iter().cloned().map(Value::String).collect();
                    message.set_field_by_name("paths", Value::List(paths));
                }
            }
            "google.protobuf.Struct" => {
                let value = descriptor.parent_pool().get_message_by_name("google.protobuf.Value");
                let key = MapKey::String("key".to_owned());
                if let Some(mut value) = value.map(DynamicMessage::new) {
                    self.well_known(&mut value, Some(("text", None)));
                    let fields = [(key, Value::Message(value))].into();
                    message.set_field_by_name("fields", Value::Map(fields));
                }
            }
            "google.protobuf.Value" => {
                let text = words::text(&mut self.rng, name);
                message.set_field_by_name("string_value", Value::String(text));
            }
            "google.protobuf.Empty" | "google.protobuf.Any" | "google.protobuf.ListValue" => {}
            full if full.starts_with("google.protobuf.") && full.ends_with("Value") => {
                if let Some(field) = descriptor.get_field_by_name("value") {
                    let value = self.value(&field.kind(), name, of_type);
                    message.set_field(&field, value);
                }
            }
            _ => return false,
        }
        true
    }
}

/// The rules of the type of what is in a list or a map.
fn of_type_of(inner: &Option<Box<FieldRules>>) -> Option<&TypeRules> {
    inner.as_ref().and_then(|inner| inner.of_type.as_ref())
}

fn set_time(message: &mut DynamicMessage, nanoseconds: i128) {
    // Both parts of a duration have its sign; nanoseconds of a point in time are not negative.
    let negative = nanoseconds < 0 && message.descriptor().name() == "Duration";
    let (seconds, nanos) = match negative {
        true => (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000),
        false => (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000)),
    };
    message.set_field_by_name("seconds", Value::I64(i64::try_from(seconds).unwrap_or(0)));
    message.set_field_by_name("nanos", Value::I32(i32::try_from(nanos).unwrap_or(0)));
}

fn map_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::Bool(key) => MapKey::Bool(key),
        Value::I32(key) => MapKey::I32(key),
        Value::I64(key) => MapKey::I64(key),
        Value::U32(key) => MapKey::U32(key),
        Value::U64(key) => MapKey::U64(key),
        Value::String(key) => MapKey::String(key),
        _ => return None,
    })
}
