//! One call: what is sent when, and when it is cancelled.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::Status;
use tonic::body::Body;

use super::codec::Codec;
use super::transport::Transport;
use super::{Seen, connect, grpc};
use crate::conformance::{SERVICE, add_list, proto};
use proto::StreamType;
use proto::client_compat_request::cancel::CancelTiming;

/// A call to make.
pub(super) struct Call {
    pub(super) request: proto::ClientCompatRequest,
    pub(super) codec: Codec,
}

/// A response that is read message by message.
pub(super) trait Replies {
    /// The next message, not compressed any more; `None` when the call has ended well.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Status>> + Send;

    /// What came after the messages.
    fn trailers(&mut self) -> HeaderMap;
}

/// The sending half of a request.
struct Sender {
    frames: mpsc::UnboundedSender<Frame<Bytes>>,
}

impl Sender {
    fn body() -> (Self, Body) {
        let (frames, rest) = mpsc::unbounded_channel();
        let frames = Self { frames };
        let body = stream::unfold(rest, |mut rest| async {
            let frame = rest.recv().await?;
            Some((Ok::<_, Status>(frame), rest))
        });
        (frames, Body::new(StreamBody::new(body)))
    }

    fn send(&self, frame: Bytes) {
        // A call that has ended takes no more, which its response tells.
        let _ = self.frames.send(Frame::data(frame));
    }
}

impl Call {
    pub(super) fn new(request: proto::ClientCompatRequest) -> Result<Self, String> {
        if request.raw_request.is_some() {
            return Err("raw requests are the reference client's".into());
        }
        match request.http_version() {
            proto::HttpVersion::HttpVersion1 | proto::HttpVersion::HttpVersion2 => {}
            other => return Err(format!("{} is not supported", other.as_str_name())),
        }
        let codec = Codec::new(&request)?;
        Ok(Self { request, codec })
    }

    pub(super) fn timeout(&self) -> Option<u32> {
        self.request.timeout_ms
    }

    /// The request without its body and what its protocol adds.
    pub(super) fn head(&self) -> Request<()> {
        let service = self.request.service.as_deref().unwrap_or(SERVICE);
        let path = format!("/{service}/{}", self.request.method());
        let authority = format!("{}:{}", self.request.host, self.request.port);
        let two = self.request.http_version() == proto::HttpVersion::HttpVersion2;
        let scheme = if self.request.server_tls_cert.is_empty() { "http" } else { "https" };
        let uri = if two { format!("{scheme}://{authority}{path}") } else { path };
        let mut head = Request::new(());
        *head.method_mut() = http::Method::POST;
        *head.uri_mut() = uri.parse().unwrap_or_default();
        if two {
            *head.version_mut() = http::Version::HTTP_2;
        } else if let Ok(host) = authority.parse() {
            head.headers_mut().insert(http::header::HOST, host);
        }
        add_list(head.headers_mut(), &self.request.request_headers);
        head
    }

    fn is_unary(&self) -> bool {
        self.request.stream_type() == StreamType::Unary
    }

    /// Whether there is to be one response, no more and no less.
    fn is_single(&self) -> bool {
        matches!(self.request.stream_type(), StreamType::Unary | StreamType::ClientStream)
    }

    /// Makes the call; what comes of it is in `seen` also when it fails.
    pub(super) async fn make(&self, seen: &mut Seen) -> Result<(), Status> {
        let transport = Transport::connect(&self.request, &self.codec).await?;
        match (self.request.protocol(), self.is_unary()) {
            (proto::Protocol::Connect, true) => {
                let messages = &self.request.request_messages;
                let message = messages.first().ok_or_else(|| Status::internal("no message"))?;
                self.pause().await;
                let (head, body) = connect::unary_request(self, message)?;
                let request = head.map(|()| Body::new(Full::new(body)));
                let response = spawn(transport, request);
                let response = self.cancelled_or(response).await?;
                let payload = connect::unary_response(self, response, seen).await?;
                seen.payloads.push(payload);
                Ok(())
            }
            (proto::Protocol::Connect, false) => {
                let head = connect::stream_head(self)?;
                self.exchange(transport, head, seen, connect::StreamReplies::new).await
            }
            _ => {
                let head = grpc::head(self)?;
                self.exchange(transport, head, seen, grpc::Replies::new).await
            }
        }
    }

    /// Sends messages in frames and reads what comes back.
    async fn exchange<'a, R, F>(
        &'a self,
        transport: Transport,
        head: Request<()>,
        seen: &mut Seen,
        read: F,
    ) -> Result<(), Status>
    where
        R: Replies,
        F: FnOnce(&'a Self, Response<Body>, &mut Seen) -> Result<R, Status>,
    {
        let (sender, body) = Sender::body();
        let response = spawn(transport, head.map(|()| body));
        let mut response = Some(response);
        let mut read = Some(read);
        let mut replies = None;
        let full_duplex = self.request.stream_type() == StreamType::FullDuplexBidiStream;
        let messages = &self.request.request_messages;
        for (n, message) in messages.iter().enumerate() {
            self.pause().await;
            sender.send(self.frame(message)?);
            if full_duplex && self.cancel_after() != Some(0) {
                if let (Some(response), Some(read)) = (response.take(), read.take()) {
                    replies = Some(read(self, joined(response).await?, seen)?);
                }
                let more = match &mut replies {
                    Some(replies) => self.next(replies, seen).await,
                    None => Ok(true),
                };
                if !matches!(more, Ok(true)) {
                    seen.unsent = messages.len() - n - 1;
                    return more.map(|_| ());
                }
            }
        }
        if self.cancel() == Some(CancelTiming::BeforeCloseSend(())) {
            return Err(cancelled());
        }
        drop(sender);
        if self.cancel_after() == Some(0) {
            return Err(cancelled());
        }
        if let (Some(response), Some(read)) = (response, read) {
            replies = Some(read(self, self.cancelled_or(response).await?, seen)?);
        } else if let Some(CancelTiming::AfterCloseSendMs(millis)) = self.cancel() {
            sleep(Duration::from_millis(millis.into())).await;
            return Err(cancelled());
        }
        let Some(mut replies) = replies else {
            return Ok(());
        };
        while self.next(&mut replies, seen).await? {}
        if self.is_single() && seen.payloads.len() != 1 {
            seen.payloads.clear();
            return Err(Status::unimplemented("not one response"));
        }
        Ok(())
    }

    /// Reads the next message; whether there was one.
    async fn next<R: Replies>(&self, replies: &mut R, seen: &mut Seen) -> Result<bool, Status> {
        let next = replies.next().await;
        let payload =
            match next.and_then(|plain| plain.map(|plain| self.codec.decode(&plain)).transpose()) {
                Ok(payload) => payload,
                Err(status) => {
                    seen.trailers = replies.trailers();
                    if self.is_single() {
                        seen.payloads.clear();
                    }
                    return Err(status);
                }
            };
        let Some(payload) = payload else {
            seen.trailers = replies.trailers();
            return Ok(false);
        };
        seen.payloads.push(payload);
        match self.cancel_after() {
            Some(n) if n as usize == seen.payloads.len() => Err(cancelled()),
            _ => Ok(true),
        }
    }

    fn frame(&self, message: &prost_types::Any) -> Result<Bytes, Status> {
        // The channel compresses by itself.
        let (compressed, bytes) = match self.request.protocol() {
            proto::Protocol::Grpc => (false, self.codec.plain(message)?),
            _ => (self.codec.encoding.is_some(), self.codec.encode(message)?),
        };
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut frame = ahoy::protocol::frame::header(compressed, len).to_vec();
        frame.extend_from_slice(&bytes);
        Ok(frame.into())
    }

    async fn pause(&self) {
        sleep(Duration::from_millis(self.request.request_delay_ms.into())).await;
    }

    fn cancel(&self) -> Option<CancelTiming> {
        let cancel = self.request.cancel.as_ref()?;
        Some(cancel.cancel_timing.unwrap_or(CancelTiming::AfterCloseSendMs(0)))
    }

    fn cancel_after(&self) -> Option<u32> {
        match self.cancel() {
            Some(CancelTiming::AfterNumResponses(n)) => Some(n),
            _ => None,
        }
    }

    /// The response's head, unless the call is cancelled before it comes.
    async fn cancelled_or(
        &self,
        response: JoinHandle<Result<Response<Body>, Status>>,
    ) -> Result<Response<Body>, Status> {
        match self.cancel() {
            Some(CancelTiming::AfterCloseSendMs(millis)) => {
                let abort = response.abort_handle();
                sleep(Duration::from_millis(millis.into())).await;
                abort.abort();
                Err(cancelled())
            }
            _ => joined(response).await,
        }
    }
}

fn cancelled() -> Status {
    Status::cancelled("cancelled")
}

fn spawn(
    transport: Transport,
    request: Request<Body>,
) -> JoinHandle<Result<Response<Body>, Status>> {
    tokio::spawn(transport.send(request))
}

async fn joined(
    response: JoinHandle<Result<Response<Body>, Status>>,
) -> Result<Response<Body>, Status> {
    response.await.map_err(|error| Status::internal(error.to_string()))?
}
