//! REST: HTTP and JSON mapped to methods, as `google.api.http` says.

pub mod binding;
mod percent;
mod routes;
pub mod template;

pub use binding::{Binding, BindingError, BodyField};
