//! A cluster as calls meet it: sends each on a connection of the current worker.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use http_body::Frame;
use percent_encoding::percent_decode;
use tonic::Status;

use super::connect::Secure;
use super::pool::{Opener, Pool, Start, Stream};
use super::request::{self, Caller, OutgoingBody};
use super::resolve::Resolver;
use super::target::Target;
use super::{ChannelError, ChannelSettings};
use crate::policy::{Balancing, Source};
use crate::{http2, status, worker};

/// Base64 as gRPC takes it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the calls to a cluster share.
pub(super) struct Upstream {
    pub(super) target: Target,
    pub(super) settings: ChannelSettings,
    pub(super) secure: Option<Secure>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) balancing: Balancing,
    pools: Arc<[OnceLock<Arc<Pool>>]>,
}

impl Upstream {
    /// `known`: the same cluster before it changed, whose connections it takes over.
    pub(super) fn new(
        target: Target,
        sources: Vec<Source>,
        balancing: Balancing,
        settings: ChannelSettings,
        known: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, ChannelError> {
        let secure = match target.scheme == Scheme::HTTPS {
            true => Some(Secure::new(&target, &settings.tls)?),
            false => None,
        };
        let pools = match known {
            Some(known) if known.target.scheme == target.scheme => known.pools.clone(),
            _ => (0..worker::SLOTS).map(|_| OnceLock::new()).collect(),
        };
        let resolver = Resolver::new(sources, settings.resolve_interval);
        Ok(Arc::new(Self { target, settings, secure, resolver, balancing, pools }))
    }

    fn pool(&self) -> Arc<Pool> {
        match self.pools.get(worker::slot()) {
            Some(pool) => pool.get_or_init(Arc::default).clone(),
            None => Arc::default(),
        }
    }

    /// Resolves when a call would find a connection.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), Status> {
        let pool = self.pool();
        loop {
            let version = self.resolver.version();
            let changed = pin!(pool.changed());
            match pool.ready(self) {
                Start::Sent((), _) | Start::Full(..) => return Ok(()),
                Start::Failed(status) => return Err(status),
                Start::Wait => self.wait(changed, version).await,
            }
        }
    }

    async fn wait(&self, changed: impl Future<Output = ()>, version: u64) {
        tokio::select! {
            () = changed => {}
            () = self.resolver.wait(version) => {}
        }
    }

    pub(super) async fn call(
        self: Arc<Self>,
        mut head: Head,
        mut body: OutgoingBody,
        mut caller: Caller,
    ) -> Response<UpstreamBody> {
        let ours = HeaderValue::from_static(concat!("grpc-rust-ahoy/", env!("CARGO_PKG_VERSION")));
        head.headers.entry(USER_AGENT).or_insert(ours);
        let pool = self.pool();
        let mut sent_again = false;
        let mut turn = None;
        loop {
            let version = self.resolver.version();
            let changed = pin!(pool.changed());
            let ends = body.is_empty();
            let call = Opener { uri: &head.uri, headers: &head.headers, ends, hash: head.hash };
            let started = pool.start(&self, call);
            drop(turn.take());
            let ((sender, answering), mut stream) = match started {
                Start::Sent(sent, stream) => (sent, stream),
                Start::Full(mut room, _stream) => {
                    (&mut room).await;
                    turn = Some(room);
                    continue;
                }
                Start::Wait => {
                    self.wait(changed, version).await;
                    continue;
                }
                Start::Failed(status) => return fail(&status),
            };
            match sender {
                None => drop(body),
                Some(sender) => request::send(body, sender),
            }
            let error = match answering.await {
                Ok(response) => {
                    caller.answered();
                    stream.answered();
                    return answer(response, (stream, caller));
                }
                Err(error) => error,
            };
            // It left, but the peer says that it has not seen it. Once: gRFC A6.
            if sent_again || !status::is_unseen(&error) {
                return fail(&status::of_transport(&error));
            }
            drop(stream);
            let Some(again) = caller.take_back().await else {
                return fail(&status::of_transport(&error));
            };
            sent_again = true;
            (body, caller) = OutgoingBody::new(again);
        }
    }
}

/// What a request begins with. It is kept while the call may have to be sent again.
pub(super) struct Head {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// What goes to the same endpoint, where the balancing goes by a hash.
    pub(super) hash: Option<u64>,
}

fn answer(mut response: Response<http2::Body>, holds: Holds) -> Response<UpstreamBody> {
    sanitise(response.headers_mut());
    let grpc = response.status() == StatusCode::OK
        && (response.headers().get(CONTENT_TYPE))
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if grpc || response.headers().contains_key(status::GRPC_STATUS) {
        response.map(|body| UpstreamBody { open: Some((body, holds)) })
    } else {
        fail(&status::of_http(response.status()))
    }
}

/// Drops what generated code would panic on, details that are not base64, and what it would
/// take for another status, a message that is not UTF-8.
fn sanitise(headers: &mut HeaderMap) {
    const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
    const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
    if headers.get(DETAILS).is_some_and(|details| BASE64.decode(details).is_err()) {
        headers.remove(DETAILS);
    }
    let is_text = |text: &HeaderValue| percent_decode(text.as_bytes()).decode_utf8().is_ok();
    if headers.get(MESSAGE).is_some_and(|message| !is_text(message)) {
        headers.remove(MESSAGE);
    }
}

pub(super) fn fail(status: &Status) -> Response<UpstreamBody> {
    let mut response = Response::new(UpstreamBody::default());
    let content = HeaderValue::from_static("application/grpc");
    *response.headers_mut() = status::trailers(status);
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

/// What a call holds until its end: its place on the connection, and its request.
type Holds = (Stream, Caller);

/// A response body whose transport errors are statuses in its trailers.
#[derive(Default)]
pub(crate) struct UpstreamBody {
    open: Option<(http2::Body, Holds)>,
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((stream, _)) = &mut self.open else {
            return Poll::Ready(None);
        };
        let end = match ready!(Pin::new(stream).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
            Some(Ok(frame)) => frame.into_trailers().ok().map(|mut trailers| {
                sanitise(&mut trailers);
                trailers
            }),
            Some(Err(error)) => Some(status::trailers(&status::of_transport(&error))),
            None => None,
        };
        self.open = None;
        Poll::Ready(end.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|(stream, _)| stream.is_end_stream())
    }
}
