//! One request, one response.

use super::Target;
use super::expect::{self, CaseError};
use crate::interop::proto::{Empty, SimpleRequest};
use crate::interop::zeros;

/// The payload of a large request, in bytes.
pub(super) const LARGE_REQUEST: usize = 271_828;
/// The payload of a large response, in bytes.
pub(super) const LARGE_RESPONSE: usize = 314_159;

/// The request of `large_unary`, which other cases send with more in it.
pub(super) fn large_request() -> SimpleRequest {
    SimpleRequest {
        response_size: LARGE_RESPONSE as i32,
        payload: Some(zeros(LARGE_REQUEST)),
        ..SimpleRequest::default()
    }
}

/// Messages of zero bytes arrive.
///
/// # Errors
/// When the call fails.
pub async fn empty_unary(target: Target) -> Result<(), CaseError> {
    let response = target.client().empty_call(Empty {}).await;
    expect::success("EmptyCall", response)?;
    Ok(())
}

/// Messages larger than a flow-control window arrive.
///
/// # Errors
/// When the call fails or the response's payload has another size.
pub async fn large_unary(target: Target) -> Result<(), CaseError> {
    let response = target.client().unary_call(large_request()).await;
    let response = expect::success("UnaryCall", response)?.into_inner();
    expect::payload("the response's payload", response.payload, LARGE_RESPONSE)
}
