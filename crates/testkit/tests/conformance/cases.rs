//! What is called, and how the server is asked to answer.

use bytes::Bytes;
use prost::Message;
use testkit::conformance::proto;

use proto::client_compat_request::{Cancel, cancel::CancelTiming};
use proto::unary_response_definition::Response;
use proto::{
    BidiStreamRequest, ClientCompatRequest, ClientStreamRequest, Code, Error, Header,
    IdempotentUnaryRequest, ServerStreamRequest, StreamResponseDefinition, StreamType,
    UnaryRequest, UnaryResponseDefinition, UnimplementedRequest,
};

/// The longest message in bytes, where there is a limit.
pub(crate) const LIMIT: usize = 200 << 10;

/// Longer than a call that does not wait.
const LONG_MS: u32 = 1_500;
const SHORT_MS: u32 = 200;

/// A call to make.
pub(crate) struct Case {
    pub name: String,
    pub request: ClientCompatRequest,
    pub expected: Expected,
}

/// How it is to end.
pub(crate) enum Expected {
    /// As the request asks.
    AsAsked,
    /// With this code, whatever the message, after so many responses.
    Fails(Code, usize),
}

pub(crate) fn header(name: &str, values: &[&str]) -> Header {
    Header { name: name.into(), value: values.iter().map(|&value| value.into()).collect() }
}

fn data(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn any(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/connectrpc.conformance.v1.{name}"),
        value: message.encode_to_vec(),
    }
}

fn headers() -> Vec<Header> {
    vec![header("x-custom-header", &["foo", "bar"]), header("x-custom-bin", &["AAEC"])]
}

fn trailers() -> Vec<Header> {
    vec![header("x-custom-trailer", &["bing", "quux"]), header("x-trailer-bin", &["/+8"])]
}

fn error(code: Code, message: &str) -> Error {
    Error {
        code: code.into(),
        message: Some(message.into()),
        details: vec![any("Header", &header("detail", &["of", "an", "error"]))],
    }
}

fn unary(response: Response) -> UnaryResponseDefinition {
    UnaryResponseDefinition {
        response_headers: headers(),
        response: Some(response),
        response_trailers: trailers(),
        ..Default::default()
    }
}

fn streamed(messages: &[&'static str], error: Option<Error>) -> StreamResponseDefinition {
    StreamResponseDefinition {
        response_headers: headers(),
        response_data: messages.iter().map(|text| data(text)).collect(),
        response_trailers: trailers(),
        error,
        ..Default::default()
    }
}

fn case(
    name: &str,
    method: &str,
    stream_type: StreamType,
    request_messages: Vec<prost_types::Any>,
) -> Case {
    let request = ClientCompatRequest {
        method: Some(method.into()),
        stream_type: stream_type.into(),
        request_headers: vec![header("x-conformance-test", &["Value1", "Value2"])],
        request_messages,
        ..Default::default()
    };
    Case { name: format!("{method}/{name}"), request, expected: Expected::AsAsked }
}

fn unary_case(name: &str, response_definition: Option<UnaryResponseDefinition>) -> Case {
    let request = UnaryRequest { response_definition, ..Default::default() };
    case(name, "Unary", StreamType::Unary, vec![any("UnaryRequest", &request)])
}

fn get_case(name: &str, response_definition: Option<UnaryResponseDefinition>) -> Case {
    let request = IdempotentUnaryRequest { response_definition, ..Default::default() };
    let messages = vec![any("IdempotentUnaryRequest", &request)];
    let mut case = case(name, "IdempotentUnary", StreamType::Unary, messages);
    case.request.use_get_http_method = true;
    case
}

fn client_case(name: &str, response_definition: Option<UnaryResponseDefinition>) -> Case {
    let first = ClientStreamRequest { response_definition, ..Default::default() };
    let second = ClientStreamRequest { request_data: data("more"), ..Default::default() };
    let messages = vec![any("ClientStreamRequest", &first), any("ClientStreamRequest", &second)];
    case(name, "ClientStream", StreamType::ClientStream, messages)
}

fn server_case(name: &str, response_definition: Option<StreamResponseDefinition>) -> Case {
    let request = ServerStreamRequest { response_definition, ..Default::default() };
    let messages = vec![any("ServerStreamRequest", &request)];
    case(name, "ServerStream", StreamType::ServerStream, messages)
}

fn bidi_case(name: &str, full_duplex: bool, definition: Option<StreamResponseDefinition>) -> Case {
    let first =
        BidiStreamRequest { response_definition: definition, full_duplex, ..Default::default() };
    let second = BidiStreamRequest { request_data: data("more"), ..Default::default() };
    let messages = vec![any("BidiStreamRequest", &first), any("BidiStreamRequest", &second)];
    let (stream_type, name) = match full_duplex {
        true => (StreamType::FullDuplexBidiStream, format!("full/{name}")),
        false => (StreamType::HalfDuplexBidiStream, format!("half/{name}")),
    };
    case(&name, "BidiStream", stream_type, messages)
}

fn fails(mut case: Case, code: Code, after: usize) -> Case {
    case.expected = Expected::Fails(code, after);
    case
}

/// All kinds of calls, well and failing.
pub(crate) fn basic() -> Vec<Case> {
    let text = || Response::ResponseData(data("test response"));
    let two = ["test response", "and another"];
    let failed = || Some(error(Code::Internal, "as asked"));
    let mut cases = vec![
        unary_case("success", Some(unary(text()))),
        unary_case("error", Some(unary(Response::Error(error(Code::NotFound, "not there"))))),
        get_case("success", Some(unary(text()))),
        get_case("error", Some(unary(Response::Error(error(Code::NotFound, "not there"))))),
        client_case("success", Some(unary(text()))),
        client_case("error", Some(unary(Response::Error(error(Code::Aborted, "no more"))))),
        server_case("success", Some(streamed(&two, None))),
        server_case("no-responses", Some(streamed(&[], None))),
        server_case("error-with-responses", Some(streamed(&two, failed()))),
        server_case("error-with-no-responses", Some(streamed(&[], failed()))),
    ];
    for full_duplex in [false, true] {
        cases.extend([
            bidi_case("success", full_duplex, Some(streamed(&two, None))),
            bidi_case("error-with-responses", full_duplex, Some(streamed(&two, failed()))),
            bidi_case("error-with-no-responses", full_duplex, Some(streamed(&[], failed()))),
        ]);
    }
    cases.push(bidi_case("no-responses", false, Some(streamed(&[], None))));
    cases
}

/// All cases without a limit on messages.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = basic();
    cases.extend(odd());
    cases.extend(codes());
    cases.extend(times());
    cases.extend(cancelled());
    cases
}

fn odd() -> Vec<Case> {
    let unimplemented = any("UnimplementedRequest", &UnimplementedRequest {});
    let text = "\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\n";
    let strange = unary(Response::Error(error(Code::Internal, text)));
    let long = UnaryResponseDefinition {
        response: Some(Response::ResponseData(vec![b'x'; 300_000].into())),
        ..Default::default()
    };
    let mut no_requests = client_case("no-requests", None);
    no_requests.request.request_messages.clear();
    let mut silent = bidi_case("no-requests", false, None);
    silent.request.request_messages.clear();
    vec![
        unary_case("empty", None),
        unary_case("long", Some(long)),
        unary_case("strange-message", Some(strange)),
        server_case("empty", None),
        client_case("empty", None),
        bidi_case("empty", false, None),
        no_requests,
        silent,
        fails(
            case("unimplemented", "Unimplemented", StreamType::Unary, vec![unimplemented]),
            Code::Unimplemented,
            0,
        ),
    ]
}

fn codes() -> Vec<Case> {
    let codes = (1..=16).filter_map(|code| Code::try_from(code).ok());
    let cases = codes.flat_map(|code| {
        let name = code.as_str_name();
        let definition = UnaryResponseDefinition {
            response: Some(Response::Error(error(code, name))),
            ..Default::default()
        };
        let stream =
            StreamResponseDefinition { error: Some(error(code, name)), ..Default::default() };
        [unary_case(name, Some(definition)), server_case(name, Some(stream))]
    });
    cases.collect()
}

/// Deadlines that are kept and told on, and such as are not.
fn times() -> Vec<Case> {
    let text = || Response::ResponseData(data("test response"));
    let slow = || UnaryResponseDefinition { response_delay_ms: LONG_MS, ..unary(text()) };
    let slowly =
        || StreamResponseDefinition { response_delay_ms: LONG_MS, ..streamed(&["a", "b"], None) };
    let in_time = [
        unary_case("deadline", Some(unary(text()))),
        client_case("deadline", Some(unary(text()))),
        server_case("deadline", Some(streamed(&["a", "b"], None))),
        bidi_case("deadline", true, Some(streamed(&["a", "b"], None))),
    ];
    let late = [
        unary_case("too-late", Some(slow())),
        client_case("too-late", Some(slow())),
        server_case("too-late", Some(slowly())),
        bidi_case("too-late", false, Some(slowly())),
        bidi_case("too-late", true, Some(slowly())),
    ];
    let in_time = in_time.into_iter().map(|mut case| {
        case.request.timeout_ms = Some(20_000);
        case
    });
    let late = late.into_iter().map(|mut case| {
        case.request.timeout_ms = Some(SHORT_MS);
        fails(case, Code::DeadlineExceeded, 0)
    });
    in_time.chain(late).collect()
}

fn cancelled() -> Vec<Case> {
    let cancel = |mut case: Case, timing, after| {
        case.request.cancel = Some(Cancel { cancel_timing: Some(timing) });
        fails(case, Code::Canceled, after)
    };
    let text = || Response::ResponseData(data("test response"));
    let slow = UnaryResponseDefinition { response_delay_ms: SHORT_MS, ..unary(text()) };
    let slowly =
        || StreamResponseDefinition { response_delay_ms: SHORT_MS, ..streamed(&["a", "b"], None) };
    let quickly = || streamed(&["a", "b"], None);
    vec![
        cancel(
            client_case("before-close", Some(unary(text()))),
            CancelTiming::BeforeCloseSend(()),
            0,
        ),
        cancel(client_case("after-close", Some(slow)), CancelTiming::AfterCloseSendMs(5), 0),
        cancel(server_case("after-zero", Some(slowly())), CancelTiming::AfterNumResponses(0), 0),
        cancel(server_case("after-one", Some(slowly())), CancelTiming::AfterNumResponses(1), 1),
        cancel(
            bidi_case("after-zero", true, Some(slowly())),
            CancelTiming::AfterNumResponses(0),
            0,
        ),
        cancel(bidi_case("after-one", true, Some(slowly())), CancelTiming::AfterNumResponses(1), 1),
        cancel(
            bidi_case("before-close", true, Some(quickly())),
            CancelTiming::BeforeCloseSend(()),
            2,
        ),
        cancel(
            bidi_case(
                "after-close",
                true,
                Some(StreamResponseDefinition {
                    response_data: vec![data("a"), data("b"), data("c")],
                    ..slowly()
                }),
            ),
            CancelTiming::AfterCloseSendMs(0),
            2,
        ),
        cancel(
            bidi_case("after-one", false, Some(slowly())),
            CancelTiming::AfterNumResponses(1),
            1,
        ),
        cancel(
            bidi_case("before-close", false, Some(quickly())),
            CancelTiming::BeforeCloseSend(()),
            0,
        ),
        cancel(
            bidi_case("after-close", false, Some(slowly())),
            CancelTiming::AfterCloseSendMs(5),
            0,
        ),
    ]
}

/// Requests of the length that a server takes, and longer ones.
pub(crate) fn server_limits() -> Vec<Case> {
    let text = || Some(unary(Response::ResponseData(data("test response"))));
    let two = || Some(streamed(&["a", "b"], None));
    let all = || {
        [
            unary_case("limit", text()),
            client_case("limit", text()),
            server_case("limit", two()),
            bidi_case("limit", false, two()),
            bidi_case("limit", true, two()),
        ]
    };
    let fitting = all().into_iter().map(|mut case| {
        case.request.request_messages.iter_mut().for_each(|message| pad(message, LIMIT));
        case
    });
    let first = all().into_iter().map(|mut case| {
        pad(&mut case.request.request_messages[0], LIMIT + 10);
        case.name += "/first-too-long";
        fails(case, Code::ResourceExhausted, 0)
    });
    let last = all().into_iter().filter(|case| case.request.request_messages.len() > 1);
    let last = last.map(|mut case| {
        pad(case.request.request_messages.last_mut().unwrap(), LIMIT + 10);
        case.name += "/last-too-long";
        let full = case.request.stream_type() == StreamType::FullDuplexBidiStream;
        fails(case, Code::ResourceExhausted, usize::from(full))
    });
    let mut cases: Vec<_> = fitting.chain(first).chain(last).collect();
    // What keeps the case out of JSON, where sizes are others.
    cases.iter_mut().for_each(|case| case.request.message_receive_limit = 64 << 20);
    cases
}

/// Makes a request so many bytes long, by its data.
fn pad(message: &mut prost_types::Any, len: usize) {
    let field = if message.type_url.ends_with("BidiStreamRequest") { 3 } else { 2 };
    // A tag of one byte and a length of three, as these sizes have.
    let room = len - message.value.len() - 4;
    message.value.push(field << 3 | 2);
    prost::encode_length_delimiter(room, &mut message.value).unwrap();
    message.value.extend(std::iter::repeat_n(b'x', room));
    assert_eq!(message.value.len(), len);
}
