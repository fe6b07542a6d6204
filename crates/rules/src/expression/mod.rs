//! Rules in CEL, the Common Expression Language.

#[cfg(feature = "cel")]
mod functions;
#[cfg(feature = "cel")]
mod presence;
#[cfg(feature = "cel")]
mod program;
#[cfg(feature = "cel")]
mod types;
#[cfg(feature = "cel")]
mod value;

#[cfg(feature = "cel")]
pub(crate) use program::Expression;

/// An expression as the contract has it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "cel"), allow(dead_code))]
pub(crate) struct Source {
    pub(crate) id: String,
    /// What a violation says; the expression says it where this is empty.
    pub(crate) message: String,
    pub(crate) expression: String,
}

/// An expression that is known, and not evaluated: for tools that only read contracts.
#[cfg(not(feature = "cel"))]
#[derive(Clone, Debug)]
pub(crate) struct Expression;

#[cfg(not(feature = "cel"))]
#[allow(clippy::unnecessary_wraps, clippy::unused_self)]
impl Expression {
    pub(crate) fn new(_: Source, _: &crate::declared::Shape) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn check(
        &self,
        _: &prost_reflect::Value,
        _: &crate::check::At<'_>,
        _: &mut crate::check::Found,
    ) {
    }
}
