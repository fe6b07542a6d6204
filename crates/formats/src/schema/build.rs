//! From descriptors to tables.

use std::collections::HashMap;

use super::descriptor::{EnumType, FieldType, File, FileSet, MessageType};
use super::features::Features;
use super::names::Names;
use super::tables::{
    EnumId, EnumTable, FieldTable, Key, Kind, MessageId, MessageTable, Shape, Special, Tables,
};
use super::{SchemaError, json_name};

/// Nested types deeper than this are not a contract that anyone wrote.
const MAX_NESTING: usize = 100;

pub(crate) fn build(files: &FileSet) -> Result<Tables, SchemaError> {
    let mut declared = Declared::default();
    for file in &files.file {
        declared.file(file)?;
    }
    declared.tables()
}

/// Everything that the files declare, under its full name, before types are looked up.
#[derive(Default)]
struct Declared<'a> {
    messages: Vec<DeclaredMessage<'a>>,
    enums: Vec<EnumTable>,
    extensions: Vec<(String, Features, &'a FieldType)>,
    types: HashMap<String, Type>,
}

struct DeclaredMessage<'a> {
    name: String,
    features: Features,
    message: &'a MessageType,
}

#[derive(Clone, Copy)]
enum Type {
    Message(MessageId),
    Enum(EnumId),
}

impl<'a> Declared<'a> {
    fn file(&mut self, file: &'a File) -> Result<(), SchemaError> {
        let syntax = file.syntax.as_deref().unwrap_or_default();
        let features = Features::of_syntax(syntax)
            .ok_or_else(|| SchemaError::Syntax(syntax.to_owned()))?
            .with(file.options.as_ref().and_then(|options| options.features.as_ref()));
        let package = file.package.as_deref().unwrap_or_default();
        for message in &file.message_type {
            self.message(package, features, message, 0)?;
        }
        for enumeration in &file.enum_type {
            self.enumeration(package, features, enumeration);
        }
        for extension in &file.extension {
            self.extensions.push((package.to_owned(), features, extension));
        }
        Ok(())
    }

    fn message(
        &mut self,
        scope: &str,
        features: Features,
        message: &'a MessageType,
        depth: usize,
    ) -> Result<(), SchemaError> {
        let name = join(scope, message.name.as_deref().unwrap_or_default());
        if depth > MAX_NESTING {
            return Err(SchemaError::Nesting(name));
        }
        let options = message.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        for nested in &message.nested_type {
            self.message(&name, features, nested, depth + 1)?;
        }
        for enumeration in &message.enum_type {
            self.enumeration(&name, features, enumeration);
        }
        for extension in &message.extension {
            self.extensions.push((name.clone(), features, extension));
        }
        let id = MessageId(self.messages.len() as u32);
        self.types.insert(name.clone(), Type::Message(id));
        self.messages.push(DeclaredMessage { name, features, message });
        Ok(())
    }

    fn enumeration(&mut self, scope: &str, features: Features, enumeration: &EnumType) {
        let name = join(scope, enumeration.name.as_deref().unwrap_or_default());
        let options = enumeration.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        let values = || {
            let value = |value: &'_ super::descriptor::EnumValue| value.number.unwrap_or_default();
            enumeration.value.iter().map(move |v| (v.name.as_deref().unwrap_or_default(), value(v)))
        };
        let mut by_number: Vec<(i32, Box<str>)> =
            values().map(|(name, number)| (number, name.into())).collect();
        // Stable, so that of aliases the first remains.
        by_number.sort_by_key(|value| value.0);
        by_number.dedup_by_key(|value| value.0);
        let names: Vec<_> = values().map(|(name, number)| (name, number.cast_unsigned())).collect();
        let table = EnumTable {
            name: name.as_str().into(),
            closed: features.closed_enum,
            null: name == "google.protobuf.NullValue",
            first: values().next().map_or(0, |(_, number)| number),
            values: by_number,
            names: Names::new(&names),
        };
        self.types.insert(name, Type::Enum(EnumId(self.enums.len() as u32)));
        self.enums.push(table);
    }

    fn tables(self) -> Result<Tables, SchemaError> {
        let mut extensions: HashMap<u32, Vec<FieldTable>> = HashMap::new();
        for (scope, features, field) in &self.extensions {
            let full_name = join(scope, field.name.as_deref().unwrap_or_default());
            let extendee = field.extendee.as_deref().unwrap_or_default();
            let Some(Type::Message(id)) = self.types.get(extendee.trim_start_matches('.')) else {
                let name = extendee.trim_start_matches('.').to_owned();
                return Err(SchemaError::Type { field: full_name, name });
            };
            let set = field.options.as_ref().and_then(|options| options.features.as_ref());
            let mut table = self.field(&full_name, features.with(set), field)?;
            table.rename(&format!("[{full_name}]"));
            table.extension = true;
            table.oneof = None;
            extensions.entry(id.0).or_default().push(table);
        }
        let mut tables = Tables::default();
        for (declared, id) in self.messages.iter().zip(0..) {
            let extensions = extensions.remove(&id).unwrap_or_default();
            tables.by_name.insert(declared.name.as_str().into(), MessageId(id));
            tables.messages.push(self.message_table(declared, extensions)?);
        }
        tables.enums = self.enums;
        Ok(tables)
    }

    fn message_table(
        &self,
        declared: &DeclaredMessage<'a>,
        extensions: Vec<FieldTable>,
    ) -> Result<MessageTable, SchemaError> {
        let DeclaredMessage { name, features, message } = declared;
        let options = message.options.as_ref();
        let entry = options.and_then(|options| options.map_entry).unwrap_or_default();
        let mut fields = Vec::with_capacity(message.field.len() + extensions.len());
        for field in &message.field {
            let mut features = *features;
            // Entries of maps, and messages in them, are never groups.
            features.delimited &= !entry;
            let index = field.oneof_index.and_then(|index| usize::try_from(index).ok());
            if let Some(oneof) = index.and_then(|index| message.oneof_decl.get(index)) {
                let options = oneof.options.as_ref();
                features = features.with(options.and_then(|options| options.features.as_ref()));
            }
            let set = field.options.as_ref().and_then(|options| options.features.as_ref());
            let full_name = join(name, field.name.as_deref().unwrap_or_default());
            fields.push(self.field(&full_name, features.with(set), field)?);
        }
        fields.extend(extensions);
        let oneofs = message.oneof_decl.iter().map(|oneof| oneof.name.as_deref().unwrap_or(""));
        let mut table = MessageTable::new(name, fields, oneofs.map(Into::into).collect());
        table.special = special(name);
        Ok(table)
    }

    fn field(
        &self,
        full_name: &str,
        features: Features,
        field: &FieldType,
    ) -> Result<FieldTable, SchemaError> {
        let kind = self.kind(full_name, features, field)?;
        let repeated = field.label == Some(3);
        let entry = kind.message().is_some_and(|id| self.is_entry(id));
        let shape = match (repeated, entry) {
            (true, true) => Shape::Map,
            (true, false) => Shape::Repeated,
            (false, _) => Shape::Singular,
        };
        // A map stays as it was before editions: its entries are not groups.
        let kind = match (shape, kind) {
            (Shape::Map, Kind::Group(id)) => Kind::Message(id),
            _ => kind,
        };
        let packed = field.options.as_ref().and_then(|options| options.packed);
        let number = field
            .number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (1..1 << 29).contains(number))
            .ok_or_else(|| SchemaError::Number(full_name.to_owned()))?;
        let optional = field.proto3_optional.unwrap_or_default();
        let in_oneof = field.oneof_index.is_some() || optional;
        let mut table = FieldTable {
            number,
            kind,
            shape,
            packed: repeated && kind.packs() && packed.unwrap_or(features.packed),
            presence: !repeated
                && (in_oneof
                    || kind.message().is_some()
                    || field.extendee.is_some()
                    || !features.implicit_presence),
            extension: false,
            utf8: features.utf8,
            oneof: field
                .oneof_index
                .filter(|_| !optional)
                .and_then(|index| u16::try_from(index).ok()),
            slot: 0,
            tag: number << 3 | kind.wire_type() as u32,
            name: "".into(),
            json_name: "".into(),
            json_key: Key::default(),
            proto_key: Key::default(),
        };
        let name = field.name.as_deref().unwrap_or_default();
        table.rename(name);
        match field.json_name.as_deref() {
            Some(json_name) => table.rename_json(json_name),
            None => table.rename_json(&json_name(name)),
        }
        Ok(table)
    }

    fn kind(
        &self,
        full_name: &str,
        features: Features,
        field: &FieldType,
    ) -> Result<Kind, SchemaError> {
        // The numbers are FieldDescriptorProto.Type's. A compiler may leave 10, 11 and 14 to whoever
        // knows what the name stands for.
        Ok(match field.r#type.unwrap_or_default() {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            number @ (0 | 10 | 11 | 14) => {
                let name = field.type_name.as_deref().unwrap_or_default().trim_start_matches('.');
                match self.types.get(name) {
                    Some(Type::Enum(id)) => Kind::Enum(*id),
                    Some(Type::Message(id)) if number == 10 || features.delimited => {
                        Kind::Group(*id)
                    }
                    Some(Type::Message(id)) => Kind::Message(*id),
                    None => {
                        let (field, name) = (full_name.to_owned(), name.to_owned());
                        return Err(SchemaError::Type { field, name });
                    }
                }
            }
            number => {
                let (field, name) = (full_name.to_owned(), format!("number {number}"));
                return Err(SchemaError::Type { field, name });
            }
        })
    }

    fn is_entry(&self, id: MessageId) -> bool {
        let options =
            self.messages.get(id.0 as usize).and_then(|declared| declared.message.options.as_ref());
        options.and_then(|options| options.map_entry).unwrap_or_default()
    }
}

impl FieldTable {
    fn rename(&mut self, name: &str) {
        self.name = name.into();
        self.proto_key = Key::new(name);
        self.rename_json(name);
    }

    fn rename_json(&mut self, name: &str) {
        self.json_name = name.into();
        self.json_key = Key::new(name);
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn special(name: &str) -> Special {
    match name.strip_prefix("google.protobuf.") {
        Some("Any") => Special::Any,
        Some("Timestamp") => Special::Timestamp,
        Some("Duration") => Special::Duration,
        Some("FieldMask") => Special::FieldMask,
        Some("Struct") => Special::Struct,
        Some("Value") => Special::Value,
        Some("ListValue") => Special::ListValue,
        Some("Empty") => Special::Empty,
        Some("DoubleValue") => Special::Wrapper(Kind::Double),
        Some("FloatValue") => Special::Wrapper(Kind::Float),
        Some("Int64Value") => Special::Wrapper(Kind::Int64),
        Some("UInt64Value") => Special::Wrapper(Kind::Uint64),
        Some("Int32Value") => Special::Wrapper(Kind::Int32),
        Some("UInt32Value") => Special::Wrapper(Kind::Uint32),
        Some("BoolValue") => Special::Wrapper(Kind::Bool),
        Some("StringValue") => Special::Wrapper(Kind::String),
        Some("BytesValue") => Special::Wrapper(Kind::Bytes),
        _ => Special::None,
    }
}
