//! HTTP/2 (RFC 9113), of both roles.
//!
//! What a connection is lives in [`connection`]: a state machine without sockets and clocks, which
//! takes frames and calls and gives bytes and wakes. [`transport`] moves its bytes, and the server
//! and the channel drive that. What is particular to it:
//!
//! - Frames are read where they arrived, data is copied once, to those who read it, and small
//!   frames of a stream are put together. So what a peer can make us hold is its window, whatever
//!   the frames are that it comes in.
//! - Nothing is queued for a stream to be sent: who sends is asked for more when there is room.
//! - Headers that come again are not parsed again, and not written again.

mod budget;
pub(crate) mod connection;
mod error;
mod flow;
mod frame;
mod handle;
mod head;
mod hpack;
mod keepalive;
mod settings;
mod stream;
mod transport;

pub(crate) use connection::{Config, Connection, End, Outgoing, Role};
pub(crate) use error::{By, Error, Reason};
pub(crate) use handle::{Body, Sender, Shared};
pub(crate) use keepalive::KeepAlive;
pub(crate) use transport::Transport;
