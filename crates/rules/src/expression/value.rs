//! Messages as CEL sees them: fields are read as they are asked for, and unset ones are their
//! default.

use std::collections::HashMap;
use std::sync::LazyLock;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
    CelString, CelTimestamp, CelUInt, Type,
};
use cel::common::value::{CowVal, Val};
use chrono::{DateTime, TimeDelta, Utc};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

use crate::wkt;

/// In front of the name of a field it asks whether the field is set; alone, whether what is asked
/// is a message. No key that a person would write begins so.
pub(super) const PRESENCE: &str = "\u{1}set ";

static MESSAGE: LazyLock<Type> = LazyLock::new(|| Type::new_opaque_type("message"));

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Message(DynamicMessage);

impl Val for Message {
    fn get_type(&self) -> &Type {
        &MESSAGE
    }

    fn cel_type() -> &'static Type {
        &MESSAGE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let other = other.as_any().and_then(|other| other.downcast_ref::<Self>());
        other.is_some_and(|other| self.0 == other.0)
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Message {
    fn field(&self, name: &str) -> Option<FieldDescriptor> {
        self.0.descriptor().get_field_by_name(name)
    }
}

fn text(value: &dyn Val) -> Option<&str> {
    <&str>::try_from(value).ok()
}

impl Container for Message {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let name = text(value).and_then(|text| text.strip_prefix(PRESENCE));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(name.is_some());
        };
        match self.field(name) {
            Some(field) => Ok(self.0.has_field(&field)),
            None => Err(ExecutionError::no_such_key(name)),
        }
    }
}

impl Indexer for Message {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = text(index).unwrap_or_default();
        let field = self.field(name).ok_or_else(|| ExecutionError::no_such_key(name))?;
        // A wrapper is its value, or null.
        if !self.0.has_field(&field) && is_wrapper(&field) {
            return Ok(CowVal::owned(CelNull));
        }
        Ok(CowVal::Owned(of(&self.0.get_field(&field))))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

fn is_wrapper(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => {
            message.package_name() == "google.protobuf" && message.name().ends_with("Value")
        }
        _ => false,
    }
}

/// A value of a message, as CEL's.
pub(super) fn of<'v>(value: &Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::I32(number) => Box::new(CelInt::from(i64::from(*number))),
        Value::I64(number) => Box::new(CelInt::from(*number)),
        Value::U32(number) => Box::new(CelUInt::from(u64::from(*number))),
        Value::U64(number) => Box::new(CelUInt::from(*number)),
        Value::F32(number) => Box::new(CelDouble::from(f64::from(*number))),
        Value::F64(number) => Box::new(CelDouble::from(*number)),
        Value::EnumNumber(number) => Box::new(CelInt::from(i64::from(*number))),
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Bytes(bytes) => Box::new(CelBytes::from(bytes.to_vec())),
        Value::List(items) => {
            let items: Vec<Box<dyn Val + 'v>> = items.iter().map(of).collect();
            Box::new(CelList::from(items))
        }
        Value::Map(entries) => {
            let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                entries.iter().map(|(key, value)| (map_key(key), of(value))).collect();
            Box::new(CelMap::from(entries))
        }
        Value::Message(message) => of_message(message),
    }
}

fn of_message<'v>(message: &DynamicMessage) -> Box<dyn Val + 'v> {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Duration" => Box::new(CelDuration::from(delta(wkt::nanoseconds(message)))),
        "google.protobuf.Timestamp" => instant(wkt::nanoseconds(message)),
        name if name.starts_with("google.protobuf.") && name.ends_with("Value") => {
            match descriptor.get_field_by_name("value") {
                Some(field) => of(&message.get_field(&field)),
                None => Box::new(Message(message.clone())),
            }
        }
        _ => Box::new(Message(message.clone())),
    }
}

fn map_key<'v>(key: &MapKey) -> CelMapKey<'v> {
    match key {
        MapKey::Bool(key) => (*key).into(),
        MapKey::I32(key) => i64::from(*key).into(),
        MapKey::I64(key) => (*key).into(),
        MapKey::U32(key) => u64::from(*key).into(),
        MapKey::U64(key) => (*key).into(),
        MapKey::String(key) => key.clone().into(),
    }
}

/// What is longer than CEL can say is as long as it can.
fn delta(nanoseconds: i128) -> TimeDelta {
    let most = i128::from(i64::MAX);
    TimeDelta::nanoseconds(i64::try_from(nanoseconds.clamp(-most, most)).unwrap_or(i64::MAX))
}

fn instant<'v>(nanoseconds: i128) -> Box<dyn Val + 'v> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    let nanos = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0);
    match DateTime::<Utc>::from_timestamp(seconds, nanos) {
        Some(time) => Box::new(CelTimestamp::from(time.fixed_offset())),
        None => Box::new(CelNull),
    }
}

/// The time of the evaluation.
pub(super) fn now<'v>() -> Box<dyn Val + 'v> {
    Box::new(CelTimestamp::from(Utc::now().fixed_offset()))
}
