//! Makes the call of an example, and compares how it went.

use std::time::Duration;

use ahoy::Channel;
use examples::compare::{Difference, contains, differences, in_full};
use examples::misfit::{Path, Step};
use examples::status::code_name;
use examples::{Compare, Example};
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use tonic_types::pb;

use super::Mismatch;
use crate::call::codec::DynamicCodec;
use crate::call::connect::MAX_ANSWER_BYTES;

/// The most answers of a stream that are kept: more than any example has.
const MAX_ANSWERS: usize = 100_000;

/// How a call went.
struct Went {
    answers: Vec<DynamicMessage>,
    status: Status,
}

/// What is not as the example says; nothing if all is.
pub(super) async fn check(
    example: &Example,
    channel: Channel,
    metadata: &MetadataMap,
    deadline: Duration,
) -> Vec<Mismatch> {
    let went = make(example, channel, metadata, deadline).await;
    let mut mismatches = Vec::new();
    check_status(example, &went.status, &mut mismatches);
    let expected = example.expected_responses();
    for at in 0..expected.len().max(went.answers.len()) {
        let several = example.method.is_server_streaming();
        let place = if several { format!("responses[{at}]") } else { "response".to_owned() };
        match (expected.get(at), went.answers.get(at).map(in_full)) {
            (Some(expected), Some(actual)) => {
                let found = differences(expected, &actual, example.compare);
                mismatches.extend(found.into_iter().map(|difference| at_place(&place, difference)));
            }
            (expected, actual) => mismatches.push(Mismatch {
                place,
                expected: expected.map(Value::to_string),
                actual: actual.map(|actual| actual.to_string()),
            }),
        }
    }
    mismatches
}

fn at_place(place: &str, Difference { path, expected, actual }: Difference) -> Mismatch {
    let dot = if matches!(path, Path(ref steps) if matches!(steps.first(), Some(Step::Field(_)))) {
        "."
    } else {
        ""
    };
    Mismatch {
        place: format!("{place}{dot}{path}"),
        expected: expected.map(|value| value.to_string()),
        actual: actual.map(|value| value.to_string()),
    }
}

fn check_status(example: &Example, actual: &Status, mismatches: &mut Vec<Mismatch>) {
    let expected = &example.status;
    let code = actual.code() as i32;
    if code != expected.code {
        let message = if code == 0 { String::new() } else { format!(": {}", actual.message()) };
        mismatches.push(Mismatch {
            place: "status.code".to_owned(),
            expected: Some(expected.code_name().to_owned()),
            actual: Some(format!("{}{message}", code_name(code))),
        });
        return;
    }
    if let Some(message) = &expected.message
        && message != actual.message()
    {
        mismatches.push(Mismatch {
            place: "status.message".to_owned(),
            expected: Some(format!("{message:?}")),
            actual: Some(format!("{:?}", actual.message())),
        });
    }
    let details = details(actual, example);
    for (at, expected) in expected.details.iter().enumerate() {
        // Fields that the example does not name are not compared.
        if !details.iter().any(|actual| contains(actual, &plain_type(expected))) {
            let list = details.iter().map(Value::to_string).collect::<Vec<_>>();
            mismatches.push(Mismatch {
                place: format!("status.details[{at}]"),
                expected: Some(expected.to_string()),
                actual: (!list.is_empty()).then(|| list.join(", ")),
            });
        }
    }
}

/// The details of a status as JSON, each with its type.
fn details(status: &Status, example: &Example) -> Vec<Value> {
    let packed = pb::Status::decode(status.details()).unwrap_or_default();
    let usual = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    let contracts = example.method.parent_pool();
    let decoded = packed.details.iter().map(|detail| {
        let name = detail.type_url.rsplit('/').next().unwrap_or_default();
        let descriptor =
            contracts.get_message_by_name(name).or_else(|| usual.get_message_by_name(name));
        let message = descriptor.and_then(|descriptor| {
            DynamicMessage::decode(descriptor, detail.value.as_slice()).ok()
        });
        let mut json =
            message.map_or_else(|| Value::Object(serde_json::Map::new()), |m| in_full(&m));
        if let Some(members) = json.as_object_mut() {
            members.insert("@type".to_owned(), name.into());
        }
        json
    });
    decoded.collect()
}

/// A detail whose type has no host before it.
fn plain_type(detail: &Value) -> Value {
    let mut detail = detail.clone();
    if let Some(url) = detail.get("@type").and_then(Value::as_str) {
        let name = url.rsplit('/').next().unwrap_or(url).to_owned();
        if let Some(members) = detail.as_object_mut() {
            members.insert("@type".to_owned(), name.into());
        }
    }
    detail
}

async fn make(
    example: &Example,
    channel: Channel,
    metadata: &MetadataMap,
    deadline: Duration,
) -> Went {
    let mut answers = Vec::new();
    let status = match exchange(example, channel, metadata, deadline, &mut answers).await {
        Ok(()) => Status::ok(""),
        Err(status) => status,
    };
    Went { answers, status }
}

async fn exchange(
    example: &Example,
    channel: Channel,
    metadata: &MetadataMap,
    deadline: Duration,
    answers: &mut Vec<DynamicMessage>,
) -> Result<(), Status> {
    let path: PathAndQuery =
        example.path().parse().map_err(|_| Status::internal("the method's name is no path"))?;
    let mut request = Request::new(tokio_stream::iter(example.request_messages().to_vec()));
    *request.metadata_mut() = metadata.clone();
    request.set_timeout(deadline);
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let Ok(()) = client.ready().await;
    let codec = DynamicCodec::new(example.method.output());
    let mut stream = client.streaming(request, path, codec).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        if answers.len() >= MAX_ANSWERS {
            return Err(Status::resource_exhausted(format!("more than {MAX_ANSWERS} answers")));
        }
        answers.push(answer);
    }
    let exact = example.compare == Compare::Exact || !example.responses.is_empty();
    if answers.is_empty() && !example.method.is_server_streaming() && exact {
        return Err(Status::internal("the server sent OK, but no message"));
    }
    Ok(())
}
