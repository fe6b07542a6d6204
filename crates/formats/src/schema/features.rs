//! Features of editions, as far as they change the wire or JSON, from a file down to a field.
//!
//! <https://protobuf.dev/editions/features> has the defaults of each edition, and says what proto2
//! and proto3 are in those terms.

use super::descriptor::FeatureSet;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Features {
    pub(crate) implicit_presence: bool,
    pub(crate) closed_enum: bool,
    pub(crate) packed: bool,
    pub(crate) delimited: bool,
    pub(crate) utf8: bool,
}

impl Features {
    /// Of a file's `syntax`. Every edition so far has the same defaults here.
    pub(crate) fn of_syntax(syntax: &str) -> Option<Self> {
        let features = Self {
            implicit_presence: false,
            closed_enum: false,
            packed: true,
            delimited: false,
            utf8: true,
        };
        match syntax {
            "" | "proto2" => {
                Some(Self { closed_enum: true, packed: false, utf8: false, ..features })
            }
            "proto3" => Some(Self { implicit_presence: true, ..features }),
            "editions" => Some(features),
            _ => None,
        }
    }

    /// These, with what is said closer by.
    pub(crate) fn with(mut self, set: Option<&FeatureSet>) -> Self {
        let Some(set) = set else { return self };
        // Zero is each one's UNKNOWN, which says nothing.
        let says = |feature: Option<i32>| feature.filter(|value| *value != 0);
        if let Some(presence) = says(set.field_presence) {
            self.implicit_presence = presence == 2;
        }
        if let Some(kind) = says(set.enum_type) {
            self.closed_enum = kind == 2;
        }
        if let Some(encoding) = says(set.repeated_field_encoding) {
            self.packed = encoding == 1;
        }
        if let Some(validation) = says(set.utf8_validation) {
            self.utf8 = validation == 2;
        }
        if let Some(encoding) = says(set.message_encoding) {
            self.delimited = encoding == 2;
        }
        self
    }
}
