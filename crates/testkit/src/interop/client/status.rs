//! Calls that the server ends with a failure.

use tonic::Code;

use super::Target;
use super::expect::{self, CaseError};
use crate::interop::proto::unimplemented_service_client::UnimplementedServiceClient;
use crate::interop::proto::{EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest};

/// Holds what percent-encoding has to keep: white space at both ends, line breaks, and characters
/// inside and outside the Basic Multilingual Plane.
const SPECIAL_MESSAGE: &str =
    "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";

/// A status' code and message arrive, from a unary call and from a stream.
///
/// # Errors
/// When a call succeeds or has another code or message.
pub async fn status_code_and_message(target: Target) -> Result<(), CaseError> {
    const MESSAGE: &str = "test status message";
    unary_fails_with(&target, MESSAGE).await?;

    let request = StreamingOutputCallRequest {
        response_status: Some(unknown(MESSAGE)),
        ..StreamingOutputCallRequest::default()
    };
    let call = target.client().full_duplex_call(tokio_stream::once(request)).await;
    let status = expect::failure("FullDuplexCall", expect::next(call).await, Code::Unknown)?;
    expect::equal("FullDuplexCall's message", status.message(), MESSAGE)
}

/// A status' message arrives whatever characters it has.
///
/// # Errors
/// When the call succeeds or has another code or message.
pub async fn special_status_message(target: Target) -> Result<(), CaseError> {
    unary_fails_with(&target, SPECIAL_MESSAGE).await
}

/// A method that the service does not implement.
///
/// # Errors
/// When the call ends with another code than UNIMPLEMENTED.
pub async fn unimplemented_method(target: Target) -> Result<(), CaseError> {
    let response = target.client().unimplemented_call(Empty {}).await;
    expect::failure("TestService/UnimplementedCall", response, Code::Unimplemented)?;
    Ok(())
}

/// A service that the server does not have.
///
/// # Errors
/// When the call ends with another code than UNIMPLEMENTED.
pub async fn unimplemented_service(target: Target) -> Result<(), CaseError> {
    let mut client = UnimplementedServiceClient::new(target.channel);
    let response = client.unimplemented_call(Empty {}).await;
    expect::failure("UnimplementedService/UnimplementedCall", response, Code::Unimplemented)?;
    Ok(())
}

fn unknown(message: &str) -> EchoStatus {
    EchoStatus { code: Code::Unknown.into(), message: message.into() }
}

async fn unary_fails_with(target: &Target, message: &str) -> Result<(), CaseError> {
    let request =
        SimpleRequest { response_status: Some(unknown(message)), ..SimpleRequest::default() };
    let response = target.client().unary_call(request).await;
    let status = expect::failure("UnaryCall", response, Code::Unknown)?;
    expect::equal("UnaryCall's message", status.message(), message)
}
