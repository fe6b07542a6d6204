//! REST: HTTP and JSON mapped to methods, as `google.api.http` says.

pub mod binding;
pub mod template;

pub use binding::{Binding, BindingError, BodyField};
