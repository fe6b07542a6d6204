#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use ahoy::server::{Running, ServerSettings};
use clap::Parser;
use tempfile::TempDir;

use super::{TestArgs, test};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: TestArgs,
}

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

async fn greeter() -> Running {
    let listen = ([127, 0, 0, 1], 0).into();
    let settings = ServerSettings { listen, admin: None, workers: 1, ..ServerSettings::default() };
    let server = greeter::server().metrics(ahoy::telemetry::Metrics::new());
    server.settings(settings).start().await.unwrap()
}

async fn run(server: &Running, proto: &Path, more: &[&str]) -> anyhow::Result<(bool, String)> {
    let address = server.addr().to_string();
    let proto = proto.to_str().unwrap();
    let line = ["test", &address, "--proto", proto].into_iter().chain(more.iter().copied());
    let args = Cli::try_parse_from(line).unwrap().args;
    let mut out = Vec::new();
    let well = test(&args, &mut out, false).await?;
    Ok((well, String::from_utf8(out).unwrap()))
}

/// A copy of the contracts whose examples of hello are these.
fn contracts_with(examples: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let hello = folder.path().join("hello/v1");
    fs::create_dir_all(&hello).unwrap();
    fs::copy(contracts().join("hello/v1/hello.proto"), hello.join("hello.proto")).unwrap();
    fs::write(hello.join("hello.examples.yaml"), examples).unwrap();
    folder
}

#[tokio::test]
async fn a_service_that_does_what_its_examples_say_passes() {
    let server = greeter().await;
    let (well, told) = run(&server, &contracts(), &[]).await.unwrap();
    assert!(well, "{told}");
    assert!(told.contains("pass hello.v1.HelloService/SayHello hello-in-french"), "{told}");
    assert!(told.contains("world.v1.WorldService is not served"), "{told}");
    assert!(told.contains(" 0 failed"), "{told}");

    let (_, told) =
        run(&server, &contracts(), &["--filter", "Chat/chat", "--quiet"]).await.unwrap();
    assert_eq!(told, "2 passed, 0 failed, 0 skipped\n");
}

#[tokio::test]
async fn what_differs_is_told_by_its_place() {
    let folder = contracts_with(
        r#"
examples:
  - {name: wrong, method: SayHello, request: {name: Ada}, response: {greeting: "Hello, <Ben>!"}}
  - {name: status, method: SayHello, request: {language: tlh}, response: {}}
  - {name: ok, method: SayHello, status: {code: NOT_FOUND}}
  - name: details
    method: SayHello
    request: {language: tlh}
    status:
      code: INVALID_ARGUMENT
      message: no
      details: [{"@type": google.rpc.BadRequest, fieldViolations: [{field: name}]}]
  - name: short
    method: SayHelloManyTimes
    request: {name: Ada, count: 2}
    responses: [{greeting: "Hello, Ada!", sequence: 1}]
  - name: partial
    method: SayHelloManyTimes
    request: {name: Ada, count: 2}
    compare: partial
    responses: [{sequence: 1}, {sequence: 2}]
"#,
    );
    let server = greeter().await;
    let junit = folder.path().join("junit.xml");
    let more = ["--junit", junit.to_str().unwrap()];
    let (well, told) = run(&server, folder.path(), &more).await.unwrap();
    assert!(!well);
    for part in [
        "FAIL hello.v1.HelloService/SayHello wrong hello/v1/hello.examples.yaml:3\n     response.greeting\n       - \"Hello, <Ben>!\"\n       + \"Hello, Ada!\"\n",
        "     status.code\n       - OK\n       + INVALID_ARGUMENT: language: not a known",
        "     status.code\n       - NOT_FOUND\n       + OK\n",
        "     status.message\n       - \"no\"\n",
        "     status.details[0]\n",
        "     responses[1]\n       - nothing\n       + {\"greeting\":\"Hello, Ada!\",\"sequence\":2}\n",
        "pass hello.v1.HelloService/SayHelloManyTimes partial",
        "\n1 passed, 5 failed, 0 skipped\n",
    ] {
        assert!(told.contains(part), "{part}\nis not in\n{told}");
    }
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains(r#"tests="6" failures="5" errors="0" skipped="0""#), "{xml}");
    assert!(xml.contains("- &quot;Hello, &lt;Ben&gt;!&quot;\n"), "{xml}");
}

#[tokio::test]
async fn what_cannot_be_tested_is_an_error() {
    let server = greeter().await;
    let told = |error: anyhow::Error| format!("{error:#}");
    let none = run(&server, &contracts(), &["--filter", "no-such"]).await.map_err(told);
    assert!(none.unwrap_err().contains("no such examples"));
    let world = run(&server, &contracts(), &["--filter", "WorldService"]).await.map_err(told);
    assert!(world.unwrap_err().contains("serves none"));
    let wrong = contracts_with("examples: [{name: a, method: SayHello, response: {a: 1}}]");
    let wrong = run(&server, wrong.path(), &[]).await.map_err(told);
    assert!(wrong.unwrap_err().contains("hello.examples.yaml:1:51"), "wrong place");
}
