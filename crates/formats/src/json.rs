//! Protobuf's JSON mapping.

use crate::{Field, Message, Path};

/// How JSON is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Fields that the message does not have are passed over instead of being an error.
    pub ignore_unknown: bool,
    /// How deep messages, lists and objects may be nested.
    pub max_depth: u32,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { ignore_unknown: false, max_depth: 100 }
    }
}

/// How JSON is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Fields without presence are written when they hold their default, too.
    pub emit_defaults: bool,
    /// Fields get the contract's names instead of lowerCamelCase.
    pub proto_names: bool,
    /// Enums are written as numbers.
    pub enum_numbers: bool,
}

/// What is wrong with JSON from outside.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(pub String);

/// What is wrong with a message on the wire.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WireError(pub String);

/// Appends the message that `json` holds.
///
/// # Errors
/// Not JSON, or not this message's.
pub fn to_wire(
    _message: &Message,
    _json: &[u8],
    _options: &ReadOptions,
    _out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    Err(JsonError("not built yet".into()))
}

/// Appends the message as JSON.
///
/// # Errors
/// Not a message on the wire.
pub fn from_wire(
    _message: &Message,
    _wire: &[u8],
    _options: &WriteOptions,
    _out: &mut Vec<u8>,
) -> Result<(), WireError> {
    Err(WireError("not built yet".into()))
}

/// Appends the field, with its tags, that `json` is the value of.
///
/// # Errors
/// As [`to_wire`].
pub fn field_to_wire(
    _field: &Path,
    _json: &[u8],
    _options: &ReadOptions,
    _out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    Err(JsonError("not built yet".into()))
}

/// Appends one field's value as JSON; `wire` is the whole message.
///
/// # Errors
/// As [`from_wire`].
pub fn field_from_wire(
    _field: &Field,
    _wire: &[u8],
    _options: &WriteOptions,
    _out: &mut Vec<u8>,
) -> Result<(), WireError> {
    Err(WireError("not built yet".into()))
}

/// Appends the field, with its tags, whose value is this text: a path variable or a query
/// parameter.
///
/// # Errors
/// The text is no value of the field.
pub fn text_to_wire(
    _field: &Path,
    _text: &str,
    _options: &ReadOptions,
    _out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    Err(JsonError("not built yet".into()))
}
