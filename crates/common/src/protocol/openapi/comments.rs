//! The comments of contracts, as Markdown.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor,
    MessageDescriptor, MethodDescriptor, OneofDescriptor, ServiceDescriptor,
};

/// In a `FileDescriptorProto`, the number of the field that holds the package.
const PACKAGE: i32 = 2;

/// What is written above, or else behind, each definition of a pool.
pub(crate) struct Comments {
    files: HashMap<String, HashMap<Vec<i32>, String>>,
}

impl Comments {
    pub(crate) fn new(pool: &DescriptorPool) -> Self {
        let files = pool.file_descriptor_protos().map(|file| {
            let locations = file.source_code_info.iter().flat_map(|info| &info.location);
            let comments = locations.filter_map(|location| {
                let text = [location.leading_comments(), location.trailing_comments()]
                    .into_iter()
                    .map(clean)
                    .find(|text| !text.is_empty())?;
                Some((location.path.clone(), text))
            });
            (file.name().to_owned(), comments.collect())
        });
        Self { files: files.collect() }
    }

    /// What is said of something; empty if nothing is.
    pub(crate) fn of(&self, definition: &impl Commented) -> &str {
        definition.place(|file, path| self.at(file.name(), path))
    }

    /// What is said of a file's package.
    pub(crate) fn of_package(&self, file: &FileDescriptor) -> &str {
        self.at(file.name(), &[PACKAGE])
    }

    fn at(&self, file: &str, path: &[i32]) -> &str {
        self.files.get(file).and_then(|file| file.get(path)).map_or("", String::as_str)
    }
}

/// What a comment can stand at.
pub(crate) trait Commented {
    fn place<T>(&self, look: impl FnOnce(FileDescriptor, &[i32]) -> T) -> T;
}

macro_rules! commented {
    ($($descriptor:ty),*) => {$(
        impl Commented for $descriptor {
            fn place<T>(&self, look: impl FnOnce(FileDescriptor, &[i32]) -> T) -> T {
                look(self.parent_file(), self.path())
            }
        }
    )*};
}

commented!(
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    MessageDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor
);

/// The text as its readers should see it: without the space that follows `//`, without what is
/// meant for linters, and without the parts that AIP-192 calls internal, `(-- … --)`.
fn clean(comment: &str) -> String {
    let mut public = String::new();
    let mut rest = comment;
    while let Some((before, after)) = rest.split_once("(--") {
        public.push_str(before);
        rest = after.split_once("--)").map_or("", |(_internal, after)| after);
    }
    public.push_str(rest);

    let lines = public.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("buf:lint:") && !line.starts_with("@exclude")
    });
    let lines: Vec<_> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn comments_are_cleaned() {
        assert_eq!(clean(" One.\n Two:\n\n - a\n   b\n"), "One.\nTwo:\n\n- a\n  b");
        assert_eq!(clean(" One.\n (-- api-linter: x\n y --)\n buf:lint:ignore Z\n"), "One.");
        assert_eq!(clean(" Open (-- never closed"), "Open");
        assert_eq!(clean(""), "");
    }
}
