//! Random messages, with values from the edges more often than from between.

use fastrand::Rng;
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

use super::POOL;

/// A message with some of its fields, at most so many levels deep.
pub fn message(descriptor: &MessageDescriptor, depth: u32, random: &mut Rng) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    if known(&mut message, depth, random) {
        return message;
    }
    // Few of many, or a message of everything would be of everything each time.
    let share = 6.0 / descriptor.fields().len().max(1) as f64;
    for field in descriptor.fields() {
        if random.f64() > share.max(0.05) || (depth == 0 && field.kind().as_message().is_some()) {
            continue;
        }
        if let Some(value) = field_value(&field, depth, random) {
            message.set_field(&field, value);
        }
    }
    for extension in descriptor.extensions() {
        if random.f64() < 0.1 && extension.kind().as_message().is_none() {
            let list = extension.is_list();
            let value = value(&extension.kind(), 0, random);
            message.set_extension(&extension, if list { Value::List(vec![value]) } else { value });
        }
    }
    message
}

/// Well-known types have values that JSON does not have.
fn known(message: &mut DynamicMessage, depth: u32, random: &mut Rng) -> bool {
    let seconds = |random: &mut Rng, range: std::ops::RangeInclusive<i64>| match random.u8(..4) {
        0 => *range.start(),
        1 => *range.end(),
        2 => 0,
        _ => random.i64(range),
    };
    let nanos = |random: &mut Rng| match random.u8(..4) {
        0 => 0,
        1 => random.i32(0..1000) * 1_000_000,
        2 => random.i32(0..1_000_000) * 1000,
        _ => random.i32(0..1_000_000_000),
    };
    let set = |message: &mut DynamicMessage, number, value| {
        message.set_field_by_number(number, value);
    };
    let name = message.descriptor().full_name().to_owned();
    match name.strip_prefix("google.protobuf.") {
        Some("Timestamp") => {
            let range = -62_135_596_800..=253_402_300_799;
            set(message, 1, Value::I64(seconds(random, range)));
            set(message, 2, Value::I32(nanos(random)));
        }
        Some("Duration") => {
            let sign = if random.bool() { 1 } else { -1 };
            let value = seconds(random, 0..=315_576_000_000);
            set(message, 1, Value::I64(value * i64::from(sign)));
            set(message, 2, Value::I32(nanos(random) * sign));
        }
        Some("FieldMask") => {
            let paths =
                ["a", "foo_bar", "a.b_c.d1", "x1y_z"].map(|path| Value::String(path.to_owned()));
            set(message, 1, Value::List(paths.into_iter().filter(|_| random.bool()).collect()));
        }
        Some("Any") => {
            let inner = POOL.get_message_by_name("shop.v1.Item").unwrap();
            let inner = self::message(&inner, depth.saturating_sub(1), random);
            set(message, 1, Value::String("type.googleapis.com/shop.v1.Item".to_owned()));
            set(message, 2, Value::Bytes(inner.encode_to_vec().into()));
        }
        Some("Value") => {
            let kinds = if depth == 0 { 4 } else { 6 };
            let number = random.u32(1..=kinds);
            let field = message.descriptor().get_field(number).unwrap();
            let value = match number {
                2 => Value::F64(random.i64(..) as f64 / 1024.0),
                _ => value(&field.kind(), depth.saturating_sub(1), random),
            };
            message.set_field(&field, value);
        }
        _ => return false,
    }
    true
}

fn field_value(field: &FieldDescriptor, depth: u32, random: &mut Rng) -> Option<Value> {
    let deeper = depth.saturating_sub(1);
    let count = random.usize(..5);
    if field.is_map() {
        let entry = field.kind();
        let entry = entry.as_message()?;
        let (key, kind) = (entry.map_entry_key_field(), entry.map_entry_value_field().kind());
        if depth == 0 && kind.as_message().is_some() {
            return None;
        }
        let mut pair = || Some((map_key(&key.kind(), random)?, value(&kind, deeper, random)));
        return (0..count).map(|_| pair()).collect::<Option<_>>().map(Value::Map);
    }
    if field.is_list() {
        return Some(Value::List(
            (0..count).map(|_| value(&field.kind(), deeper, random)).collect(),
        ));
    }
    Some(value(&field.kind(), deeper, random))
}

fn map_key(kind: &Kind, random: &mut Rng) -> Option<MapKey> {
    Some(match value(kind, 0, random) {
        Value::Bool(value) => MapKey::Bool(value),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U32(value) => MapKey::U32(value),
        Value::U64(value) => MapKey::U64(value),
        Value::String(value) => MapKey::String(value),
        _ => return None,
    })
}

fn value(kind: &Kind, depth: u32, random: &mut Rng) -> Value {
    let bits = match random.u8(..4) {
        0 => 0,
        1 => u64::MAX >> random.u32(..64),
        2 => 1 << random.u32(..64),
        _ => random.u64(..) >> random.u32(..64),
    };
    let signed = if random.bool() { bits.cast_signed() } else { bits.cast_signed().wrapping_neg() };
    match kind {
        Kind::Double => Value::F64(match random.u8(..8) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -0.0,
            3 => signed as f64,
            4 => signed as f64 / 100.0,
            _ => f64::from_bits(random.u64(..)),
        }),
        Kind::Float => Value::F32(match random.u8(..6) {
            0 => f32::NEG_INFINITY,
            1 => signed as f32 / 10.0,
            2 => signed as f32,
            _ => f32::from_bits(random.u32(..)),
        }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(signed as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(signed),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
        Kind::Bool => Value::Bool(random.bool()),
        Kind::String => Value::String(string(random)),
        Kind::Bytes => {
            let bytes: Vec<u8> = (0..random.usize(..20)).map(|_| random.u8(..)).collect();
            Value::Bytes(bytes.into())
        }
        Kind::Enum(descriptor) => {
            let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
            Value::EnumNumber(values[random.usize(..values.len())])
        }
        Kind::Message(descriptor) => Value::Message(message(descriptor, depth, random)),
    }
}

fn string(random: &mut Rng) -> String {
    let length = if random.u8(..20) == 0 { random.usize(..300) } else { random.usize(..20) };
    let ascii = random.bool();
    let character = |_| match random.u8(..8) {
        0 if !ascii => random.char(..),
        1 if !ascii => {
            ['"', '\\', '\n', '\u{1}', '\u{7f}', 'é', '\u{2028}', '😀'][random.usize(..8)]
        }
        _ => random.char(' '..='~'),
    };
    (0..length).map(character).collect()
}
