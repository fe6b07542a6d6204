//! The program that protobuf's conformance runner starts, started as the runner does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Read;
use std::process::{Command, Stdio};

use prost::Message;
use testkit::protobuf::{self, Answer, Format, Payload, Request, Response};

/// What the program answers to each request, and that it ends by itself then.
fn answers(requests: &[Request]) -> Vec<Answer> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_protobuf-conformance"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
    let mut answers = Vec::new();
    for request in requests {
        protobuf::write(&mut input, &request.encode_to_vec()).unwrap();
        let response = protobuf::read(&mut output).unwrap().unwrap();
        answers.push(Response::decode(&*response).unwrap().result.unwrap());
    }
    drop(input);
    assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert!(program.wait().unwrap().success());
    answers
}

fn request(message: &str, payload: Payload, format: Format) -> Request {
    Request {
        payload: Some(payload),
        requested_output_format: format.into(),
        message_type: format!("protobuf_test_messages.{message}"),
        test_category: 0,
    }
}

#[test]
fn requests_of_each_kind_are_answered() {
    let json = |message, text: &str, format| {
        request(message, Payload::Json(text.as_bytes().to_vec()), format)
    };
    let wire =
        |message, wire: &[u8], format| request(message, Payload::Protobuf(wire.to_vec()), format);
    let proto3 = "proto3.TestAllTypesProto3";
    let unknown = Request {
        test_category: 3,
        ..json(proto3, r#"{"nope":1,"optionalBool":true}"#, Format::Protobuf)
    };
    let failures = Request {
        message_type: "conformance.FailureSet".into(),
        ..wire(proto3, &[], Format::Protobuf)
    };
    let requests = [
        failures,
        json(
            proto3,
            r#"{"FieldName8":1,"optionalTimestamp":"1970-01-01T00:00:01Z"}"#,
            Format::Protobuf,
        ),
        wire(proto3, &[0x08, 5, 0xc0, 0x9c, 1, 7], Format::Json),
        wire("proto2.TestAllTypesProto2", &[0xcb, 0x0c, 0xd0, 0x0c, 1, 0xcc, 0x0c], Format::Json),
        wire("editions.TestAllTypesEdition2023", &[0xd3, 0x0c, 0xd4, 0x0c], Format::Json),
        unknown,
        json(proto3, "{", Format::Json),
        wire(proto3, &[0x08], Format::Protobuf),
        wire(proto3, &[0xfa, 18, 4, 0x0a, 2, b'a', b'B'], Format::Json),
        wire(proto3, &[], Format::Text),
        request(proto3, Payload::Text(Vec::new()), Format::Json),
        json("no.Such", "{}", Format::Json),
    ];
    let answers = answers(&requests);
    let text = |text: &str| Answer::Json(text.as_bytes().to_vec());
    assert_eq!(answers[0], Answer::Protobuf(Vec::new()));
    assert_eq!(answers[1], Answer::Protobuf(vec![0xc0, 0x19, 1, 0xf2, 0x12, 2, 0x08, 1]));
    assert_eq!(answers[2], text(r#"{"optionalInt32":5}"#));
    assert_eq!(answers[3], text(r#"{"data":{"groupInt32":1}}"#));
    assert_eq!(answers[4], text(r#"{"delimitedField":{}}"#));
    assert_eq!(answers[5], Answer::Protobuf(vec![0x68, 1]));
    assert!(matches!(answers[6], Answer::ParseError(_)));
    assert!(matches!(answers[7], Answer::ParseError(_)));
    assert!(matches!(&answers[8], Answer::SerializeError(_)), "{:?}", answers[8]);
    assert!(answers[9..].iter().all(|answer| matches!(answer, Answer::Skipped(_))));
}
