//! Writes descriptors as the `.proto` text that they came from, comments and options included.

use std::fmt::Write;

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor,
    FileDescriptor, Kind, MessageDescriptor, OneofDescriptor, ServiceDescriptor, Syntax, Value,
};
use prost_types::source_code_info::Location;

/// Field numbers of `ReservedRange`s end below this where the text says `max`.
const MAX_FIELD_NUMBER: u32 = 536_870_911;

/// Collects the text of definitions of one file.
pub(crate) struct Printer {
    file: FileDescriptor,
    out: String,
    indent: usize,
}

impl Printer {
    pub(crate) fn new(file: &FileDescriptor) -> Self {
        Self { file: file.clone(), out: String::new(), indent: 0 }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn append(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(crate) fn blank_line(&mut self) {
        self.out.push('\n');
    }

    /// Prints a service with all its methods, or with one.
    pub(crate) fn service(&mut self, service: &ServiceDescriptor, only: Option<&str>) {
        self.documented(service.path(), |p| {
            p.open(&format!("service {}", service.name()));
        });
        self.option_lines(&service.options());
        let chosen: Vec<_> = service
            .methods()
            .filter(|method| only.is_none_or(|name| name == method.name()))
            .collect();
        for (index, method) in chosen.iter().enumerate() {
            if index > 0 && self.comment_of(method.path()).is_some() {
                self.blank_line();
            }
            let stream = |streams| if streams { "stream " } else { "" };
            let package = self.file.package_name();
            let signature = format!(
                "rpc {}({}{}) returns ({}{})",
                method.name(),
                stream(method.is_client_streaming()),
                type_text(&Kind::Message(method.input()), package),
                stream(method.is_server_streaming()),
                type_text(&Kind::Message(method.output()), package),
            );
            let options = method.options();
            self.documented(method.path(), |p| {
                if options_of(&options).is_empty() {
                    p.line(&format!("{signature};"));
                } else {
                    p.open(&signature);
                    p.option_lines(&options);
                    p.close();
                }
            });
        }
        self.close();
    }

    /// Prints a message with what is nested in it.
    pub(crate) fn message(&mut self, message: &MessageDescriptor) {
        self.documented(message.path(), |p| {
            p.open(&format!("message {}", message.name()));
        });
        self.option_lines(&message.options());
        self.reserved(message);
        let mut oneofs = Vec::new();
        for field in message.fields() {
            match field.containing_oneof() {
                Some(oneof) if !oneof.is_synthetic() => {
                    if !oneofs.contains(&oneof) {
                        self.oneof(&oneof);
                        oneofs.push(oneof);
                    }
                }
                _ => self.field(&field),
            }
        }
        for child in message.child_enums() {
            self.blank_line();
            self.enumeration(&child);
        }
        for child in message.child_messages().filter(|m| !m.is_map_entry()) {
            self.blank_line();
            self.message(&child);
        }
        self.close();
    }

    /// Prints an enum.
    pub(crate) fn enumeration(&mut self, enumeration: &EnumDescriptor) {
        self.documented(enumeration.path(), |p| {
            p.open(&format!("enum {}", enumeration.name()));
        });
        self.option_lines(&enumeration.options());
        for value in enumeration.values() {
            let options = bracketed(options_of(&value.options()));
            self.documented(value.path(), |p| {
                p.line(&format!("{} = {}{options};", value.name(), value.number()));
            });
        }
        self.close();
    }

    fn oneof(&mut self, oneof: &OneofDescriptor) {
        self.documented(oneof.path(), |p| {
            p.open(&format!("oneof {}", oneof.name()));
        });
        self.option_lines(&oneof.options());
        for field in oneof.fields() {
            self.field(&field);
        }
        self.close();
    }

    fn field(&mut self, field: &FieldDescriptor) {
        let package = self.file.package_name();
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => format!(
                "map<{}, {}>",
                type_text(&entry.map_entry_key_field().kind(), package),
                type_text(&entry.map_entry_value_field().kind(), package)
            ),
            kind => type_text(&kind, package),
        };
        let proto = field.field_descriptor_proto();
        let label = match field.cardinality() {
            _ if field.is_map() => "",
            Cardinality::Repeated => "repeated ",
            Cardinality::Required => "required ",
            Cardinality::Optional if proto.proto3_optional() => "optional ",
            Cardinality::Optional
                if self.file.syntax() == Syntax::Proto2 && field.containing_oneof().is_none() =>
            {
                "optional "
            }
            Cardinality::Optional => "",
        };
        let mut options = options_of(&field.options());
        if proto.default_value.is_some() {
            let value = value_text(&field.default_value(), &field.kind());
            options.insert(0, ("default".to_owned(), value));
        }
        if field.json_name() != lower_camel_case(field.name()) {
            options.insert(0, ("json_name".to_owned(), format!("{:?}", field.json_name())));
        }
        let line =
            format!("{label}{kind} {} = {}{};", field.name(), field.number(), bracketed(options));
        self.documented(field.path(), |p| p.line(&line));
    }

    fn reserved(&mut self, message: &MessageDescriptor) {
        let ranges: Vec<_> = message
            .reserved_ranges()
            .map(|range| match (range.start, range.end.saturating_sub(1)) {
                (start, end) if start == end => start.to_string(),
                (start, end) if end >= MAX_FIELD_NUMBER => format!("{start} to max"),
                (start, end) => format!("{start} to {end}"),
            })
            .collect();
        let names: Vec<_> = message.reserved_names().map(|name| format!("{name:?}")).collect();
        for list in [ranges, names] {
            if !list.is_empty() {
                self.line(&format!("reserved {};", list.join(", ")));
            }
        }
    }

    fn option_lines(&mut self, options: &DynamicMessage) {
        for (name, value) in options_of(options) {
            self.line(&format!("option {name} = {value};"));
        }
    }

    fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.indent += 1;
    }

    fn close(&mut self) {
        self.indent = self.indent.saturating_sub(1);
        self.line("}");
    }

    fn line(&mut self, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let indent = if index == 0 || !line.is_empty() { self.indent * 2 } else { 0 };
            let _ = writeln!(self.out, "{:indent$}{line}", "");
        }
    }

    /// Prints something with the comments that its file has before it and behind it.
    fn documented(&mut self, path: &[i32], print: impl FnOnce(&mut Self)) {
        let location = self.comment_of(path).cloned();
        let comment = |p: &mut Self, text: &str| {
            for line in text.trim_end().lines() {
                p.line(format!("//{line}").trim_end());
            }
        };
        let Some(location) = location else {
            return print(self);
        };
        for detached in &location.leading_detached_comments {
            comment(self, detached);
            self.blank_line();
        }
        comment(self, location.leading_comments());
        let before = self.out.len();
        print(self);
        let trailing = location.trailing_comments().trim_end();
        let printed = self.out.get(before..).unwrap_or_default();
        match (trailing.lines().count(), printed.lines().count()) {
            (0, _) => {}
            (1, 1) => {
                self.out.truncate(self.out.trim_end().len());
                let _ = writeln!(self.out, "  //{trailing}");
            }
            _ => comment(self, trailing),
        }
    }

    /// The location of `path` in the file's source, if there are comments there.
    fn comment_of(&self, path: &[i32]) -> Option<&Location> {
        let info = self.file.file_descriptor_proto().source_code_info.as_ref()?;
        info.location.iter().find(|location| {
            location.path == path
                && (location.leading_comments.is_some()
                    || location.trailing_comments.is_some()
                    || !location.leading_detached_comments.is_empty())
        })
    }
}

/// The name of a type as it is written in `package`.
pub(crate) fn type_text(kind: &Kind, package: &str) -> String {
    let (name, own_package) = match kind {
        Kind::Message(message) => {
            (message.full_name().to_owned(), message.package_name().to_owned())
        }
        Kind::Enum(e) => (e.full_name().to_owned(), e.package_name().to_owned()),
        scalar => return format!("{scalar:?}"),
    };
    if own_package != package {
        return name;
    }
    name.strip_prefix(&format!("{package}.")).unwrap_or(&name).to_owned()
}

/// The options that are set, as name and text of the value, custom ones included.
fn options_of(options: &DynamicMessage) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (field, value) in options.fields() {
        each(value, |value| {
            all.push((field.name().to_owned(), value_text(value, &field.kind())));
        });
    }
    for (extension, value) in options.extensions() {
        each(value, |value| {
            all.push((extension_name(&extension), value_text(value, &extension.kind())));
        });
    }
    all
}

/// An option that repeats is written once for each of its values.
fn each(value: &Value, mut write: impl FnMut(&Value)) {
    match value {
        Value::List(items) => items.iter().for_each(write),
        value => write(value),
    }
}

fn extension_name(extension: &ExtensionDescriptor) -> String {
    format!("({})", extension.full_name())
}

fn bracketed(options: Vec<(String, String)>) -> String {
    if options.is_empty() {
        return String::new();
    }
    let options: Vec<_> =
        options.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!(" [{}]", options.join(", "))
}

/// The value in protobuf's text format.
fn value_text(value: &Value, kind: &Kind) -> String {
    match (value, kind) {
        (Value::EnumNumber(number), Kind::Enum(enumeration)) => enumeration
            .get_value(*number)
            .map_or_else(|| number.to_string(), |value| value.name().to_owned()),
        (Value::Message(message), _) => {
            let text = format!("{message:#}");
            let mut lines = String::from("{\n");
            for line in text.lines() {
                let _ = writeln!(lines, "  {line}");
            }
            lines + "}"
        }
        (value, _) => value.to_string(),
    }
}

/// The JSON name that a field has unless it says otherwise.
fn lower_camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}
