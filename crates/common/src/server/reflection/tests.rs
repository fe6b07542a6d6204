#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use prost::Message;
use prost_reflect::{DescriptorPool, Value};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic_reflection::pb::v1::ExtensionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1alpha;

use super::*;

const FILES: [(&str, &str); 4] = [
    (
        "note.proto",
        r#"
        syntax = "proto2";
        package note;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.MethodOptions { optional string note = 50001; }
        message Base { extensions 100 to 200; }
        message Holder { extend Base { optional int32 inner = 110; } }
        extend Base { optional int32 outer = 105; }
        "#,
    ),
    ("money.proto", r#"syntax = "proto3"; package shop; message Money { int64 cents = 1; }"#),
    (
        "item.proto",
        r#"
        syntax = "proto3";
        package shop;
        import "money.proto";
        message Item {
            enum Kind { KIND_UNSPECIFIED = 0; }
            message Size { oneof unit { int32 metres = 1; } }
            Money price = 1;
            Kind kind = 2;
        }
        "#,
    ),
    (
        "shop.proto",
        r#"
        syntax = "proto3";
        package shop;
        import "note.proto";
        import "item.proto";
        import "money.proto";
        service Shop {
            rpc Buy(Item) returns (Money) { option (note.note) = "survives"; }
        }
        "#,
    ),
];

fn descriptors() -> Bytes {
    let dir = tempfile::TempDir::new().unwrap();
    for (name, text) in FILES {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut compiler = protox::Compiler::new([dir.path()]).unwrap();
    compiler.include_imports(true).open_file("shop.proto").unwrap();
    compiler.encode_file_descriptor_set().into()
}

fn reflection() -> Reflection {
    let services = ["shop.Shop", "grpc.health.v1.Health", "shop.Shop"];
    Reflection::new([descriptors()], services.map(str::to_owned)).unwrap()
}

/// Asks everything on one stream, and gives the answers.
async fn ask(
    reflection: &Reflection,
    questions: impl IntoIterator<Item = MessageRequest>,
) -> Vec<MessageResponse> {
    let requests: Vec<_> = questions
        .into_iter()
        .map(|question| ServerReflectionRequest {
            host: "here".to_owned(),
            message_request: Some(question),
        })
        .collect();
    let answers = ServerReflectionClient::new(reflection.v1())
        .server_reflection_info(tokio_stream::iter(requests.clone()))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    assert_eq!(answers.len(), requests.len());
    let answers = answers.into_iter().zip(requests).map(|(answer, request)| {
        let answer = answer.unwrap();
        assert_eq!((answer.valid_host.as_str(), answer.original_request), ("here", Some(request)));
        answer.message_response.unwrap()
    });
    answers.collect()
}

async fn ask_one(reflection: &Reflection, question: MessageRequest) -> MessageResponse {
    ask(reflection, [question]).await.remove(0)
}

fn file(name: &str) -> MessageRequest {
    MessageRequest::FileByFilename(name.to_owned())
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

fn extension(message: &str, number: i32) -> MessageRequest {
    MessageRequest::FileContainingExtension(ExtensionRequest {
        containing_type: message.to_owned(),
        extension_number: number,
    })
}

fn bytes(answer: &MessageResponse) -> &[Vec<u8>] {
    match answer {
        MessageResponse::FileDescriptorResponse(files) => &files.file_descriptor_proto,
        other => panic!("{other:?}"),
    }
}

fn names(answer: &MessageResponse) -> Vec<String> {
    let files = bytes(answer).iter();
    files.map(|file| FileDescriptorProto::decode(&file[..]).unwrap().name.unwrap()).collect()
}

fn code(answer: &MessageResponse) -> Code {
    match answer {
        MessageResponse::ErrorResponse(error) => error.error_code.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_with_a_full_name_is_found() {
    let reflection = reflection();
    for (name, file) in [
        ("shop.Shop", "shop.proto"),
        ("shop.Shop.Buy", "shop.proto"),
        ("shop.Item", "item.proto"),
        ("shop.Item.price", "item.proto"),
        ("shop.Item.Kind", "item.proto"),
        ("shop.Item.KIND_UNSPECIFIED", "item.proto"),
        ("shop.Item.Size", "item.proto"),
        ("shop.Item.Size.unit", "item.proto"),
        ("note.outer", "note.proto"),
        ("note.Holder.inner", "note.proto"),
        ("grpc.health.v1.Health.List", "grpc/health/v1/health.proto"),
        ("grpc.reflection.v1.ServerReflection", "reflection_v1.proto"),
        ("grpc.reflection.v1alpha.ServerReflection", "reflection_v1alpha.proto"),
        ("google.rpc.Status", "status.proto"),
        ("google.rpc.BadRequest.FieldViolation", "error_details.proto"),
    ] {
        assert_eq!(names(&ask_one(&reflection, symbol(name)).await)[0], file, "{name}");
    }
}

#[tokio::test]
async fn files_come_with_their_imports_once_a_stream() {
    let questions = [file("item.proto"), symbol("shop.Shop"), file("money.proto")];
    let answers = ask(&reflection(), questions).await;
    assert_eq!(names(&answers[0]), ["item.proto", "money.proto"]);
    assert_eq!(
        names(&answers[1]),
        ["shop.proto", "note.proto", "google/protobuf/descriptor.proto"]
    );
    assert_eq!(names(&answers[2]), ["money.proto"], "what is asked for comes again");
}

#[tokio::test]
async fn custom_options_survive() {
    let answer = ask_one(&reflection(), file("shop.proto")).await;
    let mut pool = DescriptorPool::new();
    // Imports come after the files that need them; a pool takes them in one go.
    let set: Vec<u8> = bytes(&answer).iter().flat_map(|file| prefixed(file)).collect();
    pool.decode_file_descriptor_set(&set[..]).unwrap();
    let note = pool.get_extension_by_name("note.note").unwrap();
    let method = pool.get_service_by_name("shop.Shop").unwrap().methods().next().unwrap();
    let options = method.options();
    assert_eq!(options.get_extension(&note).as_ref(), &Value::String("survives".to_owned()));
}

/// A file as a field of a set.
fn prefixed(file: &[u8]) -> Vec<u8> {
    let mut field = vec![0x0a];
    prost::encoding::encode_varint(file.len() as u64, &mut field);
    field.extend_from_slice(file);
    field
}

#[tokio::test]
async fn extensions_are_found_by_number() {
    let reflection = reflection();
    let base = "note.Base";
    let numbers = MessageRequest::AllExtensionNumbersOfType;
    let answers = ask(
        &reflection,
        [
            extension(base, 105),
            extension(base, 110),
            extension("google.protobuf.MethodOptions", 50001),
            extension(base, 106),
            numbers(base.to_owned()),
            numbers("shop.Money".to_owned()),
            numbers("shop.Nothing".to_owned()),
        ],
    )
    .await;
    for answer in &answers[..3] {
        assert_eq!(names(answer)[0], "note.proto");
    }
    assert_eq!(code(&answers[3]), Code::NotFound);
    let found = |name: &str, numbers: &[i32]| {
        MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
            base_type_name: name.to_owned(),
            extension_number: numbers.to_vec(),
        })
    };
    assert_eq!(answers[4], found(base, &[105, 110]));
    assert_eq!(answers[5], found("shop.Money", &[]));
    assert_eq!(code(&answers[6]), Code::NotFound);
}

#[tokio::test]
async fn only_what_is_served_is_listed() {
    let answer = ask_one(&reflection(), MessageRequest::ListServices(String::new())).await;
    let service = ["grpc.health.v1.Health", "shop.Shop"]
        .map(|name| ServiceResponse { name: name.to_owned() })
        .to_vec();
    assert_eq!(answer, MessageResponse::ListServicesResponse(ListServiceResponse { service }));
}

#[tokio::test]
async fn what_is_unknown_does_not_end_the_stream() {
    let questions = [file("none.proto"), symbol("shop.None"), symbol(""), file("money.proto")];
    let answers = ask(&reflection(), questions).await;
    for answer in &answers[..3] {
        assert_eq!(code(answer), Code::NotFound);
    }
    assert_eq!(names(&answers[3]), ["money.proto"]);

    let empty = tokio_stream::iter([ServerReflectionRequest::default()]);
    let mut client = ServerReflectionClient::new(reflection().v1());
    let mut stream = client.server_reflection_info(empty).await.unwrap().into_inner();
    let answer = stream.message().await.unwrap().unwrap().message_response.unwrap();
    assert_eq!(code(&answer), Code::InvalidArgument);
}

#[tokio::test]
async fn v1alpha_answers_alike() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let question = MessageRequest::FileContainingSymbol("shop.Money".to_owned());
    let request =
        v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(reflection().v1alpha());
    let mut stream = client
        .server_reflection_info(tokio_stream::iter([request.clone()]))
        .await
        .unwrap()
        .into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    assert_eq!(answer.original_request, Some(request));
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        panic!("no files");
    };
    let file = FileDescriptorProto::decode(&files.file_descriptor_proto[0][..]).unwrap();
    assert_eq!(file.name(), "money.proto");
}

#[tokio::test]
async fn the_first_of_two_files_with_one_name_counts() {
    let of_package = |package: &str| {
        let file = FileDescriptorProto {
            name: Some("money.proto".to_owned()),
            package: Some(package.to_owned()),
            ..FileDescriptorProto::default()
        };
        Bytes::from(FileDescriptorSet { file: vec![file] }.encode_to_vec())
    };
    let reflection = Reflection::new([of_package("first"), of_package("second")], []).unwrap();
    let answer = ask_one(&reflection, file("money.proto")).await;
    let found = FileDescriptorProto::decode(&bytes(&answer)[0][..]).unwrap();
    assert_eq!(found.package(), "first");
}

#[test]
fn broken_sets_are_refused_with_a_reason() {
    let whole = descriptors();
    let refused =
        |bytes: Bytes| Reflection::new([whole.clone(), bytes], []).unwrap_err().to_string();
    let no_set = "descriptor set 2 is not an encoded FileDescriptorSet";
    assert_eq!(refused(Bytes::from_static(b"\x07")), no_set);
    assert_eq!(
        refused(whole.slice(..whole.len() - 1)),
        "descriptor set 2 is cut off within its file 5"
    );
    assert_eq!(
        refused(Bytes::from_static(b"\x0a\x01\xff")),
        "file 1 of descriptor set 2 is not an encoded FileDescriptorProto"
    );
    assert_eq!(
        refused(prefixed(b"").into()),
        "file 1 of descriptor set 2 is broken: it has no name"
    );
    let nameless = FileDescriptorProto {
        name: Some("x.proto".to_owned()),
        enum_type: vec![prost_types::EnumDescriptorProto::default()],
        ..FileDescriptorProto::default()
    };
    assert_eq!(
        refused(prefixed(&nameless.encode_to_vec()).into()),
        "file 1 of descriptor set 2 is broken: an enum has no name"
    );
}
