//! Messages compressed one by one.
//!
//! gzip-compressed or not, a message reads the same; what is checked is each message's
//! compressed-flag, which the channel tells through a [`MessageCompression`] handle.

use ahoy::MessageCompression;
use tonic::{Code, Request, Response, Status};

use super::expect::{self, CaseError};
use super::streaming::parameters;
use super::unary::{LARGE_RESPONSE, large_request};
use super::{Channel, Target};
use crate::interop::proto::test_service_client::TestServiceClient;
use crate::interop::proto::{
    BoolValue, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest,
};
use crate::interop::zeros;

const YES: Option<BoolValue> = Some(BoolValue { value: true });
const NO: Option<BoolValue> = Some(BoolValue { value: false });

/// Requests arrive as they were sent: compressed, or not.
///
/// # Errors
/// When the server does not notice that the probe is uncompressed, or takes one of the other
/// requests for what it is not.
pub async fn client_compressed_unary(target: Target) -> Result<(), CaseError> {
    let mut client = target.client();
    let probe = unary_as(&mut client, false, YES).await;
    expect::failure("the probe", probe, Code::InvalidArgument)?;
    for (call, compressed, expect) in
        [("the compressed UnaryCall", true, YES), ("the uncompressed UnaryCall", false, NO)]
    {
        let response = unary_as(&mut client, compressed, expect).await;
        let response = expect::success(call, response)?.into_inner();
        expect::payload("the response's payload", response.payload, LARGE_RESPONSE)?;
    }
    Ok(())
}

/// Responses come as asked for: compressed, or not.
///
/// # Errors
/// When a call fails, or a response's flag or size is not as asked.
pub async fn server_compressed_unary(target: Target) -> Result<(), CaseError> {
    let mut client = target.client();
    for (response_compressed, expected) in [(YES, true), (NO, false)] {
        let message = SimpleRequest { response_compressed, ..large_request() };
        let (request, handle) = with_handle(message);
        let response = expect::success("UnaryCall", client.unary_call(request).await)?;
        expect::equal("the response's compressed-flag", handle.next_received(), Some(expected))?;
        let payload = response.into_inner().payload;
        expect::payload("the response's payload", payload, LARGE_RESPONSE)?;
    }
    Ok(())
}

/// Each request of a stream arrives as it was sent: compressed, or not.
///
/// # Errors
/// When the server does not notice that the probe is uncompressed, takes one of the other
/// requests for what it is not, or counted other than 73,086 bytes.
pub async fn client_compressed_streaming(target: Target) -> Result<(), CaseError> {
    let mut client = target.client();
    let probe = stream_as(&mut client, vec![(false, YES, 27_182)]).await;
    expect::failure("the probe", probe, Code::InvalidArgument)?;
    let requests = vec![(true, YES, 27_182), (false, NO, 45_904)];
    let response = stream_as(&mut client, requests).await;
    let response = expect::success("StreamingInputCall", response)?;
    let size = response.into_inner().aggregated_payload_size;
    expect::equal("aggregated_payload_size", size, 73_086)
}

/// Each response of a stream comes as asked for: compressed, or not.
///
/// # Errors
/// When the call fails, or the responses' number, flags or sizes are not as asked.
pub async fn server_compressed_streaming(target: Target) -> Result<(), CaseError> {
    let wanted = [(YES, true, 31_415), (NO, false, 92_653)];
    let ask = |(compressed, _, size)| ResponseParameters { compressed, ..parameters(size) };
    let (request, handle) = with_handle(StreamingOutputCallRequest {
        response_parameters: wanted.map(ask).to_vec(),
        ..StreamingOutputCallRequest::default()
    });
    let mut client = target.client();
    let responses = client.streaming_output_call(request).await;
    let mut responses = expect::success("StreamingOutputCall", responses)?.into_inner();
    for (_, compressed, size) in wanted {
        expect::payloads("StreamingOutputCall", &mut responses, &[size]).await?;
        expect::equal("a response's compressed-flag", handle.next_received(), Some(compressed))?;
    }
    expect::end("StreamingOutputCall", &mut responses).await
}

async fn unary_as(
    client: &mut TestServiceClient<Channel>,
    compressed: bool,
    expect_compressed: Option<BoolValue>,
) -> Result<Response<SimpleResponse>, Status> {
    let (request, handle) = with_handle(SimpleRequest { expect_compressed, ..large_request() });
    handle.send_next(compressed);
    client.unary_call(request).await
}

async fn stream_as(
    client: &mut TestServiceClient<Channel>,
    messages: Vec<(bool, Option<BoolValue>, usize)>,
) -> Result<Response<StreamingInputCallResponse>, Status> {
    let handle = MessageCompression::default();
    for (compressed, ..) in &messages {
        handle.send_next(*compressed);
    }
    let messages = messages.into_iter().map(|(_, expect_compressed, size)| {
        StreamingInputCallRequest { payload: Some(zeros(size)), expect_compressed }
    });
    let mut request = Request::new(tokio_stream::iter(messages));
    request.extensions_mut().insert(handle);
    client.streaming_input_call(request).await
}

fn with_handle<T>(message: T) -> (Request<T>, MessageCompression) {
    let handle = MessageCompression::default();
    let mut request = Request::new(message);
    request.extensions_mut().insert(handle.clone());
    (request, handle)
}
