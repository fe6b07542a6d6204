//! What options say of a definition: `deprecated`, and `google.api.field_behavior` (AIP-203).

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

/// How a field behaves in requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behavior {
    Required,
    OutputOnly,
    InputOnly,
    Immutable,
    UnorderedList,
    NonEmptyDefault,
    Identifier,
}

impl Behavior {
    fn of(number: i32) -> Option<Self> {
        Some(match number {
            2 => Self::Required,
            3 => Self::OutputOnly,
            4 => Self::InputOnly,
            5 => Self::Immutable,
            6 => Self::UnorderedList,
            7 => Self::NonEmptyDefault,
            8 => Self::Identifier,
            // OPTIONAL says what every field is, and the rest nobody here knows.
            _ => return None,
        })
    }

    /// In words, where OpenAPI has no keyword.
    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::Required | Self::OutputOnly | Self::InputOnly => None,
            Self::Immutable => Some("Can be set once and not changed."),
            Self::UnorderedList => Some("The order means nothing."),
            Self::NonEmptyDefault => Some("Where it is not set, the service chooses a value."),
            Self::Identifier => Some("Names the resource; not set when one is created."),
        }
    }
}

pub(super) fn behaviors(field: &FieldDescriptor) -> Vec<Behavior> {
    let pool = field.parent_pool();
    let Some(extension) = pool.get_extension_by_name("google.api.field_behavior") else {
        return Vec::new();
    };
    let options = field.options();
    let values = options.get_extension(&extension);
    let numbers = values.as_list().unwrap_or_default().iter().filter_map(Value::as_enum_number);
    numbers.filter_map(Behavior::of).collect()
}

/// Whether the options, of any kind of definition, say `deprecated`.
pub(super) fn is_deprecated(options: &DynamicMessage) -> bool {
    options.get_field_by_name("deprecated").is_some_and(|value| value.as_bool() == Some(true))
}
