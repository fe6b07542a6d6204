//! The toolkit a service author imports.
//!
//! [`Server`] takes generated tonic services and serves them on one port; [`Channel`] is what
//! generated tonic clients call through. Both run the same kind of tower layers, whose order is
//! in [`stack`]. What a call carries from the one to the other (deadline, trace) is its
//! [`CallContext`].
//!
//! This crate holds no business logic and knows nothing of xDS.

pub mod body;
pub mod client;
pub mod context;
mod env;
mod farewell;
mod http2;
pub mod layers;
pub mod policy;
pub mod protocol;
mod seldom;
pub mod server;
pub mod stack;
pub mod status;
pub mod telemetry;
pub mod tls;
mod worker;

pub use client::Channel;
pub use context::CallContext;
pub use layers::compression::{Encoding, MessageCompression};
pub use server::Server;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
