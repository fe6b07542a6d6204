//! The cases of the Connect conformance suite, with our client against our server: every protocol,
//! version of HTTP, codec and compression. The suite's own runner and peers test each half against
//! halves that are not ours; the lists here say what must not break on the way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cases;
mod expect;
mod unexpected;

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use testkit::conformance::server::Serving;
use testkit::conformance::{client, proto};
use testkit::tls::TestCa;

use cases::Case;
use proto::{Codec, Compression, HttpVersion, Protocol, StreamType};

/// One way of making calls.
#[derive(Clone, Copy, Debug)]
struct Way {
    version: HttpVersion,
    protocol: Protocol,
    codec: Codec,
    compression: Compression,
}

impl Way {
    /// Every way that there is: gRPC needs HTTP/2.
    fn all() -> Vec<Self> {
        let mut ways = Vec::new();
        for version in [HttpVersion::HttpVersion1, HttpVersion::HttpVersion2] {
            for protocol in [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb] {
                for codec in [Codec::Proto, Codec::Json] {
                    for compression in [Compression::Identity, Compression::Gzip, Compression::Zstd]
                    {
                        if protocol != Protocol::Grpc || version == HttpVersion::HttpVersion2 {
                            ways.push(Self { version, protocol, codec, compression });
                        }
                    }
                }
            }
        }
        ways
    }

    fn can(&self, case: &Case) -> bool {
        let request = &case.request;
        let both_ways = matches!(
            request.stream_type(),
            StreamType::HalfDuplexBidiStream | StreamType::FullDuplexBidiStream
        );
        if both_ways && self.version == HttpVersion::HttpVersion1 {
            return false;
        }
        // Sizes are those of protobuf.
        if request.message_receive_limit > 0 && self.codec != Codec::Proto {
            return false;
        }
        !request.use_get_http_method || self.protocol == Protocol::Connect
    }
}

struct Certificates {
    server: Vec<u8>,
    client: Option<proto::TlsCreds>,
}

/// Makes every call, several at a time, and lists what went wrong.
async fn run(serving: &Serving, certificates: &Certificates, ways: &[Way], cases: &[Case]) {
    let at = serving.response();
    let calls = ways.iter().flat_map(|way| {
        let at = &at;
        cases.iter().filter(|case| way.can(case)).map(move |case| {
            let mut request = case.request.clone();
            request.test_name = format!("{way:?} {}", case.name);
            request.set_http_version(way.version);
            request.set_protocol(way.protocol);
            request.set_codec(way.codec);
            request.set_compression(way.compression);
            request.host = at.host.clone();
            request.port = at.port;
            request.server_tls_cert = certificates.server.clone().into();
            request.client_tls_creds = certificates.client.clone();
            async move {
                let response = client::run(request.clone()).await;
                let wrong = expect::check(case, &request, response);
                wrong.map(|wrong| format!("{}: {wrong}", request.test_name))
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    let count = calls.len();
    assert!(count > 0);
    let wrong: Vec<_> = stream::iter(calls)
        .buffer_unordered(16)
        .filter_map(|wrong| async { wrong })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

fn plain() -> Certificates {
    Certificates { server: Vec::new(), client: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_in_every_way() {
    let serving = Serving::start(&proto::ServerCompatRequest::default()).await.unwrap();
    run(&serving, &plain(), &Way::all(), &cases::all()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_holds_requests_to_its_limit() {
    let limit = cases::LIMIT as u32;
    let request = proto::ServerCompatRequest { message_receive_limit: limit, ..Default::default() };
    let serving = Serving::start(&request).await.unwrap();
    run(&serving, &plain(), &Way::all(), &cases::server_limits()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls() {
    let request = proto::ServerCompatRequest { use_tls: true, ..Default::default() };
    let serving = Serving::start(&request).await.unwrap();
    let server = serving.response().pem_cert.to_vec();
    let certificates = Certificates { server, client: None };
    run(&serving, &certificates, &Way::all(), &cases::basic()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_certificates_on_both_sides() {
    let ca = Arc::new(TestCa::new().unwrap());
    let files = ca.issue_client("client", &["conformance"]).unwrap();
    let request = proto::ServerCompatRequest {
        use_tls: true,
        client_tls_cert: ca.ca_pem().into(),
        ..Default::default()
    };
    let serving = Serving::start(&request).await.unwrap();
    let client = proto::TlsCreds {
        cert: std::fs::read(files.cert).unwrap().into(),
        key: std::fs::read(files.key).unwrap().into(),
    };
    let server = serving.response().pem_cert.to_vec();
    let certificates = Certificates { server, client: Some(client) };
    run(&serving, &certificates, &Way::all(), &cases::basic()).await;
}
