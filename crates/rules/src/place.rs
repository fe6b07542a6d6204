use std::cmp::Reverse;
use std::fmt;

use prost_reflect::{
    FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, OneofDescriptor,
};

/// Where in its file an option is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as others import it.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl Place {
    /// Where a message sets an option of that number.
    pub fn in_message(message: &MessageDescriptor, option: u32) -> Option<Self> {
        Self::find(&message.parent_file(), message.path(), 7, option)
    }

    /// Where a field does.
    pub fn in_field(field: &FieldDescriptor, option: u32) -> Option<Self> {
        Self::find(&field.parent_file(), field.path(), 8, option)
    }

    /// Where a oneof does.
    pub fn in_oneof(oneof: &OneofDescriptor, option: u32) -> Option<Self> {
        Self::find(&oneof.parent_file(), oneof.path(), 2, option)
    }

    /// Where a method does.
    pub fn in_method(method: &MethodDescriptor, option: u32) -> Option<Self> {
        Self::find(&method.parent_file(), method.path(), 4, option)
    }

    /// The place of the option, or of what has it, as far as the compiler said where things are.
    /// `options` is the number of the field of the descriptor that holds the options.
    fn find(file: &FileDescriptor, path: &[i32], options: i32, option: u32) -> Option<Self> {
        let set = [path, &[options, option.cast_signed()]].concat();
        let locations = &file.file_descriptor_proto().source_code_info.as_ref()?.location;
        let within = locations.iter().filter(|at| at.path.starts_with(&set) || at.path == path);
        let line = within.min_by_key(|at| Reverse(at.path.len().min(set.len())))?.span.first()?;
        Some(Self { file: file.name().to_owned(), line: usize::try_from(*line).ok()? + 1 })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
