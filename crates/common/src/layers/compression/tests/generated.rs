//! Both layers around generated code.

use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt, stream};
use http::Request;
use tonic::{Code, Streaming};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_server::{
    ServerReflection, ServerReflectionServer,
};
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tower::{Layer, ServiceBuilder, ServiceExt};

use super::super::{
    InboundCompressionLayer, MessageBody, MessageCompression, OutboundCompressionLayer,
};
use super::*;

/// Sends back what it gets, and notes what came compressed.
#[derive(Clone, Default)]
struct Echo {
    compressed: Arc<Mutex<Vec<Option<bool>>>>,
}

#[tonic::async_trait]
impl ServerReflection for Echo {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: tonic::Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<tonic::Response<Self::ServerReflectionInfoStream>, Status> {
        let handle = request.extensions().get::<MessageCompression>().cloned();
        let compressed = self.compressed.clone();
        let answers = request.into_inner().map(move |message| {
            let received = handle.as_ref().and_then(MessageCompression::next_received);
            compressed.lock().unwrap().push(received);
            message.map(|message| ServerReflectionResponse {
                valid_host: message.host,
                ..Default::default()
            })
        });
        Ok(tonic::Response::new(Box::pin(answers)))
    }
}

/// Calls the echo through both layers.
async fn echo(
    send: Option<Encoding>,
    hosts: Vec<String>,
    handle: Option<MessageCompression>,
) -> (Result<Vec<String>, Status>, Vec<Option<bool>>) {
    let echo = Echo::default();
    let server = ServiceBuilder::new()
        .layer(OutboundCompressionLayer::new().send(send))
        .map_request(|request: Request<MessageBody<_>>| request.map(tonic::body::Body::new))
        .map_response(|response: http::Response<MessageBody<_>>| {
            response.map(tonic::body::Body::new)
        })
        .service(InboundCompressionLayer::new().per_message(true).layer(
            ServerReflectionServer::new(echo.clone()).map_request(
                |request: Request<MessageBody<_>>| request.map(tonic::body::Body::new),
            ),
        ));
    let messages =
        hosts.into_iter().map(|host| ServerReflectionRequest { host, ..Default::default() });
    let mut request = tonic::Request::new(stream::iter(messages.collect::<Vec<_>>()));
    if let Some(handle) = handle {
        request.extensions_mut().insert(handle);
    }
    let answers = async {
        let mut client = ServerReflectionClient::new(server);
        let mut answers = client.server_reflection_info(request).await?.into_inner();
        let mut hosts = Vec::new();
        while let Some(answer) = answers.message().await? {
            hosts.push(answer.valid_host);
        }
        Ok(hosts)
    };
    let answers = answers.await;
    let compressed = echo.compressed.lock().unwrap().clone();
    (answers, compressed)
}

#[tokio::test]
async fn streams_pass_both_layers() {
    let hosts: Vec<_> = [5, 5000, 0, 70_000, 200_000].map(|len| "host".repeat(len)).into();
    for send in [None, Some(Encoding::Gzip), Some(Encoding::Zstd)] {
        let handle = MessageCompression::new();
        let (answers, received) = echo(send, hosts.clone(), Some(handle.clone())).await;
        assert_eq!(answers.unwrap(), hosts);
        let packed = send.is_some();
        let expected = [false, packed, false, packed, packed].map(Some);
        assert_eq!(received, expected);
        let answered: Vec<_> = std::iter::from_fn(|| handle.next_received()).collect();
        // A handle makes the request announce an encoding, in which the server then answers.
        assert_eq!(answered, [false, true, false, true, true]);

        let (answers, received) = echo(send, hosts.clone(), None).await;
        assert_eq!(answers.unwrap(), hosts);
        assert_eq!(received, expected);
    }
}

#[tokio::test]
async fn a_bomb_reaches_the_client_as_its_status() {
    let hosts = vec!["fine".to_owned(), "0".repeat(5 * 1024 * 1024)];
    for encoding in BOTH {
        let (answers, received) = echo(Some(encoding), hosts.clone(), None).await;
        let status = answers.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(received.len(), 2);
    }
}
