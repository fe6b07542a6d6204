//! REST: what `google.api.http` promises, streams both ways, WebSocket, errors and their ends.

mod cors;
mod echo;
mod errors;
pub(crate) mod http_client;
mod http_proto;
mod showcase;
mod slow;
mod streams;
mod websocket;
