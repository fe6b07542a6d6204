use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use super::body::Work;
use super::encoding::{self, ACCEPTED, GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use super::{DEFAULT_MIN_SIZE, Encoding, MessageBody, MessageCompression};
use crate::protocol::frame::{DEFAULT_MESSAGE_LIMIT, Direction};

/// Which responses a server compresses. Whatever it says, only encodings that the client lists in
/// `grpc-accept-encoding` are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// Those to requests that came compressed, in the encoding that they came in.
    #[default]
    SameAsRequest,
    /// All.
    With(Encoding),
    /// None.
    Never,
}

/// Compression for a server.
///
/// Requests reach the service decompressed and without `grpc-encoding`; one in an encoding that
/// we do not know is answered with UNIMPLEMENTED and the list of those we do. A service may
/// compress its responses itself: one with `grpc-encoding` passes as it is.
#[derive(Clone, Copy, Debug)]
pub struct InboundCompressionLayer {
    reply: Reply,
    min_size: usize,
    message_limit: usize,
    per_message: bool,
    passing: bool,
}

impl Default for InboundCompressionLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl InboundCompressionLayer {
    /// Answers each client as it calls.
    pub const fn new() -> Self {
        Self {
            reply: Reply::SameAsRequest,
            min_size: DEFAULT_MIN_SIZE,
            message_limit: DEFAULT_MESSAGE_LIMIT,
            per_message: false,
            passing: false,
        }
    }

    /// Which responses to compress; [`Reply::SameAsRequest`] unless set.
    pub const fn reply(mut self, reply: Reply) -> Self {
        self.reply = reply;
        self
    }

    /// Sends messages shorter than this many bytes as they are; [`DEFAULT_MIN_SIZE`] unless set.
    pub const fn min_size(mut self, bytes: usize) -> Self {
        self.min_size = bytes;
        self
    }

    /// Refuses compressed messages that are, before or after they are decompressed, longer than
    /// this many bytes; [`DEFAULT_MESSAGE_LIMIT`] unless set. Messages of a request that is not
    /// compressed are not looked at: see [`limits`](crate::layers::limits).
    pub const fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// Gives each handler a [`MessageCompression`], in the extensions of its request; off unless
    /// set. All messages of all calls are then looked at.
    pub const fn per_message(mut self, yes: bool) -> Self {
        self.per_message = yes;
        self
    }

    /// Lets all pass as it is: what is compressed is between those at both ends. Off unless set.
    pub const fn passing(mut self, yes: bool) -> Self {
        self.passing = yes;
        self
    }

    /// What to do with the response, given what the request says.
    fn plan(
        &self,
        request: &HeaderMap,
        came: Option<Encoding>,
        handle: Option<&MessageCompression>,
    ) -> Option<Plan> {
        let wanted = match self.reply {
            Reply::SameAsRequest => came,
            Reply::With(encoding) => Some(encoding),
            Reply::Never => None,
        };
        if wanted.is_none() && came.is_none() && handle.is_none() {
            return None;
        }
        let by_default =
            wanted.filter(|wanted| encoding::accepted(request).any(|known| known == *wanted));
        let work = match (by_default, handle) {
            (None, None) => None,
            // The handler may ask for compression later, when the headers have been sent.
            (None, Some(_)) => encoding::accepted(request).next(),
            (Some(encoding), _) => Some(encoding),
        };
        Some(Plan {
            encoding: work,
            by_default: by_default.is_some(),
            min_size: self.min_size,
            handle: handle.cloned(),
        })
    }
}

impl<S> Layer<S> for InboundCompressionLayer {
    type Service = InboundCompression<S>;

    fn layer(&self, inner: S) -> InboundCompression<S> {
        InboundCompression { inner, settings: *self }
    }
}

/// See [`InboundCompressionLayer`].
#[derive(Clone, Debug)]
pub struct InboundCompression<S> {
    inner: S,
    settings: InboundCompressionLayer,
}

/// What is to be done with a response.
struct Plan {
    encoding: Option<Encoding>,
    by_default: bool,
    min_size: usize,
    handle: Option<MessageCompression>,
}

impl Plan {
    fn apply<B: Body>(self, response: Response<B>) -> Response<MessageBody<B>> {
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
        let body = match self.encoding {
            Some(encoding)
                if !body.is_end_stream() && !parts.headers.contains_key(GRPC_ENCODING) =>
            {
                parts.headers.insert(GRPC_ENCODING, encoding.header_value());
                parts.headers.remove(CONTENT_LENGTH);
                let work = Work::Compress {
                    encoding,
                    by_default: self.by_default,
                    min_size: self.min_size,
                };
                MessageBody::transformed(body, Direction::Response, work, self.handle)
            }
            _ => MessageBody::unchanged(body),
        };
        Response::from_parts(parts, body)
    }
}

impl<S, B, RB> Service<Request<B>> for InboundCompression<S>
where
    S: Service<Request<MessageBody<B>>, Response = Response<RB>>,
    B: Body<Data = Bytes>,
    RB: Body,
{
    type Response = Response<MessageBody<RB>>;
    type Error = S::Error;
    type Future = InboundFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> InboundFuture<S::Future> {
        if self.settings.passing {
            let future = self.inner.call(request.map(MessageBody::unchanged));
            return InboundFuture::Called { future, plan: None };
        }
        let (mut parts, body) = request.into_parts();
        let came = match encoding::take(&mut parts.headers) {
            Ok(came) => came,
            Err(unknown) => {
                let status = Status::unimplemented(format!(
                    "grpc-encoding {unknown:?} is not supported; gzip and zstd are"
                ));
                return InboundFuture::Refused { status };
            }
        };
        let handle = self.settings.per_message.then(MessageCompression::new);
        let plan = self.settings.plan(&parts.headers, came, handle.as_ref());
        if let Some(handle) = &handle {
            parts.extensions.insert(handle.clone());
        }
        let body = if came.is_some() || handle.is_some() {
            parts.headers.remove(CONTENT_LENGTH);
            let work = Work::Decompress { encoding: came, limit: self.settings.message_limit };
            MessageBody::transformed(body, Direction::Request, work, handle)
        } else {
            MessageBody::unchanged(body)
        };
        let future = self.inner.call(Request::from_parts(parts, body));
        InboundFuture::Called { future, plan }
    }
}

pin_project! {
    /// The response of an [`InboundCompression`].
    #[project = InboundProjection]
    pub enum InboundFuture<F> {
        /// The service is at work.
        Called {
            #[pin]
            future: F,
            plan: Option<Plan>,
        },
        /// The service was not called.
        Refused { status: Status },
    }
}

impl<F, B, E> Future for InboundFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<MessageBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            InboundProjection::Called { future, plan } => {
                let response = ready!(future.poll(cx))?;
                Ok(match plan.take() {
                    Some(plan) => plan.apply(response),
                    None => response.map(MessageBody::unchanged),
                })
            }
            InboundProjection::Refused { status } => {
                let response = status.clone().into_http::<()>();
                let mut response = response.map(|()| MessageBody::empty());
                response.headers_mut().insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
                Ok(response)
            }
        })
    }
}
