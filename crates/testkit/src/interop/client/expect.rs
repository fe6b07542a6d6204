//! What a case asserts, and how it says which assertion failed.

use std::fmt::Debug;
use std::time::Duration;

use ahoy::BoxError;
use tonic::{Code, Response, Status, Streaming};

use crate::interop::proto::{Payload, StreamingOutputCallResponse};

/// Why a case failed.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The channel could not be made.
    #[error("unable to make a channel")]
    Connect(#[source] BoxError),
    /// A call failed that had to succeed.
    #[error("{call} failed")]
    Call {
        /// The method, and which of its calls.
        call: &'static str,
        /// What it failed with.
        #[source]
        status: Status,
    },
    /// An expectation did not hold.
    #[error("{what}: expected {expected}, got {got}")]
    Expectation {
        /// What was looked at.
        what: &'static str,
        /// What the case's description demands.
        expected: String,
        /// What was there.
        got: String,
    },
    /// Too many iterations of a soak failed, or too few were run in time.
    #[error("{failed} of {run} calls failed, {wanted} were to be run; the last failure: {last}")]
    Soak {
        /// The iterations that failed or took too long.
        failed: u32,
        /// The iterations that were run.
        run: u32,
        /// The iterations that had to be run.
        wanted: u32,
        /// The most recent failure, or "none".
        last: String,
    },
    /// The case was not over in time.
    #[error("not over after {0:?}")]
    Hung(Duration),
}

/// Names the call that failed.
pub(super) fn success<T>(call: &'static str, result: Result<T, Status>) -> Result<T, CaseError> {
    result.map_err(|status| CaseError::Call { call, status })
}

pub(super) fn equal<T: PartialEq + Debug>(
    what: &'static str,
    got: T,
    expected: T,
) -> Result<(), CaseError> {
    if got == expected {
        return Ok(());
    }
    Err(CaseError::Expectation { what, expected: format!("{expected:?}"), got: format!("{got:?}") })
}

/// Checks the payload's size, and that it is all zeros, as its type says.
pub(super) fn payload(
    what: &'static str,
    got: Option<Payload>,
    size: usize,
) -> Result<(), CaseError> {
    let payload = got.unwrap_or_default();
    equal(what, payload.body.len(), size)?;
    if payload.body.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    Err(CaseError::Expectation { what, expected: "zeros only".into(), got: "other bytes".into() })
}

/// Checks that the call failed, and with this code; gives the status for further checks.
pub(super) fn failure<T>(
    what: &'static str,
    got: Result<T, Status>,
    expected: Code,
) -> Result<Status, CaseError> {
    match got {
        Err(status) if status.code() == expected => Ok(status),
        Err(status) => Err(CaseError::Expectation {
            what,
            expected: format!("{expected:?}"),
            got: format!("{:?}, {:?}", status.code(), status.message()),
        }),
        Ok(_) => Err(CaseError::Expectation {
            what,
            expected: format!("{expected:?}"),
            got: "success".into(),
        }),
    }
}

/// The next thing that a streaming call gives: whether it fails before or after its response's
/// headers is up to the server.
pub(super) async fn next(
    call: Result<Response<Streaming<StreamingOutputCallResponse>>, Status>,
) -> Result<Option<StreamingOutputCallResponse>, Status> {
    call?.into_inner().message().await
}

/// Reads responses of these sizes, in this order.
pub(super) async fn payloads(
    call: &'static str,
    responses: &mut Streaming<StreamingOutputCallResponse>,
    sizes: &[usize],
) -> Result<(), CaseError> {
    for &size in sizes {
        let response = success(call, responses.message().await)?;
        payload("a response's payload", response.and_then(|r| r.payload), size)?;
    }
    Ok(())
}

/// Checks that there are no more responses and that the call ended well.
pub(super) async fn end(
    call: &'static str,
    responses: &mut Streaming<StreamingOutputCallResponse>,
) -> Result<(), CaseError> {
    let extra = success(call, responses.message().await)?;
    equal("a response beyond the last", extra.is_some(), false)
}
