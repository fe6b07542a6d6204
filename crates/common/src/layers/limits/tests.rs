#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::HealthReporter;
use tower::ServiceBuilder;
use tower::util::MapRequest;

use super::{LimitedBody, MessageLimitLayer};
use crate::protocol::frame::{Direction, header};

fn message(len: usize) -> Vec<u8> {
    let mut message = header(false, len as u32).to_vec();
    message.resize(message.len() + len, 7);
    message
}

type Frames = Vec<Result<Frame<Bytes>, Infallible>>;

fn limited(
    chunks: &[&[u8]],
    direction: Direction,
) -> LimitedBody<StreamBody<stream::Iter<<Frames as IntoIterator>::IntoIter>>> {
    let frames: Frames =
        chunks.iter().map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    LimitedBody::new(StreamBody::new(stream::iter(frames)), 100, direction)
}

#[tokio::test]
async fn what_is_within_the_limit_passes() {
    let wire = [message(100), message(0), message(99)].concat();
    for at in 0..=wire.len() {
        let body = limited(&[&wire[..at], &wire[at..]], Direction::Request);
        assert_eq!(body.collect().await.unwrap().to_bytes(), wire);
    }
}

#[tokio::test]
async fn what_comes_before_a_long_message_passes() {
    let wire = [message(100), message(101)].concat();
    for at in 0..=wire.len() {
        let mut body = limited(&[&wire[..at], &wire[at..]], Direction::Request);
        let mut passed = Vec::new();
        let status = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => passed.extend_from_slice(&frame.into_data().unwrap()),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "received message of 101 bytes, over the limit of 100");
        assert!(passed.len() >= 105 && passed.len() < 110);
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn a_response_ends_with_trailers() {
    let body = limited(&[&message(101)], Direction::Response);
    let collected = body.collect().await.unwrap();
    let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(collected.to_bytes().is_empty());
}

#[tokio::test]
async fn trailers_that_cut_a_message_off_are_internal_unless_they_say_more() {
    for (trailers, at, code) in [
        (vec![("grpc-status", "0")], 7, Code::Internal),
        (vec![], 7, Code::Internal),
        (vec![("grpc-status", "5")], 7, Code::NotFound),
        (vec![("grpc-status", "0")], 15, Code::Ok),
    ] {
        let trailers = trailers.into_iter().map(|(name, value)| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let frames: Frames = vec![
            Ok(Frame::data(Bytes::from(message(10)[..at].to_vec()))),
            Ok(Frame::trailers(trailers.collect())),
        ];
        let body = StreamBody::new(stream::iter(frames));
        let body = LimitedBody::new(body, 100, Direction::Response);
        let collected = body.collect().await.unwrap();
        assert_eq!(crate::status::code_of(collected.trailers().unwrap()), Some(code));
    }
}

#[tokio::test]
async fn an_unknown_flag_is_internal() {
    let mut body = limited(&[&[9, 0, 0, 0, 0]], Direction::Request);
    let status = body.frame().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

#[tokio::test]
async fn a_client_of_generated_code_sees_the_status() {
    let (reporter, health): (HealthReporter, _) = tonic_health::server::health_reporter();
    let name = "n".repeat(60);
    reporter.set_service_status(&name, ServingStatus::Serving).await;
    let service = ServiceBuilder::new().layer(MessageLimitLayer::new(100)).service(
        MapRequest::new(health, |request: http::Request<LimitedBody<tonic::body::Body>>| {
            request.map(tonic::body::Body::new)
        }),
    );
    let mut client = HealthClient::new(service);

    client.check(HealthCheckRequest { service: name }).await.unwrap();
    let service = "n".repeat(200);
    let status = client.check(HealthCheckRequest { service }).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "received message of 203 bytes, over the limit of 100");
}
