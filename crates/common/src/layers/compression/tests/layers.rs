use std::cell::Cell;
use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};

use super::super::{
    InboundCompressionLayer, MessageBody, MessageCompression, OutboundCompressionLayer, Reply,
};
use super::*;

/// A call as one side saw it.
struct Seen {
    headers: HeaderMap,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn see(headers: HeaderMap, body: MessageBody<Frames>) -> Seen {
    let collected = body.collect().await.unwrap();
    Seen { headers, trailers: collected.trailers().cloned(), data: collected.to_bytes().to_vec() }
}

fn request(headers: &[(&'static str, &str)], wire: &[u8]) -> Request<Frames> {
    let mut request = Request::new(Frames::chunks([wire]));
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// What a service and its client see when the service answers with `answer`.
async fn serve(
    layer: InboundCompressionLayer,
    request: Request<Frames>,
    answer: Response<Frames>,
    handler: impl Fn(&MessageCompression),
) -> (Seen, Seen) {
    let (seen, answer) = (Cell::new(None), Cell::new(Some(answer)));
    let (seen, answer, handler) = (&seen, &answer, &handler);
    let service = service_fn(move |request: Request<MessageBody<Frames>>| async move {
        if let Some(handle) = request.extensions().get() {
            handler(handle);
        }
        let (parts, body) = request.into_parts();
        seen.set(Some(see(parts.headers, body).await));
        Ok::<_, Infallible>(answer.take().unwrap())
    });
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (seen.take().unwrap(), see(parts.headers, body).await)
}

fn answer(payload: &[u8]) -> Response<Frames> {
    let body = Frames::chunks([&plain(payload)[..]]).trailers(&Status::ok(""));
    Response::new(body)
}

#[tokio::test]
async fn a_server_answers_as_it_was_called() {
    for encoding in BOTH {
        let name = encoding.name();
        let headers = [
            ("grpc-encoding", name),
            ("grpc-accept-encoding", "identity, gzip ,zstd"),
            ("content-length", "999"),
        ];
        let request = request(&headers, &packed(encoding, b"hello"));
        let layer = InboundCompressionLayer::new();
        let (service, client) = serve(layer, request, answer(&[7; 2000]), |_| ()).await;
        assert_eq!(service.data, plain(b"hello"));
        assert!(!service.headers.contains_key("grpc-encoding"));
        assert!(!service.headers.contains_key("content-length"));
        assert_eq!(client.headers["grpc-encoding"], name);
        assert_eq!(client.headers["grpc-accept-encoding"], "gzip,zstd");
        assert_eq!(client.data, packed(encoding, &[7; 2000]));
        assert_eq!(client.trailers.unwrap()["x-kept"], "yes");
    }
}

#[tokio::test]
async fn a_server_uses_only_what_the_client_accepts() {
    let sent = packed(Encoding::Gzip, b"hello");
    for accepts in ["", "identity", "zstd", "deflate,snappy"] {
        let headers = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", accepts)];
        for reply in [Reply::SameAsRequest, Reply::With(Encoding::Gzip)] {
            let layer = InboundCompressionLayer::new().reply(reply);
            let request = request(&headers, &sent);
            let (_, client) = serve(layer, request, answer(&[7; 2000]), |_| ()).await;
            assert!(!client.headers.contains_key("grpc-encoding"));
            assert_eq!(client.data, plain(&[7; 2000]));
        }
    }
}

#[tokio::test]
async fn a_setting_decides_on_replies() {
    let accepts = ("grpc-accept-encoding", "gzip,zstd");
    let layer = InboundCompressionLayer::new();
    let with = layer.reply(Reply::With(Encoding::Zstd));
    let (_, client) =
        serve(with, request(&[accepts], &plain(b"")), answer(&[7; 2000]), |_| ()).await;
    assert_eq!(client.headers["grpc-encoding"], "zstd");
    assert_eq!(client.data, packed(Encoding::Zstd, &[7; 2000]));

    let small =
        serve(with.min_size(3000), request(&[accepts], &plain(b"")), answer(&[7; 2000]), |_| ());
    assert_eq!(small.await.1.data, plain(&[7; 2000]));

    let came = request(&[accepts, ("grpc-encoding", "gzip")], &packed(Encoding::Gzip, b"hello"));
    let never = layer.reply(Reply::Never);
    let (_, client) = serve(never, came, answer(&[7; 2000]), |_| ()).await;
    assert_eq!(client.data, plain(&[7; 2000]));
}

#[tokio::test]
async fn a_plain_call_passes_as_it_is() {
    // Not even messages: nothing looks at the bytes.
    let headers = [("grpc-encoding", "identity"), ("content-length", "3")];
    let request = request(&headers, b"abc");
    let mut answer = Response::new(Frames::chunks([&b"def"[..]]));
    answer.headers_mut().insert("content-length", "3".parse().unwrap());
    let layer = InboundCompressionLayer::new();
    let (service, client) = serve(layer, request, answer, |_| ()).await;
    assert_eq!(service.data, b"abc");
    assert_eq!(service.headers.len(), 1);
    assert_eq!(client.data, b"def");
    assert_eq!(client.headers.len(), 1);
}

#[tokio::test]
async fn a_server_names_what_it_knows_when_it_does_not() {
    let never = service_fn(
        async |_: Request<MessageBody<Frames>>| -> Result<Response<Frames>, Infallible> {
            panic!("called with bytes that it cannot read")
        },
    );
    let layer = InboundCompressionLayer::new();
    let response = layer
        .layer(never)
        .oneshot(request(&[("grpc-encoding", "snappy")], &flagged(b"x")))
        .await
        .unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("snappy"));
    assert_eq!(response.headers()["grpc-accept-encoding"], "gzip,zstd");
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_response_that_is_done_passes() {
    let headers = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];
    let wire = packed(Encoding::Gzip, b"hello");
    let only_trailers = Status::not_found("").into_http::<Frames>();
    let layer = InboundCompressionLayer::new();
    let (_, client) = serve(layer, request(&headers, &wire), only_trailers, |_| ()).await;
    assert_eq!(client.headers["grpc-status"], "5");
    assert!(!client.headers.contains_key("grpc-encoding"));

    let mut compressed = Response::new(Frames::chunks([&flagged(b"by the service")[..]]));
    compressed.headers_mut().insert("grpc-encoding", "snappy".parse().unwrap());
    let (_, client) = serve(layer, request(&headers, &wire), compressed, |_| ()).await;
    assert_eq!(client.headers["grpc-encoding"], "snappy");
    assert_eq!(client.data, flagged(b"by the service"));
}

#[tokio::test]
async fn a_handler_decides_by_message() {
    let layer = InboundCompressionLayer::new().per_message(true);
    let handler = |handle: &MessageCompression| handle.send_next(true);
    let headers = [("grpc-accept-encoding", "br, zstd, gzip")];
    let plain_request = request(&headers, &plain(b"hello"));
    let (_, client) = serve(layer, plain_request, answer(b"short"), handler).await;
    assert_eq!(client.headers["grpc-encoding"], "zstd");
    assert_eq!(client.data, packed(Encoding::Zstd, b"short"));

    // Nothing said: a request that was not compressed gets an answer that is not.
    let plain_request = request(&headers, &plain(b"hello"));
    let (_, client) = serve(layer, plain_request, answer(&[7; 2000]), |_| ()).await;
    assert_eq!(client.data, plain(&[7; 2000]));

    // No encoding in common.
    let plain_request = request(&[], &plain(b"hello"));
    let (_, client) = serve(layer, plain_request, answer(b"short"), handler).await;
    assert!(!client.headers.contains_key("grpc-encoding"));
    assert_eq!(client.data, plain(b"short"));
}

/// What a server and its client see when the server answers with `answer`.
async fn call(
    layer: OutboundCompressionLayer,
    request: Request<Frames>,
    answer: Response<Frames>,
) -> (Seen, Seen) {
    let (seen, answer) = (Cell::new(None), Cell::new(Some(answer)));
    let (seen, answer) = (&seen, &answer);
    let service = service_fn(move |request: Request<MessageBody<Frames>>| async move {
        let (parts, body) = request.into_parts();
        seen.set(Some(see(parts.headers, body).await));
        Ok::<_, Infallible>(answer.take().unwrap())
    });
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (seen.take().unwrap(), see(parts.headers, body).await)
}

fn compressed_answer(name: &str, wire: &[u8]) -> Response<Frames> {
    let mut answer = Response::new(Frames::chunks([wire]).trailers(&Status::ok("")));
    let headers = answer.headers_mut();
    headers.insert("grpc-encoding", name.parse().unwrap());
    headers.insert("content-length", "999".parse().unwrap());
    answer
}

#[tokio::test]
async fn a_channel_unpacks_responses() {
    for encoding in BOTH {
        let answer = compressed_answer(encoding.name(), &packed(encoding, b"hello"));
        let layer = OutboundCompressionLayer::new();
        let (server, client) = call(layer, request(&[], b"any bytes"), answer).await;
        assert_eq!(server.headers["grpc-accept-encoding"], "gzip,zstd");
        assert!(!server.headers.contains_key("grpc-encoding"));
        assert_eq!(server.data, b"any bytes");
        assert!(client.headers.is_empty());
        assert_eq!(client.data, plain(b"hello"));
        assert_eq!(client.trailers.unwrap()["x-kept"], "yes");
    }
}

#[tokio::test]
async fn a_channel_packs_requests_if_told() {
    for encoding in BOTH {
        let layer = OutboundCompressionLayer::new().send(Some(encoding));
        let wire = [plain(&[7; 2000]), plain(b"short")].concat();
        let sent = request(&[("content-length", "2015")], &wire);
        let (server, client) = call(layer, sent, answer(b"hello")).await;
        assert_eq!(server.headers["grpc-encoding"], encoding.name());
        assert!(!server.headers.contains_key("content-length"));
        let expected = [packed(encoding, &[7; 2000]), plain(b"short")].concat();
        assert_eq!(server.data, expected);
        assert_eq!(client.data, plain(b"hello"));

        let done = request(&[("grpc-encoding", "snappy")], &flagged(b"x"));
        let (server, _) = call(layer, done, answer(b"hello")).await;
        assert_eq!(server.headers["grpc-encoding"], "snappy");
        assert_eq!(server.data, flagged(b"x"));
    }
}

#[tokio::test]
async fn a_channel_obeys_a_handle() {
    let handle = MessageCompression::new();
    handle.send_next(true);
    let mut sent = request(&[], &[plain(b"short"), plain(&[7; 2000])].concat());
    sent.extensions_mut().insert(handle.clone());
    let wire = [packed(Encoding::Zstd, b"a"), plain(b"b")].concat();
    let layer = OutboundCompressionLayer::new();
    let (server, client) = call(layer, sent, compressed_answer("zstd", &wire)).await;
    assert_eq!(server.headers["grpc-encoding"], "gzip");
    let expected = [packed(Encoding::Gzip, b"short"), plain(&[7; 2000])].concat();
    assert_eq!(server.data, expected);
    assert_eq!(client.data, [plain(b"a"), plain(b"b")].concat());
    assert_eq!(handle.next_received(), Some(true));
    assert_eq!(handle.next_received(), Some(false));
    assert_eq!(handle.next_received(), None);
}

#[tokio::test]
async fn a_response_in_an_unknown_encoding_is_internal() {
    let answer = compressed_answer("snappy", &flagged(b"x"));
    let layer = OutboundCompressionLayer::new();
    let (_, client) = call(layer, request(&[], b""), answer).await;
    let status = Status::from_header_map(&client.headers).unwrap();
    assert_eq!(status.code(), Code::Internal);
    assert!(client.data.is_empty());
}

#[tokio::test]
async fn a_bomb_ends_a_response_with_trailers() {
    let wire = packed(Encoding::Gzip, &[0; 5000]);
    let layer = OutboundCompressionLayer::new().message_limit(4999);
    let (_, client) = call(layer, request(&[], b""), compressed_answer("gzip", &wire)).await;
    let status = Status::from_header_map(&client.trailers.unwrap()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
}
