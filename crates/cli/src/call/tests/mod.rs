//! The command against a real server, without a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod server;

use std::ffi::OsStr;
use std::io::{self, Write};

use ahoy::server::ServerTls;
use clap::Parser;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use testkit::tls::{CertFiles, TestCa};
use tokio::io::{self as aio, AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{CallArgs, Io, describe};
pub(crate) use server::contract;
use server::{LARGE, Offer, Server, proto_folder, start, start_other};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    call: CallArgs,
}

#[derive(Debug)]
struct Outcome {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Outcome {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    #[track_caller]
    fn fails(self, code: u8) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}

async fn run_with(
    address: &str,
    args: &[&str],
    stdin: impl AsyncRead + Unpin,
    stdout: impl Write,
) -> (u8, String) {
    let line = [&["ahoy call", address], args].concat();
    let mut stderr = Vec::new();
    let io = Io {
        stdin,
        stdout,
        stderr: &mut stderr,
        stdin_is_terminal: false,
        stdout_is_terminal: false,
        colour: false,
    };
    let code = super::run(Cli::try_parse_from(line).unwrap().call, io).await;
    (code, String::from_utf8(stderr).unwrap())
}

async fn run(address: &str, args: &[&str], stdin: &str) -> Outcome {
    let mut stdout = Vec::new();
    let (code, stderr) = run_with(address, args, stdin.as_bytes(), &mut stdout).await;
    Outcome { code, stdout: String::from_utf8(stdout).unwrap(), stderr }
}

impl Server {
    async fn ahoy(&self, args: &[&str]) -> Outcome {
        run(&self.address, args, "").await
    }
}

#[tokio::test]
async fn lists_services_and_methods() {
    const METHODS: &str = "Place     unary             Order -> Receipt\n\
        PlaceAll  client-streaming  Order -> Receipt\n\
        Watch     server-streaming  Order -> Receipt\n\
        Chat      bidirectional     Order -> Receipt\n";
    for (server, plumbing) in [
        (
            start(None).await,
            "grpc.health.v1.Health\ngrpc.reflection.v1.ServerReflection\n\
             grpc.reflection.v1alpha.ServerReflection\n",
        ),
        (start_other(Offer::V1).await, "grpc.reflection.v1.ServerReflection\n"),
        (start_other(Offer::V1Alpha).await, "grpc.reflection.v1alpha.ServerReflection\n"),
    ] {
        assert_eq!(
            server.ahoy(&["list"]).await.ok(),
            format!("shop.v1.OrderService\nshop.v1.StockService\n{plumbing}")
        );
        assert_eq!(server.ahoy(&["list", "OrderService"]).await.ok(), METHODS);
        let indented: String = METHODS.lines().map(|line| format!("  {line}\n")).collect();
        assert_eq!(
            server.ahoy(&["list", "--pretty"]).await.ok(),
            format!(
                "shop.v1.OrderService\n{indented}shop.v1.StockService\n  \
                 Watch  server-streaming  Item -> Item\n  \
                 Count  unary             Item -> Item\n{plumbing}"
            )
        );
        let described = server.ahoy(&["describe"]).await.ok();
        assert!(described.contains("service StockService {"), "{described}");
        assert!(!described.contains("ServerReflection"), "{described}");
    }
}

#[tokio::test]
async fn describes_as_the_contract_has_it() {
    let server = start(None).await;
    let method = server.ahoy(&["describe", "OrderService/Place"]).await.ok();
    for part in [
        "// shop/v1/shop.proto\npackage shop.v1;\n\n// Takes orders.\nservice OrderService {\n  // Places one order.\n  //\n  // Needs a customer.\n  rpc Place(Order) returns (Receipt) {\n    option idempotency_level = NO_SIDE_EFFECTS;\n",
        "// What a customer wants.\nmessage Order {\n  reserved 9, 20 to 29;\n  reserved \"old\";\n  // Who pays.\n",
        "  map<string, Item> by_sku = 3;\n  State state = 4;  // Set by the server.\n  google.protobuf.Timestamp placed = 5;\n  optional int64 total_cents = 6;\n",
        "  // How it is paid.\n  oneof payment {\n    string card = 7;\n    string iban = 8;\n  }\n  repeated Order parts = 10 [deprecated = true];\n}\n",
        "message Receipt {\n",
        "// Order as JSON:\n{\n  \"customer\": \"\",\n  \"items\": [\n    {\n      \"sku\": \"\",\n",
    ] {
        assert!(method.contains(part), "{part}\nis not in\n{method}");
    }
    let state = server.ahoy(&["describe", "State"]).await.ok();
    assert!(
        state.ends_with(
            "enum State {\n  STATE_UNSPECIFIED = 0;\n  // The money is here.\n  STATE_PAID = 1;\n}\n"
        ),
        "{state}"
    );
    let unknown = server.ahoy(&["describe", "Odrer"]).await.fails(2);
    assert!(unknown.contains("did you mean shop.v1.Order"), "{unknown}");
}

#[tokio::test]
async fn works_from_files_without_reflection() {
    let server = start_other(Offer::Nothing).await;
    let refused = server.ahoy(&["list"]).await.fails(1);
    assert!(refused.contains("--proto"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");

    let folder = proto_folder().to_str().unwrap();
    let file = proto_folder().join("shop/v1/shop.proto");
    let types = ["--proto", file.to_str().unwrap(), "-I", folder];
    let args = |rest: &[&'static str]| [&types[..], rest].concat();
    let services = server.ahoy(&args(&["list"])).await.ok();
    assert_eq!(services, "shop.v1.OrderService\nshop.v1.StockService\n");
    let placed = server.ahoy(&args(&["Place", "-d", r#"{"customer": "Ada"}"#])).await.ok();
    assert_eq!(placed, "{\"text\":\"for Ada\"}\n");
    let method = server.ahoy(&args(&["describe", "Place"])).await.ok();
    for part in [
        "    option (shop.v1.route) = {\n      get: \"/v1/orders\"\n",
        "string customer = 1 [(shop.v1.secret) = true];",
    ] {
        assert!(method.contains(part), "{part}\nis not in\n{method}");
    }
    let missing = server.ahoy(&["--proto", "none.proto", "list"]).await;
    assert!(missing.fails(2).contains("none.proto"));
}

#[tokio::test]
async fn calls_by_any_name() {
    let server = start(None).await;
    let data = r#"{"customer": "Ada", "items": [{"sku": "a"}, {"sku": "b"}]}"#;
    for name in [
        "shop.v1.OrderService/Place",
        "/shop.v1.OrderService/Place",
        "shop.v1.OrderService.Place",
        "OrderService/Place",
        "OrderService.Place",
        "Place",
    ] {
        let answer = server.ahoy(&[name, "-d", data]).await.ok();
        assert_eq!(answer, "{\"text\":\"for Ada\",\"orders\":2}\n", "{name}");
    }
    for (name, hint) in [
        ("Watch", "Watch may mean shop.v1.OrderService/Watch or shop.v1.StockService/Watch"),
        ("Palce", "did you mean Place?"),
        ("OrderService/Plaec", "did you mean Place?"),
        ("OrdreService/Place", "did you mean shop.v1.OrderService?"),
        ("OrderService", "is a service; call one of its methods: Place, PlaceAll"),
        ("Order/Place", "did you mean shop.v1.OrderService?"),
        (
            "no.such.Thing/Do",
            "no service no.such.Thing; there are shop.v1.OrderService, shop.v1.StockService",
        ),
    ] {
        let error = server.ahoy(&[name]).await.fails(2);
        assert!(error.contains(hint), "{name}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn messages_come_from_the_command_line_stdin_or_a_file() {
    let server = start(None).await;
    let order = r#"{"customer": "Ada"}"#;
    let piped = run(&server.address, &["Place", "-d", "@"], order).await;
    assert_eq!(piped.ok(), "{\"text\":\"for Ada\"}\n");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "{} {}\n{\"customer\": \"Ada\"}").unwrap();
    let at_file = format!("@{}", file.path().display());
    let all = server.ahoy(&["PlaceAll", "-d", &at_file]).await.ok();
    assert_eq!(all, "{\"text\":\"all\",\"orders\":3}\n");
    let all = run(&server.address, &["PlaceAll"], "{}{}").await.ok();
    assert_eq!(all, "{\"text\":\"all\",\"orders\":2}\n");

    let watched = server.ahoy(&["OrderService/Watch"]).await.ok();
    assert_eq!(watched.lines().count(), 3);
    assert_eq!(watched.lines().next(), Some(r#"{"text":"watched","orders":1}"#));

    let two = server.ahoy(&["Place", "-d", "{}{}"]).await.fails(2);
    assert!(two.contains("takes one message, and 2 are given"), "{two}");
    let bare = server.ahoy(&["Place", "-d", "{customer: Ada}"]).await.fails(2);
    assert!(bare.contains("single quotes"), "{bare}");
    let wrong = server.ahoy(&["Place", "-d", r#"{"customr": ""}"#]).await;
    assert!(wrong.fails(2).contains("did you mean customer?"));
    // The first is sent and answered; the second is wrong and ends the call without a half-close.
    let late = run(&server.address, &["PlaceAll"], "{} {\"x\": 1}").await;
    assert!(late.fails(2).contains("has no field \"x\""));
}

/// Hands each line that is written to a test.
struct Lines(mpsc::UnboundedSender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_bidirectional_call_is_a_conversation() {
    let server = start(None).await;
    let (mut keyboard, stdin) = tokio::io::duplex(64);
    let (lines, mut screen) = mpsc::unbounded_channel::<String>();
    let talk = async {
        for name in ["Ada", "Grace"] {
            let order = format!("{{\"customer\":\n\"{name}\"}}");
            keyboard.write_all(order.as_bytes()).await.unwrap();
            // The answer comes before anything more is typed.
            let mut answer = String::new();
            while !answer.ends_with('\n') {
                answer += &screen.recv().await.unwrap();
            }
            assert!(answer.contains(&format!("for {name}")), "{answer}");
        }
        drop(keyboard);
    };
    let (ended, ()) = tokio::join!(run_with(&server.address, &["Chat"], stdin, Lines(lines)), talk);
    assert_eq!(ended.0, 0, "{}", ended.1);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_call_quietly() {
    let server = start(None).await;
    let (lines, screen) = mpsc::unbounded_channel();
    drop(screen);
    let args = ["OrderService/Watch"];
    let ended = run_with(&server.address, &args, io::Cursor::new(""), Lines(lines)).await;
    assert_eq!(ended, (0, String::new()));
}

#[tokio::test]
async fn a_status_is_shown_with_its_details_and_is_the_exit_code() {
    let server = start(None).await;
    let error = server.ahoy(&["Place"]).await.fails(64 + 3);
    assert_eq!(
        error,
        "error: INVALID_ARGUMENT (3): no customer\n  \
         google.rpc.BadRequest\n    {\n      \"fieldViolations\": [\n        {\n          \
         \"field\": \"customer\",\n          \"description\": \"must not be empty\"\n        }\n      ]\n    }\n  \
         google.rpc.ResourceInfo\n    {\n      \"resourceType\": \"shop.v1.Order\",\n      \
         \"resourceName\": \"none\"\n    }\n  \
         shop.v1.Item\n    {\n      \"sku\": \"x\"\n    }\n"
    );
    let data = r#"{"customer": "never"}"#;
    let late = server.ahoy(&["Place", "-d", data, "--deadline", "30ms"]).await;
    assert!(late.fails(64 + 4).starts_with("error: DEADLINE_EXCEEDED (4): "));
}

#[tokio::test]
async fn headers_and_deadline_reach_the_server() {
    let server = start(None).await;
    let data = r#"{"customer": "headers"}"#;
    let args = ["Place", "-d", data, "-H", "X-Caller: test", "-H", "x-bin: AQI="];
    let seen = server.ahoy(&args).await.ok();
    assert!(seen.contains(r#"Some(\"test\") Some(b\"\\x01\\x02\")"#), "{seen}");
    let data = r#"{"customer": "deadline"}"#;
    let seen = server.ahoy(&["Place", "-d", data, "--deadline", "30s"]).await.ok();
    assert!(seen.contains("30000000u"), "{seen}");
    let wrong = server.ahoy(&["Place", "-H", "no colon"]).await.fails(2);
    assert!(wrong.contains("no colon"), "{wrong}");
}

#[tokio::test]
async fn packed_messages_are_shown_where_anyone_knows_them() {
    let server = start(None).await;
    let packed = server.ahoy(&["Place", "-d", r#"{"customer": "packed"}"#]).await;
    assert!(packed.stderr.contains("nobody.knows.It"), "{}", packed.stderr);
    assert_eq!(
        packed.ok(),
        "{\"orders\":2,\"extra\":[{\"@type\":\"type.googleapis.com/shop.v1.Parcel\",\"label\":\"x\"}]}\n"
    );
}

#[tokio::test]
async fn output_can_be_indented_and_complete_and_explained() {
    let server = start(None).await;
    let data = r#"{"customer": "Ada"}"#;
    let args = ["Place", "-d", data, "--emit-defaults", "--pretty", "-v"];
    let outcome = server.ahoy(&args).await;
    for part in [
        "connected to",
        "types from grpc.reflection.v1 in",
        "< content-type: application/grpc",
        "OK; messages received: 1",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    assert_eq!(outcome.ok(), "{\n  \"text\": \"for Ada\",\n  \"orders\": 0,\n  \"extra\": []\n}\n");
}

#[tokio::test]
async fn tls_is_verified_and_its_absence_explained() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("server", &["localhost"]).unwrap();
    let server = start(Some(ServerTls::new(files.cert, files.key))).await;
    let address = format!("https://{}", server.address);
    let ca = ca.ca_file().to_str().unwrap();

    let trusted = ["--cacert", ca, "--server-name", "localhost", "list"];
    assert!(run(&address, &trusted, "").await.ok().contains("shop.v1"));
    let insecure = run(&address, &["--insecure", "list"], "").await;
    assert!(insecure.ok().contains("shop.v1"));
    let misnamed = run(&address, &["--cacert", ca, "list"], "").await.fails(1);
    assert!(misnamed.contains("not trusted"), "{misnamed}");
    let plain = server.ahoy(&["list"]).await.fails(1);
    assert!(plain.contains(&format!("try https://{}", server.address)), "{plain}");
    let missing = run(&address, &["--cacert", "none.pem", "list"], "").await.fails(2);
    assert!(missing.contains("none.pem"), "{missing}");

    let server = start(None).await;
    let address = format!("https://{}", server.address);
    let no_tls = run(&address, &["--insecure", "list"], "").await.fails(1);
    assert!(no_tls.contains("try http://"), "{no_tls}");
    let unused = server.ahoy(&["--insecure", "list"]).await.fails(2);
    assert!(unused.contains("write https://"), "{unused}");
    for error in [misnamed, plain, missing, no_tls, unused] {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let ca = TestCa::new().unwrap();
    let files = ca.issue_server("server", &["localhost", "127.0.0.1"]).unwrap();
    let server = start(Some(ServerTls {
        client_ca: Some(ca.ca_file().to_owned()),
        ..ServerTls::new(files.cert, files.key)
    }))
    .await;
    let address = format!("https://{}", server.address);
    let trusted = ca.ca_file().to_str().unwrap();
    let with = async |files: &CertFiles| {
        let (cert, key) = (files.cert.to_str().unwrap(), files.key.to_str().unwrap());
        run(&address, &["--cacert", trusted, "--cert", cert, "--key", key, "list"], "").await
    };

    let ours = ca.issue_client("client", &["ada"]).unwrap();
    assert!(with(&ours).await.ok().contains("shop.v1"));
    let none = run(&address, &["--cacert", trusted, "list"], "").await.fails(1);
    assert!(none.contains("does it ask for a certificate (--cert, --key)?"), "{none}");
    let other = TestCa::new().unwrap();
    let refused = with(&other.issue_client("client", &["eve"]).unwrap()).await.fails(1);
    assert!(refused.contains("does it trust the certificate of --cert?"), "{refused}");
    let another = ca.issue_client("another", &["grace"]).unwrap();
    let mismatch = with(&CertFiles { key: another.key, ..ours }).await.fails(2);
    assert!(mismatch.contains("does not belong to the certificate"), "{mismatch}");
    for error in [none, refused, mismatch] {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_server_is_explained() {
    for (says, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "speaks HTTP/1.1"),
        (b"220 mail ready\r\n", "does not speak HTTP/2"),
        // A TLS alert: decode_error.
        (b"\x15\x03\x03\0\x02\x02\x32", "the server wants TLS; try https://127.0.0.1"),
        (b"", "said anything; if the server wants TLS, try https://127.0.0.1"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let speak = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut heard = [0; 1024];
            assert!(peer.read(&mut heard).await.unwrap() > 0);
            peer.write_all(says).await.unwrap();
            peer.shutdown().await.unwrap();
            // Closed with something unread, the connection would be reset.
            while peer.read(&mut heard).await.is_ok_and(|read| read > 0) {}
        };
        let (ended, ()) = tokio::join!(run(&address, &["list"], ""), speak);
        let error = ended.fails(1);
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn compressed_answers_are_read() {
    let server = start(None).await;
    for encoding in ["gzip", "zstd"] {
        let header = format!("x-reply: {encoding}");
        let args = ["Place", "-d", r#"{"customer": "long"}"#, "-H", &header];
        let outcome = server.ahoy(&args).await;
        assert_eq!(outcome.ok(), format!("{{\"text\":\"{}\"}}\n", "ahoy ".repeat(1000)));
    }
}

#[tokio::test]
async fn a_large_answer_is_taken() {
    let server = start(None).await;
    let answer = server.ahoy(&["Place", "-d", r#"{"customer": "large"}"#]).await.ok();
    assert_eq!(answer.len(), LARGE + "{\"text\":\"\"}\n".len());
}

#[tokio::test]
async fn colours_are_for_terminals_without_no_color() {
    let server = start(None).await;
    let coloured = async |colour| {
        let mut stderr = Vec::new();
        let io = Io {
            stdin: aio::empty(),
            stdout: io::sink(),
            stderr: &mut stderr,
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            colour,
        };
        let cli = Cli::try_parse_from(["ahoy call", &server.address, "Place", "-v"]).unwrap();
        super::run(cli.call, io).await;
        String::from_utf8(stderr).unwrap().contains('\x1b')
    };
    for (is_terminal, no_color, expected) in
        [(true, None, true), (true, Some(""), true), (true, Some("1"), false), (false, None, false)]
    {
        let colour = super::wants_colour(is_terminal, no_color.map(OsStr::new));
        assert_eq!(coloured(colour).await, expected, "{is_terminal} {no_color:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_line() {
    // Bound and dropped, so that nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(
        run(&address, &["list"], "").await.fails(1),
        format!(
            "error: cannot connect to {address}: connection refused; is the server running, and is this its port?\n"
        )
    );
    assert!(run("localhost", &["list"], "").await.fails(2).contains("no port"));
    assert!(run("localhost:70000", &["list"], "").await.fails(2).contains("65535"));
}

#[test]
fn every_example_is_a_message() {
    for message in contract().all_messages() {
        if message.full_name().starts_with("google.protobuf.") || message.is_map_entry() {
            continue;
        }
        let sample = describe::sample(&message, 4);
        let every_field = SerializeOptions::new().skip_default_fields(false);
        let json =
            sample.serialize_with_options(serde_json::value::Serializer, &every_field).unwrap();
        let read = DynamicMessage::deserialize(sample.descriptor(), &json).unwrap();
        assert_eq!(read.encode_to_vec(), sample.encode_to_vec(), "{}", message.full_name());
    }
}
