//! Rules as a contract declares them, read once.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
    ReflectMessage, Value,
};
use regex::Regex;

use crate::expression::{Expression, Source};
use crate::range::{Lower, Range, Upper};
use crate::rule::{
    AnyRules, BytesRules, EnumRules, FieldRules, Ignore, MaskRules, MessageRules, NumberRules,
    StringRules, TimestampRules, TypeRules, WellKnown,
};
use crate::{Place, RuleError, wkt};

/// The number of `buf.validate`'s extensions of options.
const OPTION: u32 = 1159;

/// The rules of types that are read here. A contract with another is refused, not kept in part.
const KNOWN: [&str; 54] = [
    "const",
    "lt",
    "lte",
    "gt",
    "gte",
    "in",
    "not_in",
    "finite",
    "example",
    "len",
    "min_len",
    "max_len",
    "len_bytes",
    "min_bytes",
    "max_bytes",
    "pattern",
    "prefix",
    "suffix",
    "contains",
    "not_contains",
    "email",
    "hostname",
    "ip",
    "ipv4",
    "ipv6",
    "uri",
    "uri_ref",
    "address",
    "uuid",
    "tuuid",
    "ip_with_prefixlen",
    "ipv4_with_prefixlen",
    "ipv6_with_prefixlen",
    "ip_prefix",
    "ipv4_prefix",
    "ipv6_prefix",
    "host_and_port",
    "ulid",
    "protobuf_fqn",
    "protobuf_dot_fqn",
    "well_known_regex",
    "strict",
    "defined_only",
    "min_items",
    "max_items",
    "unique",
    "items",
    "min_pairs",
    "max_pairs",
    "keys",
    "values",
    "lt_now",
    "gt_now",
    "within",
];

/// The value of an option, if it is set.
fn option(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    let extension: ExtensionDescriptor =
        options.descriptor().parent_pool().get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

pub(crate) fn of_field(field: &FieldDescriptor) -> Result<Option<FieldRules>, RuleError> {
    let Some(rules) = option(&field.options(), "buf.validate.field") else {
        return Ok(None);
    };
    let kind = Declared { of: field.full_name(), rules: &rules };
    let rules = kind.field_rules(&Shape::of(field));
    rules.map(Some).map_err(|error| RuleError { place: Place::in_field(field, OPTION), ..error })
}

pub(crate) fn of_message(message: &MessageDescriptor) -> Result<MessageRules, RuleError> {
    let Some(rules) = option(&message.options(), "buf.validate.message") else {
        return Ok(MessageRules::default());
    };
    let rules = message_rules(message, &rules);
    rules.map_err(|error| RuleError { place: Place::in_message(message, OPTION), ..error })
}

fn message_rules(
    message: &MessageDescriptor,
    rules: &DynamicMessage,
) -> Result<MessageRules, RuleError> {
    let declared = Declared { of: message.full_name(), rules };
    let oneofs = declared.messages("oneof").into_iter().map(|rule| {
        let rule = Declared { of: message.full_name(), rules: &rule };
        let names = rule.strings("fields");
        let fields = names.iter().map(|name| {
            message
                .get_field_by_name(name)
                .ok_or_else(|| rule.wrong(format!("there is no field {name}")))
        });
        let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
        if fields.is_empty() {
            return Err(rule.wrong("a oneof without fields"));
        }
        Ok((fields, rule.bool("required")))
    });
    Ok(MessageRules {
        oneofs: oneofs.collect::<Result<_, _>>()?,
        expressions: declared.expressions(&Shape::Single(Kind::Message(message.clone())))?,
    })
}

/// Whether one field of a oneof has to be set.
pub(crate) fn of_oneof(oneof: &OneofDescriptor) -> bool {
    let rules = option(&oneof.options(), "buf.validate.oneof");
    rules.is_some_and(|rules| Declared { of: oneof.full_name(), rules: &rules }.bool("required"))
}

/// What rules are for.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    List(Kind),
    Map(Kind, Kind),
    Single(Kind),
}

impl Shape {
    pub(crate) fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                Self::Map(entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind())
            }
            kind if field.is_list() => Self::List(kind),
            kind => Self::Single(kind),
        }
    }
}

/// The name of the rules that a kind of value takes.
fn rules_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Enum(_) => "enum",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Any" => "any",
            "google.protobuf.Duration" => "duration",
            "google.protobuf.Timestamp" => "timestamp",
            "google.protobuf.FieldMask" => "field_mask",
            "google.protobuf.DoubleValue" => "double",
            "google.protobuf.FloatValue" => "float",
            "google.protobuf.Int64Value" => "int64",
            "google.protobuf.UInt64Value" => "uint64",
            "google.protobuf.Int32Value" => "int32",
            "google.protobuf.UInt32Value" => "uint32",
            "google.protobuf.BoolValue" => "bool",
            "google.protobuf.StringValue" => "string",
            "google.protobuf.BytesValue" => "bytes",
            _ => "",
        },
    }
}

/// A message of rules, read by the names of its fields.
struct Declared<'a> {
    of: &'a str,
    rules: &'a DynamicMessage,
}

impl Declared<'_> {
    fn wrong(&self, problem: impl Into<String>) -> RuleError {
        RuleError { of: self.of.to_owned(), problem: problem.into(), place: None }
    }

    /// A field that is set.
    fn get(&self, name: &str) -> Option<Value> {
        let field = self.rules.descriptor().get_field_by_name(name)?;
        if !self.rules.has_field(&field) {
            return None;
        }
        Some(self.rules.get_field(&field).into_owned())
    }

    fn bool(&self, name: &str) -> bool {
        self.get(name).and_then(|value| value.as_bool()).unwrap_or(false)
    }

    fn u64(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    fn string(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned)
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.get(name)?.as_bytes().map(|bytes| bytes.to_vec())
    }

    fn each<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let list = self.get(name);
        let list = list.as_ref().and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(read).collect()
    }

    fn strings(&self, name: &str) -> Vec<String> {
        self.each(name, |value| value.as_str().map(str::to_owned))
    }

    fn messages(&self, name: &str) -> Vec<DynamicMessage> {
        self.each(name, |value| value.as_message().cloned())
    }

    fn range<T>(&self, read: impl Fn(&Value) -> Option<T>) -> Range<T> {
        let one = |name| self.get(name).as_ref().and_then(&read);
        Range {
            exactly: one("const"),
            upper: one("lt").map(Upper::Below).or_else(|| one("lte").map(Upper::AtMost)),
            lower: one("gt").map(Lower::Above).or_else(|| one("gte").map(Lower::AtLeast)),
            one_of: self.each("in", &read),
            none_of: self.each("not_in", &read),
        }
    }

    fn expressions(&self, this: &Shape) -> Result<Vec<Expression>, RuleError> {
        let with_id = self.messages("cel");
        let with_id = with_id.iter().map(|rule| {
            let rule = Declared { of: self.of, rules: rule };
            let text = |name| rule.string(name).unwrap_or_default();
            Source { id: text("id"), message: text("message"), expression: text("expression") }
        });
        let alone = self.strings("cel_expression").into_iter().map(|expression| Source {
            id: expression.clone(),
            message: String::new(),
            expression,
        });
        with_id
            .chain(alone)
            .map(|source| Expression::new(source, this).map_err(|problem| self.wrong(problem)))
            .collect()
    }

    fn field_rules(&self, shape: &Shape) -> Result<FieldRules, RuleError> {
        let when = self.get("ignore").and_then(|value| value.as_enum_number());
        let ignore = match when {
            Some(1) => Ignore::Zero,
            Some(3) => Ignore::Always,
            _ => Ignore::Unset,
        };
        Ok(FieldRules {
            required: self.bool("required"),
            ignore,
            says_when: when.is_some(),
            expressions: self.expressions(shape)?,
            of_type: self.type_rules(shape)?,
        })
    }

    fn type_rules(&self, shape: &Shape) -> Result<Option<TypeRules>, RuleError> {
        let oneof = self.rules.descriptor().oneofs().find(|oneof| oneof.name() == "type");
        let set = oneof.and_then(|oneof| oneof.fields().find(|field| self.rules.has_field(field)));
        let Some(field) = set else { return Ok(None) };
        let expected = match shape {
            Shape::List(_) => "repeated",
            Shape::Map(..) => "map",
            Shape::Single(kind) => rules_name(kind),
        };
        if field.name() != expected {
            let takes = match expected {
                "" => "a message takes none of those of a type".to_owned(),
                name => format!("it takes those of {name}"),
            };
            return Err(self.wrong(format!("rules of {} do not fit it; {takes}", field.name())));
        }
        let value = self.rules.get_field(&field);
        let Some(rules) = value.as_message() else { return Ok(None) };
        let inner = Declared { of: self.of, rules };
        if rules.extensions().next().is_some() {
            return Err(
                self.wrong("rules of one's own (buf.validate.predefined) are not supported")
            );
        }
        if let Some((unknown, _)) = rules.fields().find(|(field, _)| !KNOWN.contains(&field.name()))
        {
            return Err(self.wrong(format!("the rule {} is not known", unknown.full_name())));
        }
        let rules = match expected {
            "bool" => TypeRules::Bool(inner.get("const").and_then(|value| value.as_bool())),
            "string" => TypeRules::String(Box::new(inner.string_rules()?)),
            "bytes" => TypeRules::Bytes(Box::new(inner.bytes_rules()?)),
            "enum" => TypeRules::Enum(EnumRules {
                of: match shape {
                    Shape::Single(Kind::Enum(of)) => of.clone(),
                    _ => return Ok(None),
                },
                values: inner.range(|value| value.as_i32()),
                defined_only: inner.bool("defined_only"),
            }),
            "repeated" | "map" => return inner.collection_rules(shape).map(Some),
            "any" => TypeRules::Any(AnyRules {
                one_of: inner.strings("in"),
                none_of: inner.strings("not_in"),
            }),
            "duration" => TypeRules::Duration(inner.range(time)),
            "timestamp" => TypeRules::Timestamp(TimestampRules {
                range: inner.range(time),
                past: inner.bool("lt_now"),
                future: inner.bool("gt_now"),
                within: inner.get("within").as_ref().and_then(time),
            }),
            "field_mask" => TypeRules::Mask(MaskRules {
                exactly: inner.get("const").and_then(|v| v.as_message().map(wkt::paths)),
                one_of: inner.strings("in"),
                none_of: inner.strings("not_in"),
            }),
            "float" | "double" => TypeRules::Number(
                expected,
                NumberRules::Float { range: inner.range(float), finite: inner.bool("finite") },
            ),
            _ => TypeRules::Number(expected, NumberRules::Whole(inner.range(whole))),
        };
        Ok(Some(rules))
    }

    fn collection_rules(&self, shape: &Shape) -> Result<TypeRules, RuleError> {
        let inner = |name: &str, kind: &Kind| match self.get(name) {
            Some(Value::Message(rules)) => {
                let inner = Declared { of: self.of, rules: &rules };
                inner.field_rules(&Shape::Single(kind.clone())).map(|rules| Some(Box::new(rules)))
            }
            _ => Ok(None),
        };
        Ok(match shape {
            Shape::Map(key, value) => TypeRules::Map {
                min: self.u64("min_pairs"),
                max: self.u64("max_pairs"),
                keys: inner("keys", key)?,
                values: inner("values", value)?,
            },
            Shape::List(kind) | Shape::Single(kind) => TypeRules::List {
                min: self.u64("min_items"),
                max: self.u64("max_items"),
                unique: self.bool("unique"),
                items: inner("items", kind)?,
            },
        })
    }

    fn string_rules(&self) -> Result<StringRules, RuleError> {
        let pattern = self.string("pattern").map(|pattern| Regex::new(&pattern)).transpose();
        Ok(StringRules {
            values: self.range(|value| value.as_str().map(str::to_owned)),
            characters: (self.u64("len"), self.u64("min_len"), self.u64("max_len")),
            bytes: (self.u64("len_bytes"), self.u64("min_bytes"), self.u64("max_bytes")),
            pattern: pattern.map_err(|error| self.wrong(error.to_string()))?,
            prefix: self.string("prefix"),
            suffix: self.string("suffix"),
            contains: self.string("contains"),
            not_contains: self.string("not_contains"),
            well_known: self.well_known(),
            example: self.strings("example"),
        })
    }

    fn well_known(&self) -> Option<WellKnown> {
        // A rule that is set to false asks for nothing.
        let named = [
            ("email", WellKnown::Email),
            ("hostname", WellKnown::Hostname),
            ("ip", WellKnown::Ip),
            ("ipv4", WellKnown::Ipv4),
            ("ipv6", WellKnown::Ipv6),
            ("uri", WellKnown::Uri),
            ("uri_ref", WellKnown::UriRef),
            ("address", WellKnown::Address),
            ("uuid", WellKnown::Uuid),
            ("tuuid", WellKnown::Tuuid),
            ("ip_with_prefixlen", WellKnown::IpWithPrefixLen),
            ("ipv4_with_prefixlen", WellKnown::Ipv4WithPrefixLen),
            ("ipv6_with_prefixlen", WellKnown::Ipv6WithPrefixLen),
            ("ip_prefix", WellKnown::IpPrefix),
            ("ipv4_prefix", WellKnown::Ipv4Prefix),
            ("ipv6_prefix", WellKnown::Ipv6Prefix),
            ("host_and_port", WellKnown::HostAndPort),
            ("ulid", WellKnown::Ulid),
            ("protobuf_fqn", WellKnown::ProtobufFqn),
            ("protobuf_dot_fqn", WellKnown::ProtobufDotFqn),
        ];
        if let Some((_, found)) = named.into_iter().find(|(name, _)| self.bool(name)) {
            return Some(found);
        }
        let strict = self.get("strict").and_then(|value| value.as_bool()).unwrap_or(true);
        match self.get("well_known_regex").and_then(|value| value.as_enum_number()) {
            Some(1) => Some(WellKnown::HeaderName { strict }),
            Some(2) => Some(WellKnown::HeaderValue { strict }),
            _ => None,
        }
    }

    fn bytes_rules(&self) -> Result<BytesRules, RuleError> {
        let pattern = self.string("pattern");
        let pattern = pattern.map(|pattern| regex::bytes::Regex::new(&pattern)).transpose();
        let named: [(&str, &[usize]); 4] =
            [("ip", &[4, 16]), ("ipv4", &[4]), ("ipv6", &[16]), ("uuid", &[16])];
        Ok(BytesRules {
            values: self.range(|value| value.as_bytes().map(|bytes| bytes.to_vec())),
            length: (self.u64("len"), self.u64("min_len"), self.u64("max_len")),
            pattern: pattern.map_err(|error| self.wrong(error.to_string()))?,
            prefix: self.bytes("prefix"),
            suffix: self.bytes("suffix"),
            contains: self.bytes("contains"),
            well_known: named.into_iter().find(|(name, _)| self.bool(name)),
        })
    }
}

fn time(value: &Value) -> Option<i128> {
    value.as_message().map(wkt::nanoseconds)
}

/// Any whole number.
pub(crate) fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::I32(number) => Some((*number).into()),
        Value::I64(number) => Some((*number).into()),
        Value::U32(number) => Some((*number).into()),
        Value::U64(number) => Some((*number).into()),
        _ => None,
    }
}

pub(crate) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F32(number) => Some((*number).into()),
        Value::F64(number) => Some(*number),
        _ => None,
    }
}
