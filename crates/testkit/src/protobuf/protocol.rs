//! What the runner asks and is told: `conformance/conformance.proto` of the protobuf project.

use formats::json::{self, ReadOptions, WriteOptions};
use formats::{Schema, wire};

/// `conformance.ConformanceRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// The message to read, in one of the formats.
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    pub payload: Option<Payload>,
    /// What to write it as.
    #[prost(enumeration = "Format", tag = "3")]
    pub requested_output_format: i32,
    /// Its full name.
    #[prost(string, tag = "4")]
    pub message_type: String,
    /// What the test is about.
    #[prost(int32, tag = "5")]
    pub test_category: i32,
}

/// The message to read.
#[allow(missing_docs)]
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    // A string in the contract, but some of the tests are about what is no UTF-8.
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

/// `conformance.WireFormat`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
pub enum Format {
    Unspecified = 0,
    Protobuf = 1,
    Json = 2,
    Jspb = 3,
    Text = 4,
}

/// The category whose tests have JSON fields that nobody knows.
const JSON_IGNORE_UNKNOWN: i32 = 3;

/// `conformance.ConformanceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Response {
    /// One of many.
    #[prost(oneof = "Answer", tags = "1, 6, 2, 3, 4, 5")]
    pub result: Option<Answer>,
}

/// What became of it.
#[allow(missing_docs)]
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Answer {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Json(Vec<u8>),
    #[prost(string, tag = "5")]
    Skipped(String),
}

pub(super) fn answer(schema: &Schema, request: Request) -> Response {
    Response { result: Some(transcode(schema, request)) }
}

fn transcode(schema: &Schema, request: Request) -> Answer {
    // The first request, which asks for the failures that are expected: there are none.
    if request.message_type == "conformance.FailureSet" {
        return Answer::Protobuf(Vec::new());
    }
    let Some(message) = schema.message(&request.message_type) else {
        return Answer::Skipped(format!("no message {}", request.message_type));
    };
    let wire = match request.payload {
        Some(Payload::Protobuf(wire)) => {
            let mut read = Vec::new();
            if let Err(error) = wire::normalize(&message, &wire, &mut read) {
                return Answer::ParseError(error.to_string());
            }
            read
        }
        Some(Payload::Json(json)) => {
            let ignore_unknown = request.test_category == JSON_IGNORE_UNKNOWN;
            let options = ReadOptions { ignore_unknown, ..Default::default() };
            let mut wire = Vec::new();
            if let Err(error) = json::to_wire(&message, &json, &options, &mut wire) {
                return Answer::ParseError(error.to_string());
            }
            wire
        }
        Some(Payload::Jspb(_) | Payload::Text(_)) => {
            return Answer::Skipped("only protobuf and JSON are read".into());
        }
        None => return Answer::RuntimeError("the request has no payload".into()),
    };
    match Format::try_from(request.requested_output_format) {
        Ok(Format::Protobuf) => Answer::Protobuf(wire),
        Ok(Format::Json) => {
            let mut json = Vec::new();
            match json::from_wire(&message, &wire, &WriteOptions::default(), &mut json) {
                Ok(()) => Answer::Json(json),
                Err(error) => Answer::SerializeError(error.to_string()),
            }
        }
        _ => Answer::Skipped("only protobuf and JSON are written".into()),
    }
}
