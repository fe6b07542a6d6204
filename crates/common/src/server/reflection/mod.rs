//! Tells clients what the server speaks: `grpc.reflection.v1`, and `v1alpha` for older ones.
//!
//! Written on tonic-reflection's generated types rather than its server, which knows no
//! extensions, sends a file without those that it imports, and ends a stream that asks for
//! something unknown.

mod index;
mod v1alpha;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{
    ServerReflection, ServerReflectionServer,
};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

use index::{FileId, Index, Sent};

pub use index::DescriptorError;
pub use v1alpha::V1Alpha;

/// The services of reflection itself.
pub const NAMES: [&str; 2] = [
    tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME,
    tonic_reflection::pb::v1alpha::server_reflection_server::SERVICE_NAME,
];

/// What a server tells about itself; clones share it.
#[derive(Clone, Debug)]
pub struct Reflection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    index: Index,
    /// The full names of the services that are served, sorted.
    services: Vec<String>,
}

impl Reflection {
    /// The methods of the services that are listed, as `package.Service/Method`.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        let Shared { index, services } = &*self.shared;
        let served = |method: &&String| {
            let service = method.split_once('/').map_or("", |(service, _)| service);
            services.binary_search_by(|known| known.as_str().cmp(service)).is_ok()
        };
        index.methods.iter().filter(served).map(String::as_str)
    }

    /// Reads encoded `google.protobuf.FileDescriptorSet`s, built with their imports; the
    /// descriptors of health, of reflection itself and of the details of errors are there already.
    /// `services` are the full names that are listed, which should be those that the server serves.
    ///
    /// Custom options reach the client as they are in the sets. Of two files with one name the
    /// first counts.
    pub fn new(
        sets: impl IntoIterator<Item = Bytes>,
        services: impl IntoIterator<Item = String>,
    ) -> Result<Self, DescriptorError> {
        use tonic_reflection::pb::{v1, v1alpha};
        let own = [
            super::health::descriptor_set(),
            Bytes::from_static(v1::FILE_DESCRIPTOR_SET),
            Bytes::from_static(v1alpha::FILE_DESCRIPTOR_SET),
            // Contracts seldom import what clients need to show why a call failed.
            Bytes::from_static(tonic_types::pb::FILE_DESCRIPTOR_SET),
        ];
        let index = Index::new(sets.into_iter().chain(own))?;
        let mut services: Vec<_> = services.into_iter().collect();
        services.sort_unstable();
        services.dedup();
        Ok(Self { shared: Arc::new(Shared { index, services }) })
    }

    /// `grpc.reflection.v1.ServerReflection`, to register.
    pub fn v1(&self) -> ServerReflectionServer<Self> {
        ServerReflectionServer::new(self.clone())
    }

    /// `grpc.reflection.v1alpha.ServerReflection`, to register beside v1, as clients in the field
    /// still ask for it.
    pub fn v1alpha(&self) -> V1Alpha {
        V1Alpha::new(self.v1())
    }
}

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let shared = Arc::clone(&self.shared);
        let mut sent = shared.index.none_sent();
        // The next question is read when the last answer has been taken, so nothing piles up.
        let answers = request
            .into_inner()
            .map(move |request| request.map(|request| shared.answer(request, &mut sent)));
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Shared {
    fn answer(
        &self,
        request: ServerReflectionRequest,
        sent: &mut Sent,
    ) -> ServerReflectionResponse {
        let response = match &request.message_request {
            Some(MessageRequest::FileByFilename(name)) => self
                .files(self.index.file(name), sent)
                .ok_or_else(|| unknown(format!("no file {name:?}"))),
            Some(MessageRequest::FileContainingSymbol(name)) => self
                .files(self.index.symbol(name), sent)
                .ok_or_else(|| unknown(format!("no symbol {name:?}"))),
            Some(MessageRequest::FileContainingExtension(extension)) => {
                let (message, number) = (&extension.containing_type, extension.extension_number);
                self.files(self.index.extension(message, number), sent)
                    .ok_or_else(|| unknown(format!("no extension {number} of {message:?}")))
            }
            Some(MessageRequest::AllExtensionNumbersOfType(message)) => self
                .extension_numbers(message)
                .ok_or_else(|| unknown(format!("no message {message:?}"))),
            Some(MessageRequest::ListServices(_)) => Ok(self.list()),
            None => Err(ErrorResponse {
                error_code: Code::InvalidArgument.into(),
                error_message: "no question, or one of a later version of reflection".to_owned(),
            }),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(response.unwrap_or_else(MessageResponse::ErrorResponse)),
        }
    }

    fn files(&self, file: Option<FileId>, sent: &mut Sent) -> Option<MessageResponse> {
        let file_descriptor_proto = self.index.with_imports(file?, sent);
        Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto,
        }))
    }

    fn extension_numbers(&self, message: &str) -> Option<MessageResponse> {
        let extension_number = self.index.extension_numbers(message)?;
        Some(MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
            base_type_name: message.to_owned(),
            extension_number,
        }))
    }

    fn list(&self) -> MessageResponse {
        let names = self.services.iter().cloned();
        MessageResponse::ListServicesResponse(ListServiceResponse {
            service: names.map(|name| ServiceResponse { name }).collect(),
        })
    }
}

fn unknown(error_message: String) -> ErrorResponse {
    ErrorResponse { error_code: Code::NotFound.into(), error_message }
}

#[cfg(test)]
mod tests;
