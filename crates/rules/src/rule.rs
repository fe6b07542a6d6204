//! What rules there are, as types that cannot be wrong.

use prost_reflect::{EnumDescriptor, FieldDescriptor};
use regex::Regex;

use crate::expression::Expression;
use crate::range::Range;

/// When the rules of a field are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ignore {
    /// When a field with presence is not set.
    #[default]
    Unset,
    /// When the field is not set, or has its default.
    Zero,
    /// Always, with what is within it.
    Always,
}

/// The rules of a field, or of what a list or a map holds.
#[derive(Clone, Debug, Default)]
pub struct FieldRules {
    /// The field has to be set; one without presence, to something else than its default.
    pub required: bool,
    /// When the others are passed over.
    pub ignore: Ignore,
    /// Whether the contract says that itself.
    pub(crate) says_when: bool,
    /// Those in CEL.
    pub(crate) expressions: Vec<Expression>,
    /// Those of its type.
    pub of_type: Option<TypeRules>,
}

impl FieldRules {
    /// When messages in a list or in a map's values are passed over.
    pub(crate) fn ignores_inside(&self) -> Ignore {
        match &self.of_type {
            Some(TypeRules::List { items: Some(inner), .. }) => inner.ignore,
            Some(TypeRules::Map { values: Some(inner), .. }) => inner.ignore,
            _ => Ignore::Unset,
        }
    }
}

/// The rules of a type.
#[derive(Clone, Debug)]
pub enum TypeRules {
    /// Of any number. The name is that of the type, such as `uint32`.
    Number(&'static str, NumberRules),
    /// Of `bool`: exactly this.
    Bool(Option<bool>),
    /// Of `string`.
    String(Box<StringRules>),
    /// Of `bytes`.
    Bytes(Box<BytesRules>),
    /// Of an enum.
    Enum(EnumRules),
    /// Of a list.
    List {
        /// As many items at least.
        min: Option<u64>,
        /// As many at most.
        max: Option<u64>,
        /// No two are equal.
        unique: bool,
        /// The rules of each.
        items: Option<Box<FieldRules>>,
    },
    /// Of a map.
    Map {
        /// As many entries at least.
        min: Option<u64>,
        /// As many at most.
        max: Option<u64>,
        /// The rules of each key.
        keys: Option<Box<FieldRules>>,
        /// The rules of each value.
        values: Option<Box<FieldRules>>,
    },
    /// Of `google.protobuf.Any`.
    Any(AnyRules),
    /// Of `google.protobuf.Duration`, in nanoseconds.
    Duration(Range<i128>),
    /// Of `google.protobuf.Timestamp`.
    Timestamp(TimestampRules),
    /// Of `google.protobuf.FieldMask`.
    Mask(MaskRules),
}

/// The rules of a number.
#[derive(Clone, Debug)]
pub enum NumberRules {
    /// Of a whole number.
    Whole(Range<i128>),
    /// Of a float or a double.
    Float {
        /// Its bounds.
        range: Range<f64>,
        /// Neither infinite nor not a number.
        finite: bool,
    },
}

/// The rules of `string`.
#[derive(Clone, Debug, Default)]
pub struct StringRules {
    /// Exactly this, one of these, none of these.
    pub values: Range<String>,
    /// Characters: exactly, at least, at most.
    pub characters: (Option<u64>, Option<u64>, Option<u64>),
    /// Bytes of UTF-8: exactly, at least, at most.
    pub bytes: (Option<u64>, Option<u64>, Option<u64>),
    /// What is found in it.
    pub pattern: Option<Regex>,
    /// What it begins with.
    pub prefix: Option<String>,
    /// What it ends with.
    pub suffix: Option<String>,
    /// What is in it.
    pub contains: Option<String>,
    /// What is not in it.
    pub not_contains: Option<String>,
    /// What it is the text of.
    pub well_known: Option<WellKnown>,
    /// Values to show.
    pub example: Vec<String>,
}

/// What a string is the text of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WellKnown {
    Email,
    Hostname,
    Ip,
    Ipv4,
    Ipv6,
    Uri,
    UriRef,
    Address,
    Uuid,
    Tuuid,
    IpWithPrefixLen,
    Ipv4WithPrefixLen,
    Ipv6WithPrefixLen,
    IpPrefix,
    Ipv4Prefix,
    Ipv6Prefix,
    HostAndPort,
    Ulid,
    ProtobufFqn,
    ProtobufDotFqn,
    /// As strict as RFC 9110, or only without line ends.
    HeaderName {
        strict: bool,
    },
    HeaderValue {
        strict: bool,
    },
}

/// The rules of `bytes`.
#[derive(Clone, Debug, Default)]
pub struct BytesRules {
    /// Exactly this, one of these, none of these.
    pub values: Range<Vec<u8>>,
    /// Bytes: exactly, at least, at most.
    pub length: (Option<u64>, Option<u64>, Option<u64>),
    /// What is found in it.
    pub pattern: Option<regex::bytes::Regex>,
    /// What it begins with.
    pub prefix: Option<Vec<u8>>,
    /// What it ends with.
    pub suffix: Option<Vec<u8>>,
    /// What is in it.
    pub contains: Option<Vec<u8>>,
    /// The lengths that an address or a UUID may have, and what it is.
    pub(crate) well_known: Option<(&'static str, &'static [usize])>,
}

impl BytesRules {
    /// How many bytes an address or a UUID has, if it has to be one.
    pub fn known_length(&self) -> Option<u64> {
        self.well_known.and_then(|(_, lengths)| lengths.last()).map(|length| *length as u64)
    }
}

/// The rules of an enum.
#[derive(Clone, Debug)]
pub struct EnumRules {
    /// Whose values they are about.
    pub of: EnumDescriptor,
    /// By number.
    pub values: Range<i32>,
    /// Only values that the contract names.
    pub defined_only: bool,
}

/// The rules of `google.protobuf.Any`.
#[derive(Clone, Debug, Default)]
pub struct AnyRules {
    /// One of these type URLs.
    pub one_of: Vec<String>,
    /// None of these.
    pub none_of: Vec<String>,
}

/// The rules of `google.protobuf.Timestamp`, in nanoseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct TimestampRules {
    /// Between which points.
    pub range: Range<i128>,
    /// In the past.
    pub past: bool,
    /// In the future.
    pub future: bool,
    /// At most this far from now.
    pub within: Option<i128>,
}

/// The rules of `google.protobuf.FieldMask`.
#[derive(Clone, Debug, Default)]
pub struct MaskRules {
    /// Exactly these paths.
    pub exactly: Option<Vec<String>>,
    /// Each path is one of these, or below it.
    pub one_of: Vec<String>,
    /// No path is one of these, or below it.
    pub none_of: Vec<String>,
}

/// The rules of a message as a whole.
#[derive(Clone, Debug, Default)]
pub struct MessageRules {
    pub(crate) expressions: Vec<Expression>,
    /// Groups of fields of which at most one is set, and whether one has to be.
    pub oneofs: Vec<(Vec<FieldDescriptor>, bool)>,
}
