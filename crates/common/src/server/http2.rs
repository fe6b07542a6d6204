//! Serves the calls of an HTTP/2 connection.

use std::sync::Arc;

use http::Method;
use tower::Service as _;

use super::executor::{self, Call};
use super::request::RequestBody;
use super::settings::{Runtime, ServerSettings};
use crate::http2::{
    Accepted, Body, Config, Connection, Driver, KeepAlive, Role, Sender, Serve, Shared,
};
use crate::layers::deadline;
use crate::stack::Inbound;

/// A connection and the stack that serves its calls.
pub(super) type Serving<S> = Driver<S, Calls>;

/// Begins the calls of one connection.
pub(super) struct Calls {
    stack: Inbound,
    runtime: Runtime,
}

pub(super) fn serve<S>(stream: S, stack: Inbound, settings: &ServerSettings) -> Serving<S>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let connection = Connection::new(Config {
        role: Role::Server,
        max_streams: settings.max_concurrent_streams,
        max_headers: settings.max_header_bytes,
        // What a connection may hold of requests that no handler reads is its window.
        stream_window: 1 << 20,
        connection_window: 2 << 20,
        send_buffer: settings.max_send_buffer_bytes,
    });
    let timeout = settings.keepalive_timeout;
    let keepalive =
        settings.keepalive_interval.map(|interval| KeepAlive::new(interval, timeout, true));
    let calls = Calls { stack, runtime: settings.runtime };
    Driver::new(stream, Shared::new(connection), calls, keepalive)
}

impl Serve for Calls {
    fn serve(&mut self, connection: &Arc<Shared>, request: Accepted) {
        let Accepted { key, request, whole, room } = request;
        let body = RequestBody::Http2(Body::new(connection, key, whole));
        let sender = Sender::new(connection.clone(), key);
        let head_only = request.method() == Method::HEAD;
        // Nobody took that of the last call if it was one of HTTP/1.
        let _ = deadline::begun();
        let future = self.stack.call(request.map(|()| body));
        executor::run(self.runtime, Call::new(future, sender, room, head_only));
    }
}
