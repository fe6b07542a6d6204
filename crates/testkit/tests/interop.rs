//! The interop service and its cases, against each other and against peers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use testkit::interop::client::{CASES, Case, CaseError, Soak, Target};
use testkit::interop::proto::test_service_client::TestServiceClient;
use testkit::interop::proto::{ResponseParameters, SimpleRequest, StreamingOutputCallRequest};
use testkit::interop::transport::{self, Endpoint};
use testkit::tls::TestCa;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::service_fn;

const LOCALHOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A target whose soaks do not mind a slow machine.
fn target(endpoint: Endpoint) -> Target {
    let patient = Soak {
        per_iteration_max_acceptable_latency: Duration::from_secs(60),
        overall_timeout: Duration::from_secs(60),
        ..Soak::default()
    };
    Target::new(move || endpoint.connect()).unwrap().with_soak(patient)
}

/// A peer that ends every call at once, with this status.
fn answering(status: Status) -> Target {
    Target::new(move || {
        let status = status.clone();
        Ok::<_, Infallible>(service_fn(move |_: Request<Body>| {
            let response: Response<Body> = status.clone().into_http();
            async move { Ok::<_, Infallible>(response) }
        }))
    })
    .unwrap()
}

async fn failures(target: &Target) -> Vec<(&'static str, CaseError)> {
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(error) = case.run(target.clone()).await {
            failures.push((case.name, error));
        }
    }
    failures
}

#[tokio::test]
async fn every_case_passes() {
    let server = transport::serve(LOCALHOST, None).await.unwrap();
    let target = target(Endpoint::plain(server.addr()));
    let failures = failures(&target).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn every_case_passes_over_tls() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("interop", &["*.test.google.fr"]).unwrap();
    let server = transport::serve(LOCALHOST, Some(files)).await.unwrap();
    let target = target(Endpoint {
        host_override: Some("foo.test.google.fr".into()),
        tls: true,
        ca_file: Some(ca.ca_file().to_owned()),
        ..Endpoint::plain(server.addr())
    });
    let failures = failures(&target).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn a_stranger_to_the_authority_is_refused() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("interop", &["localhost"]).unwrap();
    let server = transport::serve(LOCALHOST, Some(files)).await.unwrap();
    let target = target(Endpoint {
        host_override: Some("localhost".into()),
        tls: true,
        ca_file: Some(TestCa::new().unwrap().ca_file().to_owned()),
        ..Endpoint::plain(server.addr())
    });
    let refused = Case::named("empty_unary").unwrap().run(target).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn cases_fail_when_the_peer_has_no_such_service() {
    let target = answering(Status::unimplemented("no such service"));
    let failed = failures(&target).await;
    let passed = CASES.len() - failed.len();
    assert_eq!(passed, 2, "only the two unimplemented cases pass: {failed:#?}");
}

#[tokio::test]
async fn cases_fail_when_the_peer_says_nothing() {
    let target = answering(Status::ok(""));
    let failed = failures(&target).await;
    let failed: Vec<_> = failed.into_iter().map(|(name, _)| name).collect();
    let passed: Vec<_> =
        CASES.iter().map(|case| case.name).filter(|name| !failed.contains(name)).collect();
    assert_eq!(passed, ["empty_stream"]);
}

#[tokio::test]
async fn the_deadline_case_tells_the_codes_apart() {
    let case = Case::named("timeout_on_sleeping_server").unwrap();
    case.run(answering(Status::deadline_exceeded("late"))).await.unwrap();
    case.run(answering(Status::cancelled("late"))).await.unwrap_err();
}

#[tokio::test]
async fn a_soak_counts_failures_and_slow_calls() {
    let server = transport::serve(LOCALHOST, None).await.unwrap();
    let slow = Soak {
        per_iteration_max_acceptable_latency: Duration::ZERO,
        iterations: 3,
        ..Soak::default()
    };
    let soak = Case::named("rpc_soak").unwrap();
    let target = target(Endpoint::plain(server.addr()));
    match soak.run(target.clone().with_soak(slow)).await {
        Err(CaseError::Soak { failed, run, .. }) => assert_eq!((failed, run), (3, 3)),
        other => panic!("{other:?}"),
    }
    let lenient = Soak { max_failures: 3, ..slow };
    soak.run(target.with_soak(lenient)).await.unwrap();
}

#[tokio::test]
async fn half_duplex_answers_once_the_client_is_done() {
    let server = transport::serve(LOCALHOST, None).await.unwrap();
    let channel = Endpoint::plain(server.addr()).connect().unwrap();
    let requests = [3, 5].map(|size| StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size, ..ResponseParameters::default() }],
        ..StreamingOutputCallRequest::default()
    });
    let mut responses = TestServiceClient::new(channel)
        .half_duplex_call(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let mut sizes = Vec::new();
    while let Some(response) = responses.message().await.unwrap() {
        sizes.push(response.payload.unwrap().body.len());
    }
    assert_eq!(sizes, [3, 5]);
}

#[tokio::test]
async fn a_cacheable_answer_says_so() {
    let server = transport::serve(LOCALHOST, None).await.unwrap();
    let channel = Endpoint::plain(server.addr()).connect().unwrap();
    let response = TestServiceClient::new(channel)
        .cacheable_unary_call(SimpleRequest::default())
        .await
        .unwrap();
    let cache_control = response.metadata().get("cache-control").unwrap();
    assert_eq!(cache_control, "max-age=60, public");
    let time = response.into_inner().payload.unwrap().body;
    assert!(time.iter().all(u8::is_ascii_digit));
}

#[tokio::test]
async fn metadata_is_echoed_with_a_failure_too() {
    let server = transport::serve(LOCALHOST, None).await.unwrap();
    let channel = Endpoint::plain(server.addr()).connect().unwrap();
    let mut request =
        tonic::Request::new(SimpleRequest { response_size: -1, ..SimpleRequest::default() });
    let value = tonic::metadata::MetadataValue::from_bytes(&[1, 2]);
    let key = "x-grpc-test-echo-trailing-bin";
    request.metadata_mut().insert_bin(key, value.clone());
    let status = TestServiceClient::new(channel).unary_call(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.metadata().get_bin(key), Some(&value));
}
