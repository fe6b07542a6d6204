use std::fmt;

use crate::text;

/// What is wrong with JSON from outside, and where.
///
/// As in `line 3, column 14: items[3].prize: no such field; did you mean "price"?`
pub struct JsonError(Box<Inner>);

struct Inner {
    offset: usize,
    position: Option<(usize, usize)>,
    trail: Trail,
    reason: String,
    over_limit: bool,
}

impl JsonError {
    pub(crate) fn new(offset: usize, reason: impl Into<String>) -> Self {
        let trail = Trail::default();
        let (reason, position) = (reason.into(), None);
        Self(Box::new(Inner { offset, position, trail, reason, over_limit: false }))
    }

    pub(crate) fn over_limit(offset: usize, reason: impl Into<String>) -> Self {
        let mut error = Self::new(offset, reason);
        error.0.over_limit = true;
        error
    }

    /// Whether the JSON is only larger than it may be, in bytes or in values.
    pub fn is_over_limit(&self) -> bool {
        self.0.over_limit
    }

    /// The byte that it was found at.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The line and the column, both from one, that it was found at; a column is a character. None
    /// where there is only a value, as in a query parameter.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.0.position
    }

    /// The field that it was found in, such as `items[3].price`; empty for the message itself.
    pub fn path(&self) -> String {
        self.0.trail.to_string()
    }

    /// What is wrong, without where.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    #[cold]
    pub(crate) fn trail(&mut self) -> &mut Trail {
        &mut self.0.trail
    }

    #[cold]
    pub(crate) fn field(mut self, name: &str) -> Self {
        self.trail().field(name);
        self
    }

    #[cold]
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.trail().index(index);
        self
    }

    #[cold]
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.trail().key(key);
        self
    }

    /// Says which line and column the offset is.
    #[cold]
    pub(crate) fn locate(mut self, json: &[u8]) -> Self {
        let before = json.get(..self.0.offset).unwrap_or(json);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let begun = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(begun).chars().count() + 1;
        self.0.position = Some((line, column));
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { position, trail, reason, .. } = &*self.0;
        if let Some((line, column)) = position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !trail.is_empty() {
            write!(f, "{trail}: ")?;
        }
        f.write_str(reason)
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonError({self})")
    }
}

impl std::error::Error for JsonError {}

/// The way to a field, found from the inside out while an error travels up.
#[derive(Default)]
pub(crate) struct Trail(Vec<Step>);

enum Step {
    Field(Box<str>),
    Index(usize),
    Key(Box<str>),
}

impl Trail {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn field(&mut self, name: &str) {
        self.0.push(Step::Field(text::excerpt(name).into()));
    }

    pub(crate) fn index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(crate) fn key(&mut self, key: &str) {
        self.0.push(Step::Key(text::excerpt(key).into()));
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().rev().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}
