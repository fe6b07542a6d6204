//! Peers that misbehave: HTTP/2 frame by frame over a plain socket, since libraries are too
//! polite for it, and a server in a process of its own, whose memory can be measured.

pub mod frame;
pub mod hpack;
mod peer;
mod server;
mod victim;

pub use frame::Frame;
pub use peer::{Answer, End, Peer};
pub use server::BadServer;
pub use victim::Victim;
