//! The messages that the runner's tests are about: a field of every kind, in each syntax.
//!
//! Their names and numbers are the runner's. They are regular, so they are made here.

use prost::Message;
use prost_reflect::ReflectMessage;
use prost_types::descriptor_proto::ExtensionRange;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto,
    FieldDescriptorProto, FieldOptions, FileDescriptorProto, FileDescriptorSet, MessageOptions,
    OneofDescriptorProto,
};

/// All of them and the well-known types, as a serialised `FileDescriptorSet`.
pub(super) fn descriptors() -> Vec<u8> {
    let mut set = prost_types::Any::default().descriptor().parent_pool().encode_to_vec();
    let own = [
        ("protobuf_test_messages.proto2", Syntax::Proto2),
        ("protobuf_test_messages.proto3", Syntax::Proto3),
        // The same two, which later runners write as an edition with the features of old.
        ("protobuf_test_messages.editions.proto2", Syntax::Proto2),
        ("protobuf_test_messages.editions.proto3", Syntax::Proto3),
        ("protobuf_test_messages.editions", Syntax::Edition2023),
    ];
    let file = own.map(|(package, syntax)| Tests { package, syntax }.file()).to_vec();
    // Sets that are appended to one another are one set.
    set.extend(FileDescriptorSet { file }.encode_to_vec());
    set
}

#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    Proto2,
    Proto3,
    Edition2023,
}

/// In the order of the numbers that each series of fields has.
const SCALARS: [(&str, Type); 15] = [
    ("int32", Type::Int32),
    ("int64", Type::Int64),
    ("uint32", Type::Uint32),
    ("uint64", Type::Uint64),
    ("sint32", Type::Sint32),
    ("sint64", Type::Sint64),
    ("fixed32", Type::Fixed32),
    ("fixed64", Type::Fixed64),
    ("sfixed32", Type::Sfixed32),
    ("sfixed64", Type::Sfixed64),
    ("float", Type::Float),
    ("double", Type::Double),
    ("bool", Type::Bool),
    ("string", Type::String),
    ("bytes", Type::Bytes),
];

/// Names that are hard to turn into JSON's.
const NAMES: [&str; 18] = [
    "fieldname1",
    "field_name2",
    "_field_name3",
    "field__name4_",
    "field0name5",
    "field_0_name6",
    "fieldName7",
    "FieldName8",
    "field_Name9",
    "Field_Name10",
    "FIELD_NAME11",
    "FIELD_name12",
    "__field_name13",
    "__Field_name14",
    "field__name15",
    "field__Name16",
    "field_name17__",
    "Field_name18__",
];

struct Tests {
    package: &'static str,
    syntax: Syntax,
}

impl Tests {
    fn file(&self) -> FileDescriptorProto {
        let syntax = match self.syntax {
            Syntax::Proto2 => "proto2",
            Syntax::Proto3 => "proto3",
            Syntax::Edition2023 => "editions",
        };
        let foreign = message(&self.foreign_message(), vec![scalar("c", 1, Type::Int32)]);
        let mut file = FileDescriptorProto {
            name: Some(format!("{}.proto", self.package)),
            package: Some(self.package.into()),
            syntax: Some(syntax.into()),
            message_type: vec![self.all_types(), foreign],
            enum_type: vec![enumeration(
                &self.foreign_enum(),
                &[("FOREIGN_FOO", 0), ("FOREIGN_BAR", 1), ("FOREIGN_BAZ", 2)],
            )],
            ..Default::default()
        };
        let all_types = self.named(self.all_types_name());
        let groups = vec![
            scalar("group_int32", 122, Type::Int32),
            scalar("group_uint32", 123, Type::Uint32),
        ];
        match self.syntax {
            Syntax::Proto2 => {
                file.extension = vec![
                    extension(&all_types, scalar("extension_int32", 120, Type::Int32)),
                    extension(&all_types, self.group("groupfield", 121, "GroupField")),
                ];
                file.message_type.push(message("GroupField", groups));
            }
            Syntax::Edition2023 => {
                file.extension = vec![
                    extension(&all_types, scalar("extension_int32", 120, Type::Int32)),
                    extension(&all_types, self.group("groupliketype", 121, "GroupLikeType")),
                    extension(&all_types, self.group("delimited_ext", 122, "GroupLikeType")),
                ];
                file.message_type.push(message("GroupLikeType", vec![scalar("c", 1, Type::Int32)]));
            }
            Syntax::Proto3 => {}
        }
        file
    }

    fn all_types_name(&self) -> &'static str {
        match self.syntax {
            Syntax::Proto2 => "TestAllTypesProto2",
            Syntax::Proto3 => "TestAllTypesProto3",
            Syntax::Edition2023 => "TestAllTypesEdition2023",
        }
    }

    fn foreign_message(&self) -> String {
        format!("ForeignMessage{}", self.suffix())
    }

    fn foreign_enum(&self) -> String {
        format!("ForeignEnum{}", self.suffix())
    }

    fn suffix(&self) -> &'static str {
        match self.syntax {
            Syntax::Proto2 => "Proto2",
            Syntax::Proto3 => "",
            Syntax::Edition2023 => "Edition2023",
        }
    }

    fn named(&self, name: &str) -> String {
        format!(".{}.{name}", self.package)
    }

    fn nested(&self, name: &str) -> String {
        self.named(&format!("{}.{name}", self.all_types_name()))
    }

    fn group(&self, name: &str, number: i32, kind: &str) -> FieldDescriptorProto {
        typed(name, number, Type::Group, &self.named(kind))
    }

    fn all_types(&self) -> DescriptorProto {
        let mut all = message(self.all_types_name(), Vec::new());
        let recursive = self.named(self.all_types_name());
        all.nested_type.push(message(
            "NestedMessage",
            vec![scalar("a", 1, Type::Int32), typed("corecursive", 2, Type::Message, &recursive)],
        ));
        let nested_enum = [("FOO", 0), ("BAR", 1), ("BAZ", 2), ("NEG", -1)];
        all.enum_type.push(enumeration("NestedEnum", &nested_enum));
        self.series(&mut all.field);
        self.maps(&mut all);
        self.oneof(&mut all);
        match self.syntax {
            Syntax::Proto2 => self.only_proto2(&mut all),
            Syntax::Proto3 => only_proto3(self, &mut all),
            Syntax::Edition2023 => {
                all.extension_range.push(extensions(120, 201));
                all.nested_type.push(group_message("GroupLikeType"));
                let kind = self.nested("GroupLikeType");
                all.field.push(typed("groupliketype", 201, Type::Group, &kind));
                all.field.push(typed("delimited_field", 202, Type::Group, &kind));
            }
        }
        if self.syntax != Syntax::Edition2023 {
            let names = NAMES.iter().zip(401..);
            all.field.extend(names.map(|(name, number)| scalar(name, number, Type::Int32)));
        }
        for field in &mut all.field {
            field.json_name = Some(json_name(field.name()));
        }
        all
    }

    /// Fields of each kind: singular, repeated, packed and unpacked.
    fn series(&self, fields: &mut Vec<FieldDescriptorProto>) {
        for ((name, kind), number) in SCALARS.iter().zip(1..) {
            fields.push(scalar(&format!("optional_{name}"), number, *kind));
            fields.push(repeated(scalar(&format!("repeated_{name}"), 30 + number, *kind), None));
        }
        for ((name, kind), number) in SCALARS.iter().take(13).zip(0..) {
            let field = |name: String, number| scalar(&name, number, *kind);
            fields.push(repeated(field(format!("packed_{name}"), 75 + number), Some(true)));
            fields.push(repeated(field(format!("unpacked_{name}"), 89 + number), Some(false)));
        }
        let nested_enum = self.nested("NestedEnum");
        let nested_enum = |name: &str, number| typed(name, number, Type::Enum, &nested_enum);
        fields.push(repeated(nested_enum("packed_nested_enum", 88), Some(true)));
        fields.push(repeated(nested_enum("unpacked_nested_enum", 102), Some(false)));
        for (name, number, kind, type_name) in [
            ("nested_message", 18, Type::Message, self.nested("NestedMessage")),
            ("foreign_message", 19, Type::Message, self.named(&self.foreign_message())),
            ("nested_enum", 21, Type::Enum, self.nested("NestedEnum")),
            ("foreign_enum", 22, Type::Enum, self.named(&self.foreign_enum())),
        ] {
            fields.push(typed(&format!("optional_{name}"), number, kind, &type_name));
            let field = typed(&format!("repeated_{name}"), 30 + number, kind, &type_name);
            fields.push(repeated(field, None));
        }
        for (name, number) in [("string_piece", 24), ("cord", 25)] {
            fields.push(scalar(&format!("optional_{name}"), number, Type::String));
            let field = scalar(&format!("repeated_{name}"), 30 + number, Type::String);
            fields.push(repeated(field, None));
        }
        let recursive = self.named(self.all_types_name());
        fields.push(typed("recursive_message", 27, Type::Message, &recursive));
    }

    fn maps(&self, all: &mut DescriptorProto) {
        for ((name, kind), number) in SCALARS.iter().take(10).zip(56..) {
            self.map(all, &format!("map_{name}_{name}"), number, *kind, scalar("value", 2, *kind));
        }
        let value = |kind| scalar("value", 2, kind);
        let named = |kind, name: String| typed("value", 2, kind, &name);
        for (name, number, key, value) in [
            ("int32_float", 66, Type::Int32, value(Type::Float)),
            ("int32_double", 67, Type::Int32, value(Type::Double)),
            ("bool_bool", 68, Type::Bool, value(Type::Bool)),
            ("string_string", 69, Type::String, value(Type::String)),
            ("string_bytes", 70, Type::String, value(Type::Bytes)),
            (
                "string_nested_message",
                71,
                Type::String,
                named(Type::Message, self.nested("NestedMessage")),
            ),
            (
                "string_foreign_message",
                72,
                Type::String,
                named(Type::Message, self.named(&self.foreign_message())),
            ),
            ("string_nested_enum", 73, Type::String, named(Type::Enum, self.nested("NestedEnum"))),
            (
                "string_foreign_enum",
                74,
                Type::String,
                named(Type::Enum, self.named(&self.foreign_enum())),
            ),
        ] {
            self.map(all, &format!("map_{name}"), number, key, value);
        }
    }

    fn map(
        &self,
        all: &mut DescriptorProto,
        name: &str,
        number: i32,
        key: Type,
        value: FieldDescriptorProto,
    ) {
        let entry_name = format!("{name}_entry");
        let mut entry = message(&entry_name, vec![scalar("key", 1, key), value]);
        entry.options = Some(MessageOptions { map_entry: Some(true), ..Default::default() });
        all.nested_type.push(entry);
        let field = typed(name, number, Type::Message, &self.nested(&entry_name));
        all.field.push(repeated(field, None));
    }

    fn oneof(&self, all: &mut DescriptorProto) {
        all.oneof_decl
            .push(OneofDescriptorProto { name: Some("oneof_field".into()), options: None });
        let mut fields = vec![
            scalar("oneof_uint32", 111, Type::Uint32),
            typed("oneof_nested_message", 112, Type::Message, &self.nested("NestedMessage")),
            scalar("oneof_string", 113, Type::String),
            scalar("oneof_bytes", 114, Type::Bytes),
            scalar("oneof_bool", 115, Type::Bool),
            scalar("oneof_uint64", 116, Type::Uint64),
            scalar("oneof_float", 117, Type::Float),
            scalar("oneof_double", 118, Type::Double),
            typed("oneof_enum", 119, Type::Enum, &self.nested("NestedEnum")),
        ];
        if self.syntax == Syntax::Proto3 {
            let null = ".google.protobuf.NullValue";
            fields.push(typed("oneof_null_value", 120, Type::Enum, null));
        }
        for field in &mut fields {
            field.oneof_index = Some(0);
        }
        all.field.append(&mut fields);
    }

    /// A group, extensions, fields with defaults, and messages that are sets of extensions.
    fn only_proto2(&self, all: &mut DescriptorProto) {
        all.extension_range.push(extensions(120, 201));
        all.nested_type.push(group_message("Data"));
        all.field.push(typed("data", 201, Type::Group, &self.nested("Data")));
        let fields = SCALARS.iter().zip(241..);
        all.field.extend(
            fields.map(|((name, kind), number)| scalar(&format!("default_{name}"), number, *kind)),
        );
        let mut set = message("MessageSetCorrect", Vec::new());
        set.options =
            Some(MessageOptions { message_set_wire_format: Some(true), ..Default::default() });
        set.extension_range.push(extensions(4, i32::MAX));
        all.nested_type.push(set);
        let extendee = self.nested("MessageSetCorrect");
        for (name, extension_name, number, fields) in [
            (
                "MessageSetCorrectExtension1",
                "message_set_extension",
                1_547_769,
                vec![scalar("str", 25, Type::String)],
            ),
            (
                "MessageSetCorrectExtension2",
                "message_set_extension",
                4_135_312,
                vec![scalar("i", 9, Type::Int32)],
            ),
            (
                "ExtensionWithOneof",
                "extension_with_oneof",
                123_456_789,
                ["a", "b"].into_iter().zip(1..).map(in_first_oneof).collect(),
            ),
        ] {
            let mut item = message(name, fields);
            if item.field.iter().any(|field| field.oneof_index.is_some()) {
                let oneof =
                    OneofDescriptorProto { name: Some("oneof_field".into()), options: None };
                item.oneof_decl.push(oneof);
            }
            let kind = typed(extension_name, number, Type::Message, &self.nested(name));
            item.extension.push(extension(&extendee, kind));
            all.nested_type.push(item);
        }
    }
}

fn in_first_oneof((name, number): (&str, i32)) -> FieldDescriptorProto {
    FieldDescriptorProto { oneof_index: Some(0), ..scalar(name, number, Type::Int32) }
}

/// Aliases, and the well-known types.
fn only_proto3(tests: &Tests, all: &mut DescriptorProto) {
    let values =
        [("ALIAS_FOO", 0), ("ALIAS_BAR", 1), ("ALIAS_BAZ", 2), ("MOO", 2), ("moo", 2), ("bAz", 2)];
    let mut aliased = enumeration("AliasedEnum", &values);
    aliased.options = Some(EnumOptions { allow_alias: Some(true), ..Default::default() });
    all.enum_type.push(aliased);
    all.field.push(typed("optional_aliased_enum", 23, Type::Enum, &tests.nested("AliasedEnum")));
    let wrappers = [
        ("bool", "BoolValue"),
        ("int32", "Int32Value"),
        ("int64", "Int64Value"),
        ("uint32", "UInt32Value"),
        ("uint64", "UInt64Value"),
        ("float", "FloatValue"),
        ("double", "DoubleValue"),
        ("string", "StringValue"),
        ("bytes", "BytesValue"),
    ];
    let known = |name: &str, number, kind: &str| {
        typed(name, number, Type::Message, &format!(".google.protobuf.{kind}"))
    };
    for ((name, kind), number) in wrappers.iter().zip(201..) {
        all.field.push(known(&format!("optional_{name}_wrapper"), number, kind));
        let field = known(&format!("repeated_{name}_wrapper"), number + 10, kind);
        all.field.push(repeated(field, None));
    }
    for (name, number, kind) in [
        ("optional_duration", 301, "Duration"),
        ("optional_timestamp", 302, "Timestamp"),
        ("optional_field_mask", 303, "FieldMask"),
        ("optional_struct", 304, "Struct"),
        ("optional_any", 305, "Any"),
        ("optional_value", 306, "Value"),
        ("optional_empty", 308, "Empty"),
    ] {
        all.field.push(known(name, number, kind));
    }
    let null = ".google.protobuf.NullValue";
    all.field.push(typed("optional_null_value", 307, Type::Enum, null));
    for (name, number, kind) in [
        ("repeated_duration", 311, "Duration"),
        ("repeated_timestamp", 312, "Timestamp"),
        ("repeated_fieldmask", 313, "FieldMask"),
        ("repeated_struct", 324, "Struct"),
        ("repeated_any", 315, "Any"),
        ("repeated_value", 316, "Value"),
        ("repeated_list_value", 317, "ListValue"),
        ("repeated_empty", 318, "Empty"),
    ] {
        all.field.push(repeated(known(name, number, kind), None));
    }
}

fn message(name: &str, mut field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    for field in &mut field {
        field.json_name = Some(json_name(field.name()));
    }
    DescriptorProto { name: Some(name.into()), field, ..Default::default() }
}

fn group_message(name: &str) -> DescriptorProto {
    let fields = [("group_int32", 202, Type::Int32), ("group_uint32", 203, Type::Uint32)];
    message(name, fields.map(|(name, number, kind)| scalar(name, number, kind)).to_vec())
}

fn enumeration(name: &str, values: &[(&str, i32)]) -> EnumDescriptorProto {
    let value = |(name, number): &(&str, i32)| EnumValueDescriptorProto {
        name: Some((*name).into()),
        number: Some(*number),
        options: None,
    };
    let value = values.iter().map(value).collect();
    EnumDescriptorProto { name: Some(name.into()), value, ..Default::default() }
}

fn scalar(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        ..Default::default()
    }
}

fn typed(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name.into()), ..scalar(name, number, kind) }
}

fn repeated(field: FieldDescriptorProto, packed: Option<bool>) -> FieldDescriptorProto {
    let options = packed.map(|packed| FieldOptions { packed: Some(packed), ..Default::default() });
    FieldDescriptorProto { label: Some(Label::Repeated.into()), options, ..field }
}

fn extension(extendee: &str, field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { extendee: Some(extendee.into()), ..field }
}

fn extensions(start: i32, end: i32) -> ExtensionRange {
    ExtensionRange { start: Some(start), end: Some(end), options: None }
}

/// protoc's rule, so that it is not the transcoder that says what it is tested by.
fn json_name(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &first.into_iter().collect::<String>() + letters.as_str()
    })
}
