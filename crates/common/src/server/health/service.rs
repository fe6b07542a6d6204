//! The three methods of `grpc.health.v1.Health` on the wire.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_util::stream;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto,
};
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{Health, PbStatus};
use crate::BoxError;
use crate::body::Body;

/// With more services than this, List answers RESOURCE_EXHAUSTED, as the protocol allows and
/// grpc-go does.
const MAX_LISTED: usize = 100;

/// `grpc.health.v1.HealthListResponse`, which tonic-health does not have yet.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HealthListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) statuses: BTreeMap<String, HealthCheckResponse>,
}

/// [`Health`] as a service to register: the generated `HealthServer`, and List beside it.
#[derive(Clone, Debug)]
pub struct HealthService {
    health: Health,
    generated: HealthServer<Health>,
}

impl Health {
    /// The service that answers for this health.
    pub fn service(&self) -> HealthService {
        HealthService { health: self.clone(), generated: HealthServer::new(self.clone()) }
    }

    fn list(&self) -> Result<HealthListResponse, Status> {
        let board = self.board.borrow();
        if board.services.len() > MAX_LISTED {
            return Err(Status::resource_exhausted(format!(
                "{} services are more than the {MAX_LISTED} that can be listed: check or watch some",
                board.services.len()
            )));
        }
        let statuses = board.services.iter();
        Ok(HealthListResponse {
            statuses: statuses.map(|(name, status)| (name.clone(), response(*status))).collect(),
        })
    }
}

fn response(status: impl Into<PbStatus>) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into().into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.get(&request.get_ref().service) {
            Some(status) => Ok(Response::new(response(status))),
            None => Err(Status::not_found("the service is not known")),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watcher = self.watcher(request.into_inner().service);
        let statuses = stream::unfold(watcher, |mut watcher| async move {
            watcher.next().await.map(|status| (Ok(response(status)), watcher))
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

impl<B> Service<http::Request<B>> for HealthService
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() != "/grpc.health.v1.Health/List" {
            return self.generated.call(request);
        }
        let health = self.health.clone();
        Box::pin(async move {
            // The request has no fields.
            let mut grpc = Grpc::new(ProstCodec::<HealthListResponse, ()>::default());
            let list = tower::service_fn(|_: Request<()>| {
                std::future::ready(health.list().map(Response::new))
            });
            Ok(grpc.unary(list, request).await)
        })
    }
}

impl NamedService for HealthService {
    const NAME: &'static str = health_server::SERVICE_NAME;
}

/// The descriptor set of `grpc.health.v1` for reflection: tonic-health's and List, under the file
/// name that the other languages use, as `health.proto` might be a user's own.
pub fn descriptor_set() -> Bytes {
    // A constant, which decodes: see the test.
    let mut set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
    for file in &mut set.file {
        file.name = Some("grpc/health/v1/health.proto".to_owned());
        file.message_type.extend(list_messages());
        for service in &mut file.service {
            service.method.push(MethodDescriptorProto {
                name: Some("List".to_owned()),
                input_type: Some(".grpc.health.v1.HealthListRequest".to_owned()),
                output_type: Some(".grpc.health.v1.HealthListResponse".to_owned()),
                ..MethodDescriptorProto::default()
            });
        }
    }
    set.encode_to_vec().into()
}

fn list_messages() -> [DescriptorProto; 2] {
    let field = |name: &str, number, label: Label, message: Option<&str>| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(message.map_or(Type::String, |_| Type::Message).into()),
        type_name: message.map(|message| format!(".grpc.health.v1.{message}")),
        ..FieldDescriptorProto::default()
    };
    let message = |name: &str, field| DescriptorProto {
        name: Some(name.to_owned()),
        field,
        ..DescriptorProto::default()
    };
    let entry = DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..message(
            "StatusesEntry",
            vec![
                field("key", 1, Label::Optional, None),
                field("value", 2, Label::Optional, Some("HealthCheckResponse")),
            ],
        )
    };
    let statuses = field("statuses", 1, Label::Repeated, Some("HealthListResponse.StatusesEntry"));
    [
        message("HealthListRequest", Vec::new()),
        DescriptorProto {
            nested_type: vec![entry],
            ..message("HealthListResponse", vec![statuses])
        },
    ]
}
