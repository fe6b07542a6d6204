//! WebSocket (RFC 6455): a call of any kind over a connection of HTTP/1.1, both ways at once.
//!
//! The client's text messages are requests as JSON; an empty one ends them, as half-closing does
//! in gRPC. The server's are `{"result":…}` for each response and, when the call fails,
//! `{"error":…}`; then it closes, with 1000 for OK and else with 4000 and the status code, and the
//! status message as the reason. Where a route's body is bytes, binary messages are its parts. A
//! client that closes before that cancels the call.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use formats::json::WriteOptions;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, request};
use http_body::{Body as HttpBody, Frame};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tonic::{Code, Status};

use super::error::Refusal;
use super::replies::{self, Replies};
use super::request::Messages;
use super::route::{RequestBody, ResponseBody, Route};
use super::{Lost, headers, query};
use crate::body::Body;
use crate::layers::deadline;
use crate::protocol::edge::{Arrival, Parts, Takeover};
use crate::status;

/// After its deadline a call has this long to tell its client so, and after it said how it ended,
/// a client has this long to close its side.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The longest reason of a close, in bytes (RFC 6455, 5.5).
const REASON: usize = 123;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

type Sink = SplitSink<Socket, Message>;

/// Whether the request is a client's opening handshake.
pub(super) fn is_asked(head: &request::Parts) -> bool {
    let upgrade = head.headers.get(UPGRADE).map(HeaderValue::as_bytes);
    head.method == Method::GET && upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
}

/// Makes a call of a handshake, by any HTTP method that has a route for the path: first one of a
/// client stream, then GET's, since a handshake is a GET.
pub(super) fn arrive(parts: &Arc<Parts>, mut head: request::Parts) -> Result<Arrival, Refusal> {
    let rest = &parts.rest;
    let path = head.uri.path();
    let streams = |route: &Arc<Route>| route.method.descriptor.is_client_streaming();
    let gets = |route: &Arc<Route>| route.http == Some(Method::GET);
    let found = rest.routes.find_any(path, streams);
    let found = found.or_else(|| rest.routes.find_any(path, gets));
    let found = found.or_else(|| rest.routes.find_any(path, |_| true));
    let Some((route, path)) = found else {
        let near = rest.routes.near(&head.method, path);
        return Lost::Nothing(near).answer(parts, &head.method, path).map(Arrival::Answered);
    };
    let route = Arc::clone(route);
    let accept = handshake(parts, &head.headers)?;
    let unable = || {
        let what = "WebSocket needs a connection of HTTP/1.1";
        Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, what)
    };
    let upgrade: OnUpgrade = head.extensions.remove().ok_or_else(unable)?;
    let takeover: Takeover = head.extensions.remove().ok_or_else(unable)?;

    let mut fields = Vec::new();
    let query = head.uri.query().unwrap_or_default();
    let system = query::to_wire(&route, query, &rest.read, &mut fields)?;
    route.path_to_wire(path, &rest.read, &mut fields)?;
    headers::inbound(&mut head.headers)?;
    for name in HANDSHAKE {
        head.headers.remove(name);
    }
    head.method = Method::POST;
    head.uri = route.uri.clone();
    head.version = Version::HTTP_2;

    let enum_numbers = rest.write.enum_numbers || system.enum_numbers;
    let limit = parts.max_message_bytes;
    let (requests, received) = mpsc::channel(1);
    let session = Session {
        parts: Arc::clone(parts),
        options: WriteOptions { enum_numbers, ..rest.write },
        messages: Messages {
            route,
            options: rest.read,
            fields,
            content_type: "application/octet-stream".into(),
            limit,
        },
        requests,
    };
    let request = Request::from_parts(head, Body::new(Requests(Some(received))));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    let run = Box::new(move |call| {
        let end = deadline::begun().and_then(|deadline| deadline.checked_add(LAST_WORDS));
        let session = async move {
            if let Ok(upgraded) = upgrade.await {
                session.run(upgraded, call).await;
            }
        };
        takeover.leave(Box::pin(async move {
            match end {
                Some(end) => drop(timeout_at(end.into(), session).await),
                None => session.await,
            }
        }));
    });
    Ok(Arrival::TakenOver { request, response, run })
}

const HANDSHAKE: [http::HeaderName; 4] = [
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    http::header::SEC_WEBSOCKET_EXTENSIONS,
    http::header::SEC_WEBSOCKET_PROTOCOL,
];

/// What accepts the handshake (RFC 6455, 4.2).
fn handshake(parts: &Parts, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    // Who only passed `upgrade` on does not know that the connection becomes another.
    let options = headers
        .get_all(CONNECTION)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(b"upgrade")) {
        let what = "expected connection: upgrade";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, what));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let what = "expected version 13 of WebSocket";
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, Code::InvalidArgument, what);
        return Err(refusal.with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    // Browsers let every page open a WebSocket, with the user's cookies: unlike for other calls,
    // keeping pages out is the server's to do.
    if let Some(origin) = headers.get(ORIGIN)
        && !is_own(origin, headers)
        && !parts.cors.as_ref().is_some_and(|cors| cors.allows(origin))
    {
        let what = "pages of this origin may not call: AHOY_CORS_ORIGINS lists those that may";
        return Err(Refusal::new(StatusCode::FORBIDDEN, Code::PermissionDenied, what));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = key.and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok());
    accept.ok_or_else(|| {
        let what = "expected a sec-websocket-key of 16 bytes";
        Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, what)
    })
}

/// Whether the page came from here.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), headers.get(HOST).map(|h| h.to_str()))
    else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host))
}

/// A message, or `None` for the end of all.
type Given = Result<Option<Bytes>, Status>;

/// The requests of a call, as they come in.
struct Requests(Option<mpsc::Receiver<Given>>);

impl HttpBody for Requests {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(received) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = match ready!(received.poll_recv(cx)) {
            Some(Ok(Some(message))) => return Poll::Ready(Some(Ok(Frame::data(message)))),
            Some(Ok(None)) => None,
            Some(Err(status)) => Some(Err(status)),
            // Gone without having said that this is all.
            None => Some(Err(status::abandoned())),
        };
        self.0 = None;
        Poll::Ready(frame)
    }
}

/// One call over one WebSocket.
struct Session {
    parts: Arc<Parts>,
    options: WriteOptions,
    messages: Messages,
    requests: mpsc::Sender<Given>,
}

impl Session {
    async fn run(self, upgraded: Upgraded, call: impl Future<Output = Response<Body>>) {
        let limit = Some(self.messages.limit);
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(32 * 1024)
            .max_message_size(limit)
            .max_frame_size(limit);
        let io = TokioIo::new(upgraded);
        let socket = Socket::from_raw_socket(io, Role::Server, Some(config)).await;
        let (sink, mut stream) = socket.split();
        let sink = Mutex::new(sink);
        let Self { parts, options, messages, requests } = self;
        tokio::select! {
            close = read(&mut stream, &sink, &messages, requests) => {
                // The call is dropped with its future, which cancels it.
                let said = async {
                    match close {
                        Some(close) => sink.lock().await.send(Message::Close(Some(close))).await,
                        // A client's own close has its answer from tungstenite, which waits for this.
                        None => sink.lock().await.flush().await,
                    }
                };
                let _ = timeout(LAST_WORDS, said).await;
            }
            written = write(&sink, call, &parts, &messages.route, &options) => {
                if written.is_ok() {
                    let closed = async { while let Some(Ok(_)) = stream.next().await {} };
                    let _ = timeout(LAST_WORDS, closed).await;
                }
            }
        }
        if let Ok(mut socket) = sink.into_inner().reunite(stream) {
            // Dropped with bytes unread the connection would be reset, and the reset overtake what
            // was said; its end lingers.
            let _ = socket.get_mut().shutdown().await;
        }
    }
}

/// Takes requests until the client is gone, also when they have ended. What is to be said to a
/// client that broke the protocol.
async fn read(
    stream: &mut SplitStream<Socket>,
    sink: &Mutex<Sink>,
    messages: &Messages,
    requests: mpsc::Sender<Given>,
) -> Option<CloseFrame> {
    let descriptor = &messages.route.method.descriptor;
    let mut open = true;
    if matches!(messages.route.body, RequestBody::None) {
        // All fields are in the path and the query: there is nothing to wait for.
        let mut framed = Vec::new();
        let message = messages.append(&[], &mut framed).map(|()| Some(framed.into()));
        open = false;
        if give(&requests, message).await {
            give(&requests, Ok(None)).await;
        }
    }
    loop {
        let (bytes, text) = match stream.next().await {
            Some(Ok(Message::Text(text))) => (Bytes::from(text), true),
            Some(Ok(Message::Binary(bytes))) => (bytes, false),
            Some(Ok(Message::Ping(_))) => {
                // Its answer goes first: they would pile up for a client that takes none.
                match sink.lock().await.flush().await {
                    Ok(()) => continue,
                    Err(_) => return None,
                }
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => continue,
            gone => {
                let _ = requests.try_send(Err(status::abandoned()));
                return match gone {
                    Some(Err(tungstenite::Error::Capacity(error))) => {
                        Some(close(CloseCode::Size, &error.to_string()))
                    }
                    Some(Err(tungstenite::Error::Protocol(error))) => {
                        Some(close(CloseCode::Protocol, &error.to_string()))
                    }
                    Some(Err(tungstenite::Error::Utf8(_))) => {
                        Some(close(CloseCode::Invalid, "a text message is UTF-8"))
                    }
                    _ => None,
                };
            }
        };
        if !text && !matches!(messages.route.body, RequestBody::Bytes(_)) {
            return Some(close(CloseCode::Unsupported, "messages are text: JSON"));
        }
        if text && bytes.is_empty() {
            if std::mem::take(&mut open) {
                give(&requests, Ok(None)).await;
            }
            continue;
        }
        if !open {
            // Who sends on after the end, or after an error, has not seen it yet.
            continue;
        }
        let mut framed = Vec::new();
        let message = messages.append(&bytes, &mut framed).map(|()| Some(framed.into()));
        open = give(&requests, message).await;
        if open && !descriptor.is_client_streaming() {
            open = false;
            give(&requests, Ok(None)).await;
        }
    }
}

/// Hands a request to the handler when it has taken the last one. Whether another may follow.
async fn give(requests: &mpsc::Sender<Given>, given: Given) -> bool {
    let more = given.is_ok();
    requests.send(given).await.is_ok() && more
}

/// Gives the client each response as it takes them, and how the call ended.
async fn write(
    sink: &Mutex<Sink>,
    call: impl Future<Output = Response<Body>>,
    parts: &Parts,
    route: &Route,
    options: &WriteOptions,
) -> Result<(), tungstenite::Error> {
    let ended = match Replies::new(call.await) {
        Ok((_, mut replies)) => loop {
            let message = match replies.here() {
                Ok(None) => {
                    sink.lock().await.flush().await?;
                    poll_fn(|cx| replies.poll_next(cx)).await
                }
                here => here,
            };
            let made = match message {
                Ok(None) => break Ok(()),
                Ok(Some(message)) => make(route, &message, options),
                Err(status) => Err(status),
            };
            match made {
                Ok(message) => sink.lock().await.feed(message).await?,
                Err(status) => break Err(status),
            }
        },
        Err((status, _)) => Err(status),
    };
    let last = match ended {
        Ok(()) => close(CloseCode::Normal, ""),
        Err(status) => {
            let mut json = b"{\"error\":".to_vec();
            parts.rest.statuses.write(&status, &mut json);
            json.push(b'}');
            sink.lock().await.feed(text(json)).await?;
            close(CloseCode::from(4000 + status.code() as u16), status.message())
        }
    };
    sink.lock().await.send(Message::Close(Some(last))).await
}

fn make(
    route: &Route,
    message: &crate::protocol::frame::Message,
    options: &WriteOptions,
) -> Result<Message, Status> {
    if let ResponseBody::Bytes(field) = route.answer {
        return replies::http_body(field, message).map(|body| Message::Binary(body.data));
    }
    let mut json = Vec::with_capacity(2 * message.frame.len() + 64);
    json.extend_from_slice(b"{\"result\":");
    replies::to_json(route, message, options, &mut json)?;
    json.push(b'}');
    Ok(text(json))
}

fn text(json: Vec<u8>) -> Message {
    // What is written as JSON is UTF-8; a client would close on anything else.
    Message::text(String::from_utf8(json).unwrap_or_default())
}

fn close(code: CloseCode, reason: &str) -> CloseFrame {
    let mut end = reason.len().min(REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    CloseFrame { code, reason: reason.get(..end).unwrap_or_default().to_owned().into() }
}
