//! The server's half of the interop cases.
//!
//! [`service`] is everything that a server needs to add. Without a [`MessageCompression`] handle
//! among a request's extensions the messages' flags are out of sight: `expect_compressed` is then
//! not checked and `response_compressed` not obeyed, which clients find out by their probe.

mod echo;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahoy::MessageCompression;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use http::header::CACHE_CONTROL;
use tonic::{Code, Extensions, Request, Response, Status, Streaming};

use super::proto::test_service_server::{TestService, TestServiceServer};
use super::proto::{
    BoolValue, EchoStatus, Empty, Payload, PayloadType, ResponseParameters, SimpleRequest,
    SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use super::zeros;

pub use echo::EchoMetadata;

/// The largest payload that a request can ask for, in bytes.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// `grpc.testing.TestService` as the cases expect it: every method but `UnimplementedCall`, and
/// metadata echoed.
pub fn service() -> EchoMetadata<TestServiceServer<Interop>> {
    EchoMetadata::new(TestServiceServer::new(Interop))
}

/// The methods of `grpc.testing.TestService`, without the echo of metadata.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interop;

type Outputs = BoxStream<'static, Result<StreamingOutputCallResponse, Status>>;

#[tonic::async_trait]
impl TestService for Interop {
    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(
        &self,
        request: Request<SimpleRequest>,
    ) -> Result<Response<SimpleResponse>, Status> {
        let flags = Flags::of(request.extensions());
        let request = request.into_inner();
        flags.check_received(request.expect_compressed)?;
        ask_status(request.response_status)?;
        let payload = payload(request.response_type, request.response_size)?;
        flags.send_next(request.response_compressed);
        Ok(Response::new(SimpleResponse { payload: Some(payload), ..SimpleResponse::default() }))
    }

    async fn cacheable_unary_call(
        &self,
        _: Request<SimpleRequest>,
    ) -> Result<Response<SimpleResponse>, Status> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|before_epoch| Status::internal(before_epoch.to_string()))?;
        let mut response = Response::new(SimpleResponse {
            payload: Some(Payload {
                r#type: PayloadType::Compressable.into(),
                body: now.as_nanos().to_string().into(),
            }),
            ..SimpleResponse::default()
        });
        let max_age = tonic::metadata::MetadataValue::from_static("max-age=60, public");
        response.metadata_mut().insert(CACHE_CONTROL.as_str(), max_age);
        Ok(response)
    }

    type StreamingOutputCallStream = Outputs;

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Outputs>, Status> {
        let flags = Flags::of(request.extensions());
        let outputs = outputs(request.into_inner(), flags)?;
        Ok(Response::new(outputs.boxed()))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let flags = Flags::of(request.extensions());
        let mut requests = request.into_inner();
        let mut size = 0_usize;
        while let Some(request) = requests.message().await? {
            flags.check_received(request.expect_compressed)?;
            size += request.payload.map_or(0, |payload| payload.body.len());
        }
        let size = i32::try_from(size)
            .map_err(|_| Status::out_of_range("the payloads' sizes exceed an int32"))?;
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size: size }))
    }

    type FullDuplexCallStream = Outputs;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        let flags = Flags::of(request.extensions());
        let answers =
            request.into_inner().map(move |request| outputs(request?, flags.clone())).try_flatten();
        Ok(Response::new(answers.boxed()))
    }

    type HalfDuplexCallStream = Outputs;

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        let flags = Flags::of(request.extensions());
        let requests: Vec<_> = request.into_inner().try_collect().await?;
        let answers = stream::iter(requests)
            .map(move |request| outputs(request, flags.clone()))
            .try_flatten();
        Ok(Response::new(answers.boxed()))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("UnimplementedCall is never implemented"))
    }
}

/// The responses that one request of a stream asks for.
fn outputs(
    request: StreamingOutputCallRequest,
    flags: Flags,
) -> Result<impl Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send, Status> {
    ask_status(request.response_status)?;
    let response_type = request.response_type;
    let responses = stream::iter(request.response_parameters).then(move |parameters| {
        let flags = flags.clone();
        async move { output(response_type, parameters, &flags).await }
    });
    Ok(responses)
}

async fn output(
    response_type: i32,
    parameters: ResponseParameters,
    flags: &Flags,
) -> Result<StreamingOutputCallResponse, Status> {
    if let Ok(interval @ 1..) = u64::try_from(parameters.interval_us) {
        tokio::time::sleep(Duration::from_micros(interval)).await;
    }
    let payload = payload(response_type, parameters.size)?;
    flags.send_next(parameters.compressed);
    Ok(StreamingOutputCallResponse { payload: Some(payload) })
}

fn payload(response_type: i32, size: i32) -> Result<Payload, Status> {
    if response_type != i32::from(PayloadType::Compressable) {
        return Err(Status::invalid_argument(format!(
            "response_type {response_type} is not supported"
        )));
    }
    match usize::try_from(size) {
        Ok(size) if size <= MAX_PAYLOAD => Ok(zeros(size)),
        _ => Err(Status::invalid_argument(format!(
            "a response of {size} bytes: 0 to {MAX_PAYLOAD} are possible"
        ))),
    }
}

/// Ends the call with the status that the client asked for, if it asked for a failure.
fn ask_status(asked: Option<EchoStatus>) -> Result<(), Status> {
    match asked {
        Some(status) if status.code != 0 => {
            Err(Status::new(Code::from_i32(status.code), status.message))
        }
        _ => Ok(()),
    }
}

/// The compressed-flags of one call's messages, if the server lets handlers see them.
#[derive(Clone)]
struct Flags(Option<MessageCompression>);

impl Flags {
    fn of(extensions: &Extensions) -> Self {
        Self(extensions.get().cloned())
    }

    /// To be called once for each received message, so that flags and messages stay in step.
    fn check_received(&self, expected: Option<BoolValue>) -> Result<(), Status> {
        let Some(handle) = &self.0 else { return Ok(()) };
        let compressed = handle.next_received().unwrap_or(false);
        match expected {
            Some(BoolValue { value }) if value != compressed => Err(Status::invalid_argument(
                format!("expect_compressed is {value}, the message's flag is {compressed}"),
            )),
            _ => Ok(()),
        }
    }

    /// To be called once for each response. One that nothing is said about goes uncompressed.
    fn send_next(&self, compressed: Option<BoolValue>) {
        if let Some(handle) = &self.0 {
            handle.send_next(compressed.is_some_and(|compressed| compressed.value));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn refuses_payloads_it_cannot_make() {
        assert_eq!(payload(0, 3).unwrap().body.len(), 3);
        for (response_type, size) in [(1, 3), (0, -1), (0, i32::MAX)] {
            let refused = payload(response_type, size).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn asks_for_no_status_by_code_zero() {
        let ok = EchoStatus { code: 0, message: "ignored".into() };
        assert!(ask_status(Some(ok)).is_ok());
        assert!(ask_status(None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_before_each_response() {
        let intervals = [0, 2_000, 3_000];
        let request = StreamingOutputCallRequest {
            response_parameters: intervals
                .map(|interval_us| ResponseParameters {
                    interval_us,
                    ..ResponseParameters::default()
                })
                .to_vec(),
            ..StreamingOutputCallRequest::default()
        };
        let start = tokio::time::Instant::now();
        let responses = Interop.streaming_output_call(Request::new(request)).await;
        let elapsed = responses.unwrap().into_inner().map(|_| start.elapsed());
        let elapsed: Vec<_> = elapsed.collect().await;
        assert_eq!(elapsed, [0, 2, 5].map(Duration::from_millis));
    }

    #[test]
    fn checks_flags_in_step_with_messages() {
        assert!(Flags(None).check_received(Some(BoolValue { value: true })).is_ok());

        let flags = Flags(Some(MessageCompression::default()));
        assert!(flags.check_received(None).is_ok());
        assert!(flags.check_received(Some(BoolValue { value: false })).is_ok());
        let refused = flags.check_received(Some(BoolValue { value: true }));
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
}
