//! Metadata in both directions.

use http::uri::PathAndQuery;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::expect::{self, CaseError};
use super::unary::{LARGE_REQUEST, LARGE_RESPONSE, large_request};
use super::{Target, streaming};
use crate::interop::proto::{Payload, SimpleResponse};
use crate::interop::proto::{StreamingOutputCallRequest, StreamingOutputCallResponse};
use crate::interop::{ECHO_INITIAL, ECHO_TRAILING};

const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING_VALUE: &[u8] = &[0xab, 0xab, 0xab];

/// Metadata arrives at the server, and comes back before and after the response.
///
/// # Errors
/// When a call fails, or an echo is missing or not where it belongs.
pub async fn custom_metadata(target: Target) -> Result<(), CaseError> {
    let unary = PathAndQuery::from_static("/grpc.testing.TestService/UnaryCall");
    echoes(&target, "UnaryCall", unary, large_request(), |response: SimpleResponse| {
        response.payload
    })
    .await?;

    let full_duplex = PathAndQuery::from_static("/grpc.testing.TestService/FullDuplexCall");
    let request: StreamingOutputCallRequest = streaming::ask(LARGE_REQUEST, LARGE_RESPONSE);
    echoes(
        &target,
        "FullDuplexCall",
        full_duplex,
        request,
        |response: StreamingOutputCallResponse| response.payload,
    )
    .await
}

/// Calls without the generated stub, which would mix a unary response's headers and trailers.
async fn echoes<Q, R>(
    target: &Target,
    call: &'static str,
    path: PathAndQuery,
    message: Q,
    payload: fn(R) -> Option<Payload>,
) -> Result<(), CaseError>
where
    Q: prost::Message + 'static,
    R: prost::Message + Default + 'static,
{
    let mut request = Request::new(tokio_stream::once(message));
    let metadata = request.metadata_mut();
    metadata.insert(ECHO_INITIAL, MetadataValue::from_static(INITIAL_VALUE));
    metadata.insert_bin(ECHO_TRAILING, MetadataValue::from_bytes(TRAILING_VALUE));

    let mut grpc = tonic::client::Grpc::new(target.channel.clone());
    expect::success(call, grpc.ready().await)?;
    let codec = ProstCodec::<Q, R>::default();
    let response = grpc.streaming(request, path, codec).await;
    let response = expect::success(call, response)?;
    let initial = response.metadata().get(ECHO_INITIAL);
    let initial = initial.map(|value| value.as_bytes().to_vec());
    expect::equal("the initial metadata", initial, Some(INITIAL_VALUE.into()))?;

    let mut responses: Streaming<R> = response.into_inner();
    let response = expect::success(call, responses.message().await)?;
    expect::payload("the response's payload", response.and_then(payload), LARGE_RESPONSE)?;
    let extra = expect::success(call, responses.message().await)?;
    expect::equal("a response beyond the last", extra.is_some(), false)?;

    let trailers = expect::success(call, responses.trailers().await)?;
    expect::equal("the trailing metadata", trailing(trailers), Some(TRAILING_VALUE.into()))
}

fn trailing(trailers: Option<MetadataMap>) -> Option<Vec<u8>> {
    let trailers = trailers?;
    let value = trailers.get_bin(ECHO_TRAILING)?;
    value.to_bytes().ok().map(|bytes| bytes.to_vec())
}
