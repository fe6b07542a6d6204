//! HTTP/2 (RFC 9113), of both roles.
//!
//! What a connection is lives in [`connection`]: a state machine without sockets and clocks, which
//! takes frames and calls and gives bytes and wakes. [`driver`] runs it on a socket, for the server
//! and for the channel. What is particular to it:
//!
//! - Frames are read where they arrived, data is copied once, to those who read it, and small
//!   frames of a stream are put together. So what a peer can make us hold is its window, whatever
//!   the frames are that it comes in. Long payloads are not copied, but lent from a few buffers of
//!   each thread; when somebody holds on to these, they are copied too.
//! - Nothing is queued for a stream to be sent: who sends is asked for more when there is room. A
//!   long payload is written from where it is.
//! - Headers that come again are not parsed again, and not written again.

mod budget;
mod connection;
mod driver;
mod error;
mod flow;
mod frame;
mod handle;
mod head;
mod hpack;
mod keepalive;
mod memo;
mod output;
mod reading;
mod settings;
mod stream;
mod transport;

pub(crate) use connection::{Accepted, Config, Connection, End, Opening, Outgoing, Role};
pub(crate) use driver::{Driver, NoRequests, Serve};
pub(crate) use error::{By, Error, Reason};
pub(crate) use handle::{Answer, Body, Requests, Room, Sender, Shared};
pub(crate) use keepalive::KeepAlive;
