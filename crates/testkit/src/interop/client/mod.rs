//! The client's half of the interop cases, and [`CASES`], the table of them.
//!
//! A case is an async function of a [`Target`]; it fails with the first expectation of its
//! description that does not hold. Not here: the cases that need Google's credentials, and
//! `cacheable_unary`, which needs a caching proxy and sends the request as a GET.

mod cancel;
mod compression;
mod expect;
mod metadata;
mod soak;
mod status;
mod streaming;
mod unary;

use std::sync::Arc;
use std::time::Duration;

use ahoy::BoxError;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::proto::test_service_client::TestServiceClient;

pub use cancel::{cancel_after_begin, cancel_after_first_response, timeout_on_sleeping_server};
pub use compression::{
    client_compressed_streaming, client_compressed_unary, server_compressed_streaming,
    server_compressed_unary,
};
pub use expect::CaseError;
pub use metadata::custom_metadata;
pub use soak::{Soak, channel_soak, rpc_soak};
pub use status::{
    special_status_message, status_code_and_message, unimplemented_method, unimplemented_service,
};
pub use streaming::{client_streaming, empty_stream, ping_pong, server_streaming};
pub use unary::{empty_unary, large_unary};

/// Rows of [`CASES`]: each function under its own name.
macro_rules! cases {
    ($($case:ident,)*) => {
        &[$(Case { name: stringify!($case), run: |target| $case(target).boxed() },)*]
    };
}

/// Every case, by the name that the descriptions give it.
pub const CASES: &[Case] = cases![
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    timeout_on_sleeping_server,
    cancel_after_begin,
    cancel_after_first_response,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
    client_compressed_unary,
    server_compressed_unary,
    client_compressed_streaming,
    server_compressed_streaming,
    rpc_soak,
    channel_soak,
];

/// How long a case may take, over the soak's own limit: one that hangs has failed.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// One row of [`CASES`].
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The case's name in the descriptions.
    pub name: &'static str,
    run: fn(Target) -> BoxFuture<'static, Result<(), CaseError>>,
}

impl Case {
    /// The case of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// Runs the case.
    ///
    /// # Errors
    /// The first expectation that does not hold; [`CaseError::Hung`] when the case is not over
    /// after 60 seconds and the time that a soak may take.
    pub async fn run(&self, target: Target) -> Result<(), CaseError> {
        let limit = CASE_LIMIT + target.soak.overall_timeout;
        tokio::time::timeout(limit, (self.run)(target)).await.unwrap_or(Err(CaseError::Hung(limit)))
    }
}

/// What cases call through: any channel, boxed.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// The server under test: how to reach it, and how hard to press.
#[derive(Clone)]
pub struct Target {
    connect: Arc<dyn Fn() -> Result<Channel, BoxError> + Send + Sync>,
    channel: Channel,
    /// The settings of [`rpc_soak`] and [`channel_soak`].
    pub soak: Soak,
}

impl Target {
    /// A target that `connect` makes channels to. Each is a new one: `channel_soak` asks for one
    /// per call, the other cases share the first.
    ///
    /// # Errors
    /// [`CaseError::Connect`] when `connect` makes no first channel.
    pub fn new<F, S, B, E>(connect: F) -> Result<Self, CaseError>
    where
        F: Fn() -> Result<S, E> + Send + Sync + 'static,
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        E: Into<BoxError>,
    {
        let connect = move || {
            let channel = connect()
                .map_err(Into::into)?
                .map_response(|response: Response<B>| response.map(Body::new))
                .map_err(|error| Status::from_error(error.into()));
            Ok(Channel::new(channel))
        };
        let channel = connect().map_err(CaseError::Connect)?;
        Ok(Self { connect: Arc::new(connect), channel, soak: Soak::default() })
    }

    /// The same target, with other settings for the soaks.
    pub fn with_soak(self, soak: Soak) -> Self {
        Self { soak, ..self }
    }

    /// Calls on the shared channel.
    fn client(&self) -> TestServiceClient<Channel> {
        TestServiceClient::new(self.channel.clone())
    }

    /// Calls on a channel of their own.
    fn fresh_client(&self) -> Result<TestServiceClient<Channel>, CaseError> {
        let channel = (self.connect)().map_err(CaseError::Connect)?;
        Ok(TestServiceClient::new(channel))
    }
}
