//! HTTP/2 by hand, for what a channel would not send or would not show.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) const SAY_HELLO: &str = "/hello.v1.HelloService/SayHello";
pub(crate) const MANY_TIMES: &str = "/hello.v1.HelloService/SayHelloManyTimes";
pub(crate) const EVERYONE: &str = "/hello.v1.HelloService/GreetEveryone";
pub(crate) const CHAT: &str = "/hello.v1.HelloService/Chat";

/// A connection of a client.
pub(crate) struct Client {
    pub(crate) send: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub(crate) ended: JoinHandle<Result<(), h2::Error>>,
}

/// A call that has begun.
pub(crate) struct Call {
    pub(crate) response: ResponseFuture,
    pub(crate) requests: SendStream<Bytes>,
}

/// How a call ended.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) data: usize,
    pub(crate) trailers: HeaderMap,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, &Builder::new()).await
    }

    pub(crate) async fn connect_with(addr: SocketAddr, builder: &Builder) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (send, connection) = builder.handshake(stream).await.unwrap();
        Self { send, ended: tokio::spawn(connection) }
    }

    /// Begins a call with these headers besides those that gRPC asks for.
    pub(crate) async fn begin(&mut self, path: &str, headers: &[(&str, &str)]) -> Call {
        let mut request = Request::post(format!("http://test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send = self.send.clone().ready().await.unwrap();
        let (response, requests) =
            self.send.send_request(request.body(()).unwrap(), false).unwrap();
        Call { response, requests }
    }

    /// Makes a call with one message.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> Call {
        let mut call = self.begin(path, headers).await;
        call.requests.send_data(frame(message), true).unwrap();
        call
    }
}

impl Call {
    /// The response to its end; until then the requests stay open, unless they ended before.
    pub(crate) async fn end(self) -> End {
        let Self { response, requests: _open } = self;
        let response = response.await.unwrap();
        let (head, body) = response.into_parts();
        if body.is_end_stream() {
            return End { data: 0, trailers: head.headers };
        }
        read_to_end(body).await
    }

    /// Why the response was reset; it is taken as far as the window goes, which is not opened.
    pub(crate) async fn reset(self) -> Option<h2::Reason> {
        let Self { response, requests: _open } = self;
        let mut body = response.await.unwrap().into_body();
        loop {
            if let Err(error) = body.data().await? {
                return error.reason();
            }
        }
    }
}

impl End {
    /// The status that the call ended with.
    pub(crate) fn code(&self) -> tonic::Code {
        let status = self.trailers.get("grpc-status").expect("no grpc-status");
        tonic::Code::from_bytes(status.as_bytes())
    }

    /// The status' message, which is percent-encoded on the wire.
    pub(crate) fn message(&self) -> String {
        let message = self.trailers.get("grpc-message").map_or("", |value| value.to_str().unwrap());
        message.replace("%20", " ")
    }
}

/// Reads a body to its end, giving back what it took of the window.
pub(crate) async fn read_to_end(mut body: RecvStream) -> End {
    let mut data = 0;
    while let Some(chunk) = body.data().await {
        let length = chunk.unwrap().len();
        data += length;
        body.flow_control().release_capacity(length).unwrap();
    }
    End { data, trailers: body.trailers().await.unwrap().unwrap_or_default() }
}

/// A message as gRPC frames it, not compressed.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut framed).unwrap();
    framed.freeze()
}
