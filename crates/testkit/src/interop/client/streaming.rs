//! Streams in either direction and in both.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Target;
use super::expect::{self, CaseError};
use crate::interop::proto::{
    ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest,
};
use crate::interop::zeros;

/// The payloads of a stream of requests, in bytes.
pub(super) const REQUEST_SIZES: [usize; 4] = [27_182, 8, 1_828, 45_904];
/// The payloads of a stream of responses, in bytes.
pub(super) const RESPONSE_SIZES: [usize; 4] = [31_415, 9, 2_653, 58_979];

/// A request with a payload that asks for one response.
pub(super) fn ask(request_size: usize, response_size: usize) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![parameters(response_size)],
        payload: Some(zeros(request_size)),
        ..StreamingOutputCallRequest::default()
    }
}

pub(super) fn parameters(size: usize) -> ResponseParameters {
    ResponseParameters { size: size as i32, ..ResponseParameters::default() }
}

/// A stream of requests gets one response.
///
/// # Errors
/// When the call fails or the server counted other than 74,922 bytes.
pub async fn client_streaming(target: Target) -> Result<(), CaseError> {
    let requests = REQUEST_SIZES.map(|size| StreamingInputCallRequest {
        payload: Some(zeros(size)),
        expect_compressed: None,
    });
    let response = target.client().streaming_input_call(tokio_stream::iter(requests)).await;
    let response = expect::success("StreamingInputCall", response)?;
    let size = response.into_inner().aggregated_payload_size;
    expect::equal("aggregated_payload_size", size, 74_922)
}

/// One request gets a stream of responses.
///
/// # Errors
/// When the call fails, or the responses' number, order or sizes are not as asked.
pub async fn server_streaming(target: Target) -> Result<(), CaseError> {
    let request = StreamingOutputCallRequest {
        response_parameters: RESPONSE_SIZES.map(parameters).to_vec(),
        ..StreamingOutputCallRequest::default()
    };
    let responses = target.client().streaming_output_call(request).await;
    let mut responses = expect::success("StreamingOutputCall", responses)?.into_inner();
    expect::payloads("StreamingOutputCall", &mut responses, &RESPONSE_SIZES).await?;
    expect::end("StreamingOutputCall", &mut responses).await
}

/// Each request is sent only after the response to the one before.
///
/// # Errors
/// When the call fails, or the responses' number, order or sizes are not as asked.
pub async fn ping_pong(target: Target) -> Result<(), CaseError> {
    let (requests, receiver) = mpsc::channel(1);
    let send = async |request| {
        // The call is over when nobody receives; its status, read next, says why.
        let _ = requests.send(request).await;
    };
    let mut exchanges = REQUEST_SIZES.into_iter().zip(RESPONSE_SIZES);

    // Servers may hold back their headers until there is a response, so the call starts with the
    // first request waiting.
    let mut waiting = exchanges.next();
    if let Some((request, response)) = waiting {
        send(ask(request, response)).await;
    }
    let responses = target.client().full_duplex_call(ReceiverStream::new(receiver)).await;
    let mut responses = expect::success("FullDuplexCall", responses)?.into_inner();
    while let Some((_, size)) = waiting {
        expect::payloads("FullDuplexCall", &mut responses, &[size]).await?;
        waiting = exchanges.next();
        if let Some((request, response)) = waiting {
            send(ask(request, response)).await;
        }
    }
    drop(requests);
    expect::end("FullDuplexCall", &mut responses).await
}

/// A stream can be empty in both directions.
///
/// # Errors
/// When the call fails or has a response.
pub async fn empty_stream(target: Target) -> Result<(), CaseError> {
    let responses = target.client().full_duplex_call(tokio_stream::empty()).await;
    let mut responses = expect::success("FullDuplexCall", responses)?.into_inner();
    expect::end("FullDuplexCall", &mut responses).await
}
