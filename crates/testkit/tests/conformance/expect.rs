//! What a call is to bring, by the suite's rules.

use bytes::Bytes;
use prost::Message;
use testkit::conformance::proto;

use crate::cases::{Case, Expected};
use proto::client_compat_response::Result as Outcome;
use proto::conformance_payload::RequestInfo;
use proto::unary_response_definition::Response;
use proto::{ClientCompatRequest, ClientResponseResult, Header, StreamType};

/// What is wrong with a result, if anything is.
pub(crate) fn check(
    case: &Case,
    request: &ClientCompatRequest,
    response: proto::ClientCompatResponse,
) -> Option<String> {
    let result = match response.result {
        Some(Outcome::Response(result)) => result,
        other => return Some(format!("no result: {other:?}")),
    };
    let checked = match &case.expected {
        Expected::AsAsked => as_asked(request, &result),
        Expected::Fails(code, after) => {
            let found = result.error.as_ref().map(proto::Error::code);
            let count = result.payloads.len();
            match found == Some(*code) && count == *after {
                true => Ok(()),
                false => {
                    Err(format!("expected {code:?} after {after}, got {found:?} after {count}"))
                }
            }
        }
    };
    checked.err().map(|wrong| format!("{wrong}\n{result:?}"))
}

/// How a server answers, whatever the kind of the call.
#[derive(Default)]
struct Asked {
    headers: Vec<Header>,
    trailers: Vec<Header>,
    data: Vec<Bytes>,
    error: Option<proto::Error>,
}

impl Asked {
    fn of(request: &ClientCompatRequest) -> Self {
        let first = request.request_messages.first().map(|any| any.value.as_slice());
        let first = first.unwrap_or_default();
        let single = matches!(request.stream_type(), StreamType::Unary | StreamType::ClientStream);
        if single {
            let definition = proto::UnaryRequest::decode(first).unwrap().response_definition;
            let definition = definition.unwrap_or_default();
            let (data, error) = match definition.response {
                Some(Response::ResponseData(data)) => (vec![data], None),
                Some(Response::Error(error)) => (Vec::new(), Some(error)),
                None => (vec![Bytes::new()], None),
            };
            let (headers, trailers) = (definition.response_headers, definition.response_trailers);
            return Self { headers, trailers, data, error };
        }
        let definition = match request.stream_type() {
            StreamType::ServerStream => {
                proto::ServerStreamRequest::decode(first).unwrap().response_definition
            }
            _ => proto::BidiStreamRequest::decode(first).unwrap().response_definition,
        };
        let definition = definition.unwrap_or_default();
        Self {
            headers: definition.response_headers,
            trailers: definition.response_trailers,
            data: definition.response_data,
            error: definition.error,
        }
    }
}

fn as_asked(request: &ClientCompatRequest, result: &ClientResponseResult) -> Result<(), String> {
    let asked = Asked::of(request);
    contains("headers", &asked.headers, &result.response_headers)?;
    contains("trailers", &asked.trailers, &result.response_trailers)?;
    let data: Vec<_> = result.payloads.iter().map(|payload| &payload.data).collect();
    if data != asked.data.iter().collect::<Vec<_>>() {
        return Err(format!("{} payloads instead of {}", data.len(), asked.data.len()));
    }
    let full_duplex = request.stream_type() == StreamType::FullDuplexBidiStream;
    for (n, payload) in result.payloads.iter().enumerate() {
        let requests = match (full_duplex, n) {
            (true, _) => &request.request_messages[n..=n],
            (false, 0) => &request.request_messages,
            (false, _) => &[],
        };
        let info = payload.request_info.clone().unwrap_or_default();
        check_info(request, &info, requests, n == 0)?;
    }
    let Some(wanted) = asked.error else {
        return match &result.error {
            None => Ok(()),
            Some(error) => Err(format!("failed: {error:?}")),
        };
    };
    let error = result.error.as_ref().ok_or("did not fail")?;
    if (error.code(), error.message()) != (wanted.code(), wanted.message()) {
        return Err(format!("failed with {error:?}"));
    }
    // An error that nothing comes before tells what came.
    let count = wanted.details.len() + usize::from(asked.data.is_empty());
    if error.details.len() != count || !error.details.starts_with(&wanted.details) {
        return Err(format!("other details: {:?}", error.details));
    }
    if asked.data.is_empty() {
        let info = RequestInfo::decode(&*error.details[count - 1].value).unwrap();
        let requests = match full_duplex {
            true => &request.request_messages[..1],
            false => &request.request_messages,
        };
        check_info(request, &info, requests, true)?;
    }
    Ok(())
}

fn check_info(
    request: &ClientCompatRequest,
    info: &RequestInfo,
    requests: &[prost_types::Any],
    first: bool,
) -> Result<(), String> {
    if first {
        contains("request headers", &request.request_headers, &info.request_headers)?;
        let asked = request.timeout_ms.map(i64::from);
        let fits = match (asked, info.timeout_ms) {
            (None, None) => true,
            (Some(asked), Some(told)) => (0..=asked).contains(&told),
            _ => false,
        };
        if !fits {
            return Err(format!("timeout of {asked:?} is told as {:?}", info.timeout_ms));
        }
    }
    match info.requests == requests {
        true => Ok(()),
        false => Err(format!("other requests: {:?}", info.requests)),
    }
}

/// Values that came as several or as one, joined by commas, are the same.
fn contains(what: &str, wanted: &[Header], found: &[Header]) -> Result<(), String> {
    for header in wanted {
        let values = found.iter().filter(|found| found.name == header.name);
        let values: Vec<_> = values.flat_map(|found| &found.value).map(String::as_str).collect();
        let values = values.join(",").replace(", ", ",");
        if values != header.value.join(",") {
            return Err(format!("{what} {} is {values:?}", header.name));
        }
    }
    Ok(())
}
