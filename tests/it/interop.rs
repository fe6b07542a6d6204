//! gRPC's interop cases against our server, through our channel.

use std::time::Duration;

use testkit::interop::client::{CASES, Soak, Target};
use testkit::interop::transport::{self, Endpoint};
use testkit::tls::TestCa;

use crate::support::ANY_PORT;

/// Every case, each bounded by its own limit.
pub(crate) async fn every_case(endpoint: Endpoint) {
    // The soaks' own limits are for measuring; here they only bound.
    let soak = Soak {
        iterations: 50,
        per_iteration_max_acceptable_latency: Duration::from_secs(60),
        overall_timeout: Duration::from_secs(120),
        ..Soak::default()
    };
    let target = Target::new(move || endpoint.connect()).unwrap().with_soak(soak);
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(error) = case.run(target.clone()).await {
            failures.push((case.name, error));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_soaks_are_among_the_cases() {
    for name in ["rpc_soak", "channel_soak"] {
        assert!(CASES.iter().any(|case| case.name == name), "{name}");
    }
}

#[tokio::test]
pub(crate) async fn every_case_passes() {
    let server = transport::serve(ANY_PORT, None).await.unwrap();
    every_case(Endpoint::plain(server.addr())).await;
}

#[tokio::test]
pub(crate) async fn every_case_passes_over_tls() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("interop", &["*.test.google.fr"]).unwrap();
    let server = transport::serve(ANY_PORT, Some(files)).await.unwrap();
    every_case(Endpoint {
        host_override: Some("foo.test.google.fr".into()),
        tls: true,
        ca_file: Some(ca.ca_file().to_owned()),
        ..Endpoint::plain(server.addr())
    })
    .await;
}
