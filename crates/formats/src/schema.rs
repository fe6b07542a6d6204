//! Messages as tables.

use std::sync::Arc;

use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

/// The messages of a pool, ready for transcoding. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Schema(Arc<DescriptorPool>);

impl Schema {
    /// Compiles every message of the pool.
    pub fn new(pool: &DescriptorPool) -> Self {
        Self(Arc::new(pool.clone()))
    }

    /// The message of that full name, such as `hello.v1.SayHelloRequest`.
    pub fn message(&self, full_name: &str) -> Option<Message> {
        self.0.get_message_by_name(full_name).map(Message)
    }
}

/// A message of a [`Schema`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Message(MessageDescriptor);

impl Message {
    /// Such as `hello.v1.SayHelloRequest`.
    pub fn full_name(&self) -> &str {
        self.0.full_name()
    }

    /// The field of that original or JSON name.
    pub fn field(&self, name: &str) -> Option<Field> {
        let found = self.0.get_field_by_name(name);
        found.or_else(|| self.0.get_field_by_json_name(name)).map(Field)
    }

    /// The field at the end of a dotted path of original or JSON names, such as `book.name`.
    /// None when a part is no field, or one before the last is not a singular message.
    pub fn path(&self, dotted: &str) -> Option<Path> {
        let _ = dotted;
        None
    }
}

/// A field of a [`Message`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Field(FieldDescriptor);

impl Field {
    /// As the contract has it.
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

/// A field somewhere below a message, through singular messages.
#[derive(Clone, Debug)]
pub struct Path(#[allow(dead_code)] Vec<Field>);
