#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use ahoy::Channel;
use ahoy::server::{Running, ServerSettings};
use ahoy::telemetry::Metrics;
use examples::compare::in_full;
use examples::misfit;
use futures_util::StreamExt;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::server;
use crate::call::codec::DynamicCodec;
use crate::folder::Folder;

const CONTRACT: &str = r#"
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
service Shop {
  rpc Get(GetRequest) returns (Order);
  rpc List(GetRequest) returns (stream Order);
  rpc Sum(stream Order) returns (Order);
  rpc Talk(stream Order) returns (stream Order);
}
message GetRequest { string id = 1 [(buf.validate.field).string.max_len = 8]; }
message Order {
  option (buf.validate.message).cel = {id: "known", expression: "{'a': 1}[this.id == '?' ? '?' : 'a'] == 1"};
  string id = 1; uint32 count = 2 [(buf.validate.field).uint32.lte = 5]; string email = 3; }
"#;

const EXAMPLES: &str = r#"
examples:
  - {name: found, method: Get, request: {id: a}, response: {id: a, count: 1}}
  - name: missing
    method: Get
    request: {id: b}
    status:
      code: NOT_FOUND
      message: no b
      details: [{"@type": type.googleapis.com/google.rpc.ErrorInfo, reason: GONE}]
  - {name: rows, method: List, request: {id: a}, responses: [{id: "1"}, {id: "2"}], status: ABORTED, delay: 1ms}
  - {name: sum, method: Sum, requests: [{count: 1}, {count: 2}], response: {count: 3}}
  - {name: fails, method: Talk, requests: [{id: a}, {id: b}, {id: c}], responses: [{id: A}, {id: B}], status: DATA_LOSS}
  - {name: pairs, method: Talk, requests: [{id: x}, {id: y}], responses: [{id: X}, {id: Y}]}
  - {name: late, method: Talk, requests: [{id: l}], responses: [{id: one}, {id: two}]}
"#;

struct Mock {
    folder: TempDir,
    pool: DescriptorPool,
    _running: Running,
    channel: Channel,
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

async fn start(seed: u64) -> Mock {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "shop/v1/shop.proto", CONTRACT);
    write(folder.path(), "shop/v1/shop.examples.yaml", EXAMPLES);
    let loaded = Folder::load(folder.path(), &[]).unwrap();
    assert_eq!(loaded.services, ["shop.v1.Shop"]);
    let listen = ([127, 0, 0, 1], 0).into();
    let settings = ServerSettings { listen, admin: None, workers: 1, ..ServerSettings::default() };
    let server = server(&loaded, seed).unwrap().settings(settings).metrics(Metrics::new());
    let running = server.start().await.unwrap();
    let channel = Channel::new(format!("http://{}", running.addr())).unwrap();
    Mock { folder, pool: loaded.pool, _running: running, channel }
}

impl Mock {
    fn message(&self, name: &str, json: &Value) -> DynamicMessage {
        misfit::message(&self.pool.get_message_by_name(name).unwrap(), json).unwrap()
    }

    /// Calls, and gives the example that answered, its answers, and how it ended.
    async fn call(
        &self,
        method: &str,
        requests: &[Value],
        wanted: Option<&'static str>,
    ) -> (String, Vec<Value>, Status) {
        let service = self.pool.get_service_by_name("shop.v1.Shop").unwrap();
        let method = service.methods().find(|m| m.name() == method).unwrap();
        let input = method.input().full_name().to_owned();
        let requests: Vec<_> = requests.iter().map(|json| self.message(&input, json)).collect();
        let mut request = Request::new(tokio_stream::iter(requests));
        if let Some(name) = wanted {
            request.metadata_mut().insert("x-example", name.parse().unwrap());
        }
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let Ok(()) = client.ready().await;
        let path = examples::path_of(&method).parse().unwrap();
        let codec = DynamicCodec::new(method.output());
        let response = match client.streaming(request, path, codec).await {
            Ok(response) => response,
            Err(status) => return (String::new(), Vec::new(), status),
        };
        let told = |metadata: &MetadataMap| {
            metadata.get("x-example").map(|name| name.to_str().unwrap().to_owned())
        };
        let name = told(response.metadata()).unwrap_or_default();
        let mut answers = Vec::new();
        let mut stream = response.into_inner();
        let status = loop {
            match stream.next().await {
                None => break Status::ok(""),
                Some(Ok(answer)) => answers.push(in_full(&answer)),
                Some(Err(status)) => break status,
            }
        };
        (name, answers, status)
    }
}

fn ids(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_example_answers_what_fits_it() {
    let mock = start(0).await;
    let (name, answers, status) = mock.call("Get", &[json!({"id": "a"})], None).await;
    assert_eq!((name.as_str(), status.code()), ("found", Code::Ok));
    assert_eq!(answers, [json!({"id": "a", "count": 1, "email": ""})]);

    let (_, _, status) = mock.call("Get", &[json!({"id": "b"})], None).await;
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no b"));
    assert_eq!(status.get_details_error_info().unwrap().reason, "GONE");

    let (name, answers, status) = mock.call("List", &[json!({"id": "a"})], None).await;
    assert_eq!(
        (name.as_str(), ids(&answers), status.code()),
        ("rows", vec!["1", "2"], Code::Aborted)
    );

    let (name, answers, _) =
        mock.call("Sum", &[json!({"count": 1}), json!({"count": 2})], None).await;
    assert_eq!((name.as_str(), &answers[0]["count"]), ("sum", &json!(3)));
}

#[tokio::test]
async fn an_example_is_chosen_by_its_name() {
    let mock = start(0).await;
    let (name, answers, _) = mock.call("Get", &[json!({"id": "b"})], Some("found")).await;
    assert_eq!((name.as_str(), ids(&answers)), ("found", vec!["a"]));
    let (_, _, status) = mock.call("Get", &[json!({"id": "b"})], Some("rows")).await;
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("it has found, missing"), "{status:?}");
}

#[tokio::test]
async fn conversations_follow_examples() {
    let mock = start(0).await;
    let said = |ids: &[&str]| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>();
    let (_, answers, status) = mock.call("Talk", &said(&["a", "b", "c"]), None).await;
    assert_eq!((ids(&answers), status.code()), (vec!["A", "B"], Code::DataLoss));
    // In another order, each by itself.
    let (_, answers, status) = mock.call("Talk", &said(&["y", "x", "y"]), None).await;
    assert_eq!((ids(&answers), status.code()), (vec!["Y", "X", "Y"], Code::Ok));
    // What is left comes at the half-close.
    let (_, answers, _) = mock.call("Talk", &said(&["l"]), None).await;
    assert_eq!(ids(&answers), ["one", "two"]);
    // Unknown, and made up.
    let (_, answers, _) = mock.call("Talk", &said(&["q", "r"]), None).await;
    assert_eq!(ids(&answers), ["q", "r"]);
}

#[tokio::test]
async fn a_conversation_is_answered_as_it_goes() {
    let mock = start(0).await;
    let method = "/shop.v1.Shop/Talk".parse().unwrap();
    let order = mock.pool.get_message_by_name("shop.v1.Order").unwrap();
    let (sender, receiver) = mpsc::channel(1);
    let mut client = tonic::client::Grpc::new(mock.channel.clone());
    let Ok(()) = client.ready().await;
    let request = Request::new(ReceiverStream::new(receiver));
    let stream = client.streaming(request, method, DynamicCodec::new(order)).await.unwrap();
    let mut stream = stream.into_inner();
    for (id, answer) in [("x", "X"), ("y", "Y")] {
        sender.send(mock.message("shop.v1.Order", &json!({"id": id}))).await.unwrap();
        let said = stream.message().await.unwrap().unwrap();
        assert_eq!(in_full(&said)["id"], answer);
    }
    drop(sender);
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test]
async fn without_an_example_answers_are_made_up_and_stay_the_same() {
    let (mock, other) = (start(1).await, start(2).await);
    let asked = [json!({"id": "z-9"})];
    let (name, first, _) = mock.call("Get", &asked, None).await;
    let (_, again, _) = mock.call("Get", &asked, None).await;
    let (_, differently, _) = other.call("Get", &asked, None).await;
    assert_eq!(name, "made-up");
    assert_eq!(first, again);
    assert_ne!(first, differently);
    // What was asked for is in the answer, and the rest is likely and within the rules.
    assert_eq!(first[0]["id"], "z-9");
    assert!(first[0]["count"].as_u64().unwrap() <= 5, "{first:?}");
    assert!(first[0]["email"].as_str().unwrap().ends_with("@example.com"));
    let (_, rows, _) = mock.call("List", &asked, None).await;
    assert_eq!(rows.len(), 3);
    assert_ne!(rows[0], rows[1]);
}

#[tokio::test]
async fn a_mock_keeps_the_rules_of_its_contract() {
    let mock = start(0).await;
    let (_, _, status) = mock.call("Get", &[json!({"id": "much too long"})], None).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "id");
    // What cannot be evaluated is not the caller's fault, and not its business.
    let (_, _, status) = mock.call("Sum", &[json!({"id": "?"})], None).await;
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    assert_eq!(status.message(), "a rule of the contract cannot be evaluated");
}

/// Rules and routes are read when the server starts, and then told with their lines.
#[tokio::test]
async fn what_a_server_refuses_is_told_with_its_place() {
    let service = |option: &str| {
        format!(
            "service S {{\n  rpc R(M) returns (M) {{\n    {option}\n  }}\n}}\nmessage M {{\n  string a = 1"
        )
    };
    let imports = "syntax = \"proto3\";\nimport \"buf/validate/validate.proto\"; import \"google/api/annotations.proto\";\n";
    let rule = " [(buf.validate.field).cel = {id: \"x\", expression: \"this.b\"}]";
    for (contract, told) in [
        (service("") + rule + ";\n}", "a.proto:9: the rules of M.a: the expression \"this.b\""),
        (
            service("option (google.api.http) = {get: \"/{b}\"};") + ";\n}",
            "a.proto:5: (google.api.http) of S.R: /{b}: M has no field `b`",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        write(folder.path(), "a.proto", &format!("{imports}{contract}"));
        let loaded = Folder::load(folder.path(), &[]).unwrap();
        let settings = ServerSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            admin: None,
            ..ServerSettings::default()
        };
        let started =
            server(&loaded, 0).unwrap().settings(settings).metrics(Metrics::new()).start();
        let error = anyhow::Error::from(started.await.map(drop).unwrap_err());
        assert!(format!("{error:#}").contains(told), "{error:#}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_folder_is_told_with_its_place() {
    let mock = start(0).await;
    let folder = mock.folder.path();
    let load = || Folder::load(folder, &[]).map(drop).map_err(|error| format!("{error:#}"));
    write(folder, "shop/v1/shop.examples.yaml", "examples:\n  - {name: a, method: Got}\n");
    assert!(load().unwrap_err().contains("shop/v1/shop.examples.yaml:2:23: "), "{:?}", load());
    write(folder, "shop/v1/shop.examples.yaml", "");
    load().unwrap();
    write(folder, "shop/v1/more.proto", "syntax = \"proto3\";\nmessage {}\n");
    assert!(load().unwrap_err().starts_with("shop/v1/more.proto:2:9: "), "{:?}", load());
    write(folder, "shop/v1/more.proto", "syntax = \"proto3\";\nmessage A {\n");
    assert!(load().unwrap_err().starts_with("shop/v1/more.proto: "), "{:?}", load());
    let options = "import \"google/protobuf/empty.proto\";\nservice S { rpc R(google.protobuf.Empty) returns (google.protobuf.Empty) {\n option (google.api.http) = {get: \"/a\"}; } }";
    write(folder, "shop/v1/more.proto", &format!("syntax = \"proto3\";\n{options}"));
    assert!(
        load().unwrap_err().contains("import \"google/api/annotations.proto\";"),
        "{:?}",
        load()
    );
    let empty = TempDir::new().unwrap();
    let error = Folder::load(empty.path(), &[]).map(drop).unwrap_err();
    assert!(error.to_string().contains("no .proto file"), "{error}");
}
