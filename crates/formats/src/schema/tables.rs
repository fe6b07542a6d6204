//! The tables that transcoding reads: flat, and indexed by number, so that a field costs no search.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::names::Names;
use crate::text;
use crate::wire::WireType;

#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) messages: Vec<MessageTable>,
    pub(crate) enums: Vec<EnumTable>,
    pub(crate) by_name: HashMap<Box<str>, MessageId>,
    /// Keyed anew in each process, so that nobody outside can choose map keys that collide.
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageId(pub(crate) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumId(pub(crate) u32);

#[derive(Debug, Default)]
pub(crate) struct MessageTable {
    pub(crate) name: Box<str>,
    pub(crate) special: Special,
    /// By ascending number.
    pub(crate) fields: Vec<FieldTable>,
    /// A field's index plus one by its number, for small numbers.
    dense: Box<[u16]>,
    /// Fields by JSON name, original name, and `[full.name]` of an extension.
    pub(crate) names: Names,
    pub(crate) oneofs: Vec<Box<str>>,
}

/// A message that JSON writes in a way of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Special {
    #[default]
    None,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    Empty,
    /// `google.protobuf.Int32Value` and the like.
    Wrapper(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
    Group(MessageId),
}

impl Kind {
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 => WireType::Varint,
            Self::Sint32 | Self::Sint64 | Self::Bool | Self::Enum(_) => WireType::Varint,
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::Message(_) => WireType::Bytes,
            Self::Group(_) => WireType::StartGroup,
        }
    }

    /// Whether a repeated field of this kind may be packed.
    pub(crate) fn packs(self) -> bool {
        !matches!(self.wire_type(), WireType::Bytes | WireType::StartGroup)
    }

    /// Whether a number, bool or enum on the wire is the default of a field without presence.
    #[inline]
    pub(crate) fn is_default(self, raw: u64) -> bool {
        match self {
            Self::Int32 | Self::Uint32 | Self::Sint32 | Self::Enum(_) => raw as u32 == 0,
            // Minus zero is none.
            _ => raw == 0,
        }
    }

    pub(crate) fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Singular,
    Repeated,
    /// The kind is the entry's message: its first field is the key, its second the value.
    Map,
}

#[derive(Debug)]
pub(crate) struct FieldTable {
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// Whether elements are written packed; both ways are read.
    pub(crate) packed: bool,
    /// Whether the default is told apart from nothing.
    pub(crate) presence: bool,
    pub(crate) extension: bool,
    /// Whether a string that is not UTF-8 makes the message malformed.
    pub(crate) utf8: bool,
    pub(crate) oneof: Option<u16>,
    /// Which bit says that it has been there: its own, or its oneof's.
    pub(crate) slot: u32,
    /// The number and the wire type of one element.
    pub(crate) tag: u32,
    /// As the contract has it; `[full.name]` for an extension.
    pub(crate) name: Box<str>,
    pub(crate) json_name: Box<str>,
    pub(crate) json_key: Key,
    pub(crate) proto_key: Key,
}

/// A field's name as it stands in an object: `,"name":`.
#[derive(Debug, Default)]
pub(crate) struct Key {
    text: Box<str>,
    /// As much of it as there is room for. Copying a fixed number of bytes takes a few moves; copying
    /// as many as there are, a call.
    head: [u8; Self::HEAD],
}

impl Key {
    const HEAD: usize = 24;

    pub(crate) fn new(name: &str) -> Self {
        let mut text = vec![b','];
        text::quote(name, &mut text);
        text.push(b':');
        let mut head = [0; Self::HEAD];
        for (to, from) in head.iter_mut().zip(&text) {
            *to = *from;
        }
        Self { text: String::from_utf8(text).unwrap_or_default().into(), head }
    }

    /// `"name":`
    pub(crate) fn without_comma(&self) -> &[u8] {
        self.text.as_bytes().get(1..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        if self.text.len() <= Self::HEAD {
            let end = out.len() + self.text.len();
            out.extend_from_slice(&self.head);
            out.truncate(end);
        } else {
            out.extend_from_slice(self.text.as_bytes());
        }
    }
}

#[derive(Debug)]
pub(crate) struct EnumTable {
    pub(crate) name: Box<str>,
    pub(crate) closed: bool,
    /// `google.protobuf.NullValue`, which is JSON's null.
    pub(crate) null: bool,
    /// The number that is declared first.
    pub(crate) first: i32,
    /// By ascending number; of aliases the first.
    pub(crate) values: Vec<(i32, Box<str>)>,
    /// Numbers by name, aliases too.
    pub(crate) names: Names,
}

impl Tables {
    /// What tells a map's key from others, but for a rare accident that nobody can bring about.
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        // Short keys are their own hash: seven bytes and how many they are.
        if key.len() < 8 {
            let add = |hash: u64, byte: &u8| hash << 8 | u64::from(*byte);
            return key.iter().fold(key.len() as u64, add);
        }
        self.hasher.hash_one(key)
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&MessageTable> {
        self.messages.get(id.0 as usize)
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> Option<&EnumTable> {
        self.enums.get(id.0 as usize)
    }
}

impl MessageTable {
    pub(crate) fn new(name: &str, mut fields: Vec<FieldTable>, oneofs: Vec<Box<str>>) -> Self {
        fields.sort_by_key(|field| field.number);
        let mut slots = 0;
        let mut of_oneof = vec![None; oneofs.len()];
        for field in &mut fields {
            let shared = field.oneof.and_then(|oneof| of_oneof.get_mut(usize::from(oneof)));
            field.slot = match shared {
                Some(Some(slot)) => *slot,
                Some(shared) => *shared.insert(slots),
                None => slots,
            };
            slots = slots.max(field.slot + 1);
        }
        let most = (fields.len() * 4).max(64) as u32;
        let last = fields.iter().rfind(|field| field.number < most).map_or(0, |f| f.number);
        let mut dense = vec![0; last as usize + 1].into_boxed_slice();
        for (index, field) in fields.iter().enumerate() {
            if let Some(entry) = dense.get_mut(field.number as usize) {
                *entry = u16::try_from(index + 1).unwrap_or(0);
            }
        }
        let json = fields.iter().zip(0..).map(|(field, index)| (&*field.json_name, index));
        let original = fields.iter().zip(0..).map(|(field, index)| (&*field.name, index));
        let names = Names::new(&json.chain(original).collect::<Vec<_>>());
        let name = name.into();
        Self { name, special: Special::None, fields, dense, names, oneofs }
    }

    /// The index of the field of that number.
    pub(crate) fn find(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(0) if self.fields.len() <= usize::from(u16::MAX) => None,
            Some(index) if *index > 0 => Some(usize::from(*index) - 1),
            _ => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}

impl EnumTable {
    /// The name of a number; the first one's if there are aliases.
    pub(crate) fn name_of(&self, number: i32) -> Option<&str> {
        // Most enums count up from zero.
        match usize::try_from(number).ok().and_then(|index| self.values.get(index)) {
            Some((found, name)) if *found == number => Some(name),
            _ => {
                let index = self.values.binary_search_by_key(&number, |value| value.0).ok()?;
                self.values.get(index).map(|(_, name)| &**name)
            }
        }
    }
}
