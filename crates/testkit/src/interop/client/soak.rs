//! Many large calls, one after the other.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::expect::{self, CaseError};
use super::{Channel, Target};
use crate::interop::proto::SimpleRequest;
use crate::interop::proto::test_service_client::TestServiceClient;
use crate::interop::zeros;

/// How many calls a soak makes, how large, and what it puts up with. The defaults are those of
/// the descriptions' reference clients.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Calls to make. Default 10.
    pub iterations: u32,
    /// Calls that may fail, by their status or by their latency. Default none.
    pub max_failures: u32,
    /// The latency above which a call counts as failed. Default 1 s.
    pub per_iteration_max_acceptable_latency: Duration,
    /// The time within which all calls have to be made. Default 10 s.
    pub overall_timeout: Duration,
    /// The least time from the start of one call to the start of the next. Default none.
    pub min_time_between_rpcs: Duration,
    /// Bytes in each request's payload. Default 271,828.
    pub request_size: usize,
    /// Bytes in each response's payload. Default 314,159.
    pub response_size: usize,
}

impl Default for Soak {
    fn default() -> Self {
        Self {
            iterations: 10,
            max_failures: 0,
            per_iteration_max_acceptable_latency: Duration::from_secs(1),
            overall_timeout: Duration::from_secs(10),
            min_time_between_rpcs: Duration::ZERO,
            request_size: 271_828,
            response_size: 314_159,
        }
    }
}

/// A channel stands many calls.
///
/// # Errors
/// When more calls fail or are slow than may, or not all are made in time.
pub async fn rpc_soak(target: Target) -> Result<(), CaseError> {
    let client = target.client();
    soak(target.soak, || Ok(client.clone())).await
}

/// Many calls, each on a channel of its own, which is closed after it.
///
/// # Errors
/// When more calls fail or are slow than may, or not all are made in time.
pub async fn channel_soak(target: Target) -> Result<(), CaseError> {
    soak(target.soak, || target.fresh_client()).await
}

async fn soak(
    settings: Soak,
    client: impl Fn() -> Result<TestServiceClient<Channel>, CaseError>,
) -> Result<(), CaseError> {
    let end = Instant::now() + settings.overall_timeout;
    let mut failed = 0;
    let mut run = 0;
    let mut last = "none".to_owned();
    while run < settings.iterations {
        let start = Instant::now();
        let Ok(outcome) = timeout_at(end, call(client()?, settings)).await else {
            break;
        };
        run += 1;
        let latency = start.elapsed();
        let slow = latency > settings.per_iteration_max_acceptable_latency;
        if slow {
            last = format!("a latency of {latency:?}");
        }
        failed += u32::from(outcome.is_err() || slow);
        if let Err(error) = outcome {
            last = format!("{:#}", anyhow::Error::from(error));
        }
        if run < settings.iterations {
            sleep_until((start + settings.min_time_between_rpcs).min(end)).await;
        }
    }
    if run == settings.iterations && failed <= settings.max_failures {
        return Ok(());
    }
    Err(CaseError::Soak { failed, run, wanted: settings.iterations, last })
}

async fn call(mut client: TestServiceClient<Channel>, settings: Soak) -> Result<(), CaseError> {
    let request = SimpleRequest {
        response_size: i32::try_from(settings.response_size).unwrap_or(i32::MAX),
        payload: Some(zeros(settings.request_size)),
        ..SimpleRequest::default()
    };
    let response = expect::success("UnaryCall", client.unary_call(request).await)?;
    let payload = response.into_inner().payload;
    expect::payload("the response's payload", payload, settings.response_size)
}
