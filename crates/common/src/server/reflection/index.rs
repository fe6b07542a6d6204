//! The files of descriptor sets, found by name, symbol and extension.
//!
//! Files are kept and given as the bytes that they came as: decoding with prost drops the options
//! that prost does not know, and `google.api.http` with them. Only the names are decoded.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};
use thiserror::Error;
use tracing::warn;

/// Why a descriptor set cannot be served. Sets are counted from 1, in the order in which they
/// were given.
#[derive(Debug, Error)]
pub enum DescriptorError {
    /// The bytes are no `google.protobuf.FileDescriptorSet`.
    #[error("descriptor set {set} is not an encoded FileDescriptorSet")]
    Set {
        /// Which set.
        set: usize,
        /// What the decoder said.
        #[source]
        source: DecodeError,
    },
    /// The bytes end within a file.
    #[error("descriptor set {set} is cut off within its file {file}")]
    CutOff {
        /// Which set.
        set: usize,
        /// Which file of the set, from 1.
        file: usize,
    },
    /// A file of the set is damaged.
    #[error("file {file} of descriptor set {set} is not an encoded FileDescriptorProto")]
    File {
        /// Which set.
        set: usize,
        /// Which file of the set, from 1.
        file: usize,
        /// What the decoder said.
        #[source]
        source: DecodeError,
    },
    /// A file or something that it declares has no name.
    #[error("file {file} of descriptor set {set} is broken: {what} has no name")]
    Unnamed {
        /// Which set.
        set: usize,
        /// Which file of the set, from 1.
        file: usize,
        /// What has no name.
        what: &'static str,
    },
}

/// The place of a file in [`Index::files`].
pub(super) type FileId = usize;

#[derive(Debug, Default)]
pub(super) struct Index {
    files: Vec<File>,
    names: HashMap<String, FileId>,
    /// Everything that has a full name: services, methods, messages, fields, oneofs, enums and
    /// their values, extensions.
    symbols: HashMap<String, FileId>,
    /// By the extended message, then by number.
    extensions: HashMap<String, BTreeMap<i32, FileId>>,
    /// As `package.Service/Method`.
    pub(super) methods: Vec<String>,
}

#[derive(Debug)]
struct File {
    bytes: Bytes,
    imports: Vec<FileId>,
}

/// Which files a stream has been sent. Takes one byte a file, so that a stream is bounded
/// whatever it asks for.
#[derive(Debug)]
pub(super) struct Sent(Vec<bool>);

impl Sent {
    /// Marks a file, and says whether it was not marked before.
    fn mark(&mut self, file: FileId) -> bool {
        self.0.get_mut(file).is_some_and(|sent| !std::mem::replace(sent, true))
    }
}

impl Index {
    /// Reads the sets. Where several hold a file of the same name, or files declare the same
    /// symbol, the first counts.
    pub(super) fn new(sets: impl IntoIterator<Item = Bytes>) -> Result<Self, DescriptorError> {
        let mut index = Self::default();
        let mut imports = Vec::new();
        for (set, bytes) in sets.into_iter().enumerate() {
            let set = set + 1;
            for (file, bytes) in split(set, bytes)?.into_iter().enumerate() {
                let file = file + 1;
                let decoded = FileDescriptorProto::decode(bytes.clone())
                    .map_err(|source| DescriptorError::File { set, file, source })?;
                let added = index
                    .add(bytes, &decoded)
                    .map_err(|what| DescriptorError::Unnamed { set, file, what })?;
                if added {
                    imports.push((decoded.name.unwrap_or_default(), decoded.dependency));
                }
            }
        }
        // Only now, as a file may stand before those that it imports, or in another set.
        for (file, (name, imports)) in index.files.iter_mut().zip(imports) {
            for import in imports {
                match index.names.get(&import) {
                    Some(import) => file.imports.push(*import),
                    None => warn!(
                        file = name,
                        import,
                        "reflection lacks an imported file: build the descriptor set with its imports"
                    ),
                }
            }
        }
        Ok(index)
    }

    pub(super) fn file(&self, name: &str) -> Option<FileId> {
        self.names.get(name).copied()
    }

    pub(super) fn symbol(&self, name: &str) -> Option<FileId> {
        self.symbols.get(name).copied()
    }

    pub(super) fn extension(&self, message: &str, number: i32) -> Option<FileId> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// The numbers of the extensions of a message, ascending; `None` if nothing has its name.
    pub(super) fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        match self.extensions.get(message) {
            Some(numbers) => Some(numbers.keys().copied().collect()),
            None => self.symbols.contains_key(message).then(Vec::new),
        }
    }

    pub(super) fn none_sent(&self) -> Sent {
        Sent(vec![false; self.files.len()])
    }

    /// The bytes of a file, and of those that it imports, directly or not, as far as the stream
    /// has not been sent them. The file itself comes first, and always.
    pub(super) fn with_imports(&self, file: FileId, sent: &mut Sent) -> Vec<Vec<u8>> {
        sent.mark(file);
        let mut queue = vec![file];
        let mut next = 0;
        // A file that was sent needs no second look: what it imports was sent with it.
        while let Some(file) = queue.get(next).and_then(|id| self.files.get(*id)) {
            queue.extend(file.imports.iter().filter(|import| sent.mark(**import)));
            next += 1;
        }
        queue.iter().filter_map(|id| Some(self.files.get(*id)?.bytes.to_vec())).collect()
    }

    /// Takes in a file, unless one of its name is there. Errors say what has no name.
    fn add(&mut self, bytes: Bytes, file: &FileDescriptorProto) -> Result<bool, &'static str> {
        let name = file.name.as_ref().filter(|name| !name.is_empty()).ok_or("it")?;
        if self.names.contains_key(name) {
            return Ok(false);
        }
        let id = self.files.len();
        self.names.insert(name.clone(), id);
        self.files.push(File { bytes, imports: Vec::new() });

        let package = file.package();
        for message in &file.message_type {
            self.add_message(id, package, message)?;
        }
        for declared in &file.enum_type {
            self.add_enum(id, package, declared)?;
        }
        for extension in &file.extension {
            self.add_extension(id, package, extension)?;
        }
        for service in &file.service {
            let service_name = self.add_symbol(id, package, &service.name, "a service")?;
            for method in &service.method {
                self.add_symbol(id, &service_name, &method.name, "a method")?;
                self.methods.push(format!("{service_name}/{}", method.name()));
            }
        }
        Ok(true)
    }

    fn add_message(
        &mut self,
        id: FileId,
        scope: &str,
        message: &DescriptorProto,
    ) -> Result<(), &'static str> {
        let name = self.add_symbol(id, scope, &message.name, "a message")?;
        for field in &message.field {
            self.add_symbol(id, &name, &field.name, "a field")?;
        }
        for oneof in &message.oneof_decl {
            self.add_symbol(id, &name, &oneof.name, "a oneof")?;
        }
        for extension in &message.extension {
            self.add_extension(id, &name, extension)?;
        }
        for declared in &message.enum_type {
            self.add_enum(id, &name, declared)?;
        }
        // As deep as prost decodes, which has a limit.
        for nested in &message.nested_type {
            self.add_message(id, &name, nested)?;
        }
        Ok(())
    }

    /// The values of an enum are named beside it, not within it, as in C++.
    fn add_enum(
        &mut self,
        id: FileId,
        scope: &str,
        declared: &EnumDescriptorProto,
    ) -> Result<(), &'static str> {
        self.add_symbol(id, scope, &declared.name, "an enum")?;
        for value in &declared.value {
            self.add_symbol(id, scope, &value.name, "an enum value")?;
        }
        Ok(())
    }

    fn add_extension(
        &mut self,
        id: FileId,
        scope: &str,
        extension: &FieldDescriptorProto,
    ) -> Result<(), &'static str> {
        self.add_symbol(id, scope, &extension.name, "an extension")?;
        // Compilers write the full name with a dot before it.
        let message = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions.entry(message).or_default().entry(extension.number()).or_insert(id);
        Ok(())
    }

    /// Takes in a name, and gives it in full.
    fn add_symbol(
        &mut self,
        id: FileId,
        scope: &str,
        name: &Option<String>,
        what: &'static str,
    ) -> Result<String, &'static str> {
        let name = name.as_deref().filter(|name| !name.is_empty()).ok_or(what)?;
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.symbols.entry(full.clone()).or_insert(id);
        Ok(full)
    }
}

/// Cuts a set into the bytes of its files, without a copy.
fn split(set: usize, mut bytes: Bytes) -> Result<Vec<Bytes>, DescriptorError> {
    /// `repeated FileDescriptorProto file = 1;`
    const FILE: u32 = 1;
    let broken = |source| DescriptorError::Set { set, source };
    let mut files = Vec::new();
    while bytes.has_remaining() {
        match decode_key(&mut bytes).map_err(broken)? {
            (FILE, WireType::LengthDelimited) => {
                let length = decode_varint(&mut bytes).map_err(broken)?;
                let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
                let Some(length) = length else {
                    return Err(DescriptorError::CutOff { set, file: files.len() + 1 });
                };
                files.push(bytes.split_to(length));
            }
            (tag, wire_type) => {
                skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).map_err(broken)?;
            }
        }
    }
    Ok(files)
}
