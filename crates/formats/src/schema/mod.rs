//! Messages as tables, compiled once from descriptors.

mod build;
mod descriptor;
mod features;
mod names;
mod tables;

use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use prost_reflect::DescriptorPool;

pub(crate) use tables::{
    EnumTable, FieldTable, Kind, MessageId, MessageTable, Shape, Special, Tables,
};

/// The messages of some descriptors, ready for transcoding. Cheap to clone.
#[derive(Clone, Default)]
pub struct Schema(Arc<Tables>);

impl Schema {
    /// Compiles every message of the pool.
    pub fn new(pool: &DescriptorPool) -> Self {
        // A pool holds only what it has resolved, so its own encoding is always good.
        Self::decode(&pool.encode_to_vec()).unwrap_or_default()
    }

    /// Compiles every message of a serialised `google.protobuf.FileDescriptorSet`, which may be of
    /// proto2, proto3 or an edition.
    ///
    /// # Errors
    /// Not such a set, or one that lacks a file that another imports.
    pub fn decode(file_descriptor_set: &[u8]) -> Result<Self, SchemaError> {
        let files = descriptor::FileSet::decode(file_descriptor_set)?;
        build::build(&files).map(|tables| Self(Arc::new(tables)))
    }

    /// The message of that full name, such as `hello.v1.SayHelloRequest`.
    pub fn message(&self, full_name: &str) -> Option<Message> {
        let id = *self.0.by_name.get(full_name)?;
        Some(Message { schema: self.clone(), id })
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.0
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({} messages)", self.0.messages.len())
    }
}

/// Why descriptors could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The bytes are something else.
    #[error("not a serialised google.protobuf.FileDescriptorSet")]
    Decode(#[from] prost::DecodeError),
    /// A file of a syntax that is not known.
    #[error("unknown syntax {0:?}")]
    Syntax(String),
    /// The type is in no file of the set.
    #[error(
        "{field}: no file of the descriptor set has the type {name:?}; include imports when the set is made"
    )]
    Type {
        /// The field of that type, or the extension of that message.
        field: String,
        /// The type.
        name: String,
    },
    /// No number, or one that a field cannot have.
    #[error("{0}: a field's number is between 1 and 536870911")]
    Number(String),
    /// Types are nested without end.
    #[error("{0}: nested too deeply")]
    Nesting(String),
}

/// A message of a [`Schema`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Message {
    schema: Schema,
    id: MessageId,
}

impl Message {
    /// Such as `hello.v1.SayHelloRequest`.
    pub fn full_name(&self) -> &str {
        self.table().map_or("", |table| &table.name)
    }

    /// The field of that original or JSON name.
    pub fn field(&self, name: &str) -> Option<Field> {
        let index = self.table()?.names.get(name.as_bytes())?;
        Some(Field { message: self.clone(), index: index as usize })
    }

    /// The field at the end of a dotted path of original or JSON names, such as `book.name`.
    /// None when a part is no field, or one before the last is not a singular message.
    pub fn path(&self, dotted: &str) -> Option<Path> {
        let mut fields = Vec::new();
        let mut message = self.clone();
        let mut parts = dotted.split('.').peekable();
        while let Some(part) = parts.next() {
            let field = message.field(part)?;
            if parts.peek().is_some() {
                message = field.singular_message()?;
            }
            fields.push(field);
        }
        let last = fields.pop()?;
        Some(Path { through: fields, last })
    }

    pub(crate) fn table(&self) -> Option<&MessageTable> {
        self.schema.tables().message(self.id)
    }

    pub(crate) fn tables(&self) -> &Tables {
        self.schema.tables()
    }

    pub(crate) fn id(&self) -> MessageId {
        self.id
    }
}

/// A field of a [`Message`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Field {
    message: Message,
    index: usize,
}

impl Field {
    /// As the contract has it; `[full.name]` for an extension.
    pub fn name(&self) -> &str {
        self.table().map_or("", |table| &table.name)
    }

    /// As JSON has it.
    pub fn json_name(&self) -> &str {
        self.table().map_or("", |table| &table.json_name)
    }

    /// Whether it may have several values, as a list or as a map.
    pub fn is_repeated(&self) -> bool {
        self.table().is_some_and(|table| table.shape != Shape::Singular)
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        self.table().is_some_and(|table| table.shape == Shape::Map)
    }

    /// The message that the field, or each of its elements, is.
    pub fn message(&self) -> Option<Message> {
        let id = self.table()?.kind.message()?;
        Some(Message { schema: self.message.schema.clone(), id })
    }

    fn singular_message(&self) -> Option<Message> {
        self.message().filter(|_| !self.is_repeated())
    }

    pub(crate) fn parent(&self) -> &Message {
        &self.message
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn table(&self) -> Option<&FieldTable> {
        self.message.table()?.fields.get(self.index)
    }
}

/// A field somewhere below a message, through singular messages.
#[derive(Clone, Debug)]
pub struct Path {
    through: Vec<Field>,
    last: Field,
}

impl Path {
    /// The field that the path leads to.
    pub fn field(&self) -> &Field {
        &self.last
    }

    /// The names of its fields, as the contract has them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.through.iter().chain([&self.last]).map(Field::name)
    }

    /// The fields before the last.
    pub(crate) fn through(&self) -> &[Field] {
        &self.through
    }
}

/// protoc's rule: what follows an underscore is upper case.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                json.extend(c.to_uppercase());
                upper = false;
            }
            c => json.push(c),
        }
    }
    json
}
