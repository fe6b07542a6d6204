//! Asks a server for its own descriptors: `grpc.reflection.v1`, or `v1alpha` where only that is served.
//!
//! See <https://grpc.io/docs/guides/reflection/>. The two versions differ in nothing but the path,
//! so one set of types serves both.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use ahoy::Channel;
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::Streaming;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::failure::{Failure, code_name};

/// How long one question may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to end the conversation.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A server that sends more files than this, or more bytes, does not mean well.
const MAX_FILES: usize = 4_096;
const MAX_BYTES: usize = 64 << 20;

#[derive(Clone, Copy, Debug)]
enum Version {
    V1,
    V1Alpha,
}

impl Version {
    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::V1 => "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            Self::V1Alpha => "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        })
    }
}

/// Why a question had no answer.
#[derive(Debug)]
pub(crate) enum ReflectError {
    /// The server does not know the name.
    NotFound,
    /// Anything else.
    Failed(Failure),
}

/// A conversation with a server's reflection service, opened with the first question.
#[derive(Debug)]
pub(crate) struct Reflection {
    channel: Channel,
    metadata: MetadataMap,
    address: String,
    version: Option<Version>,
    dialog: Option<Dialog>,
    files: HashMap<String, FileDescriptorProto>,
    bytes: usize,
}

#[derive(Debug)]
struct Dialog {
    questions: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl Reflection {
    pub(crate) fn new(channel: Channel, metadata: MetadataMap, address: &str) -> Self {
        Self {
            channel,
            metadata,
            address: address.to_owned(),
            version: None,
            dialog: None,
            files: HashMap::new(),
            bytes: 0,
        }
    }

    /// The full name of the reflection service in use.
    pub(crate) fn service_name(&self) -> &'static str {
        match self.version {
            Some(Version::V1Alpha) => "grpc.reflection.v1alpha",
            _ => "grpc.reflection.v1",
        }
    }

    /// The full names of the services that the server names, sorted.
    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        match self.ask(MessageRequest::ListServices("*".to_owned())).await {
            Ok(MessageResponse::ListServicesResponse(list)) => {
                let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                names.sort();
                names.dedup();
                Ok(names)
            }
            Ok(_) | Err(ReflectError::NotFound) => Err(self.strange("its list of services")),
            Err(ReflectError::Failed(failure)) => Err(failure),
        }
    }

    /// Adds the file that defines `symbol`, and all that it imports, to `pool`.
    pub(crate) async fn load(
        &mut self,
        symbol: &str,
        pool: &mut DescriptorPool,
    ) -> Result<(), ReflectError> {
        let mut set = Vec::new();
        let mut wanted = VecDeque::new();
        let mut asked = HashSet::new();
        let question = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let answer = self.ask_files(question).await?;
        self.take(answer, &mut set, &mut wanted)?;
        while let Some(name) = wanted.pop_front() {
            if self.files.contains_key(&name) || !asked.insert(name.clone()) {
                continue;
            }
            match self.ask_files(MessageRequest::FileByFilename(name.clone())).await {
                Ok(files) => self.take(files, &mut set, &mut wanted)?,
                Err(ReflectError::NotFound) => self.stand_in(name, &mut set),
                Err(failed) => return Err(failed),
            }
        }
        // Decoded by the pool from the bytes, since prost's types would drop custom options.
        pool.decode_file_descriptor_set(set.as_slice()).map_err(|error| {
            ReflectError::Failed(Failure::failed(format!(
                "the definitions that {} sends for {symbol} do not fit together: {error}",
                self.address
            )))
        })
    }

    /// Ends the conversation; the next question opens another. It is half-closed and heard out,
    /// so that the server does not count it as cancelled.
    pub(crate) async fn close(&mut self) {
        if let Some(Dialog { questions, mut answers }) = self.dialog.take() {
            drop(questions);
            let heard_out = async { while let Ok(Some(_)) = answers.message().await {} };
            let _ = tokio::time::timeout(LAST_WORDS, heard_out).await;
        }
    }

    /// Adds files to an encoded `FileDescriptorSet`, and what they import to `wanted`.
    fn take(
        &mut self,
        files: Vec<Vec<u8>>,
        set: &mut Vec<u8>,
        wanted: &mut VecDeque<String>,
    ) -> Result<(), ReflectError> {
        for bytes in files {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|_| ReflectError::Failed(self.strange("a file descriptor")))?;
            self.bytes = self.bytes.saturating_add(bytes.len());
            if self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
                return Err(ReflectError::Failed(Failure::failed(format!(
                    "{} sends more than {MAX_FILES} files or {} MiB of definitions",
                    self.address,
                    MAX_BYTES >> 20
                ))));
            }
            if self.files.contains_key(file.name()) {
                continue;
            }
            wanted.extend(file.dependency.iter().cloned());
            append_file(set, &bytes);
            self.files.insert(file.name().to_owned(), file);
        }
        Ok(())
    }

    /// Puts a file in the place of one that the server does not have: the well-known one, or an
    /// empty one, so that an import of which nothing is used does no harm.
    fn stand_in(&mut self, name: String, set: &mut Vec<u8>) {
        let file = DescriptorPool::global()
            .get_file_by_name(&name)
            .map(|known| known.file_descriptor_proto().clone())
            .unwrap_or_else(|| FileDescriptorProto {
                name: Some(name.clone()),
                ..Default::default()
            });
        append_file(set, &file.encode_to_vec());
        self.files.insert(name, file);
    }

    async fn ask_files(&mut self, question: MessageRequest) -> Result<Vec<Vec<u8>>, ReflectError> {
        match self.ask(question).await? {
            MessageResponse::FileDescriptorResponse(files) => Ok(files.file_descriptor_proto),
            _ => Err(ReflectError::Failed(self.strange("a definition"))),
        }
    }

    async fn ask(&mut self, question: MessageRequest) -> Result<MessageResponse, ReflectError> {
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        match answer.map(|answer| answer.message_response) {
            Ok(Some(MessageResponse::ErrorResponse(error))) => {
                match Code::from_i32(error.error_code) {
                    // The specification asks for NOT_FOUND; not every server heeds it.
                    Code::NotFound | Code::InvalidArgument | Code::Unknown => {
                        Err(ReflectError::NotFound)
                    }
                    code => Err(self.refused(&Status::new(code, error.error_message))),
                }
            }
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(ReflectError::Failed(self.strange("an answer"))),
            // tonic-reflection ends the stream where others send an error response.
            Err(status) if status.code() == Code::NotFound => {
                self.dialog = None;
                Err(ReflectError::NotFound)
            }
            Err(status) => {
                self.dialog = None;
                Err(self.refused(&status))
            }
        }
    }

    async fn exchange(
        &mut self,
        request: ServerReflectionRequest,
    ) -> Result<ServerReflectionResponse, Status> {
        if let Some(dialog) = &mut self.dialog {
            // A closed dialog says why in its answers.
            let _ = dialog.questions.send(request).await;
            return answer(&mut dialog.answers).await;
        }
        let versions = match self.version {
            Some(version) => vec![version],
            None => vec![Version::V1, Version::V1Alpha],
        };
        let mut last = Status::unimplemented("");
        for version in versions {
            match open(&self.channel, &self.metadata, version, request.clone()).await {
                Ok((dialog, answer)) => {
                    self.version = Some(version);
                    self.dialog = Some(dialog);
                    return Ok(answer);
                }
                Err(status) => {
                    // Only a version that works is remembered; a NOT_FOUND comes from one, too.
                    if status.code() == Code::NotFound {
                        self.version = Some(version);
                    }
                    let go_on = status.code() == Code::Unimplemented;
                    last = status;
                    if !go_on {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    fn refused(&self, status: &Status) -> ReflectError {
        let address = &self.address;
        ReflectError::Failed(match status.code() {
            Code::Unimplemented => Failure::failed(format!(
                "{address} does not offer server reflection; give the types with --proto FILE"
            )),
            Code::Unauthenticated | Code::PermissionDenied => Failure::Status {
                status: Box::new(Status::new(
                    status.code(),
                    format!("server reflection: {}", status.message()),
                )),
                details: Vec::new(),
            },
            code => Failure::failed(format!(
                "server reflection of {address} failed: {} {}",
                code_name(code),
                status.message()
            )),
        })
    }

    fn strange(&self, what: &str) -> Failure {
        Failure::failed(format!(
            "the reflection service of {} sent something else than {what}",
            self.address
        ))
    }
}

/// Opens a conversation with its first question: some servers send no headers before they answer.
async fn open(
    channel: &Channel,
    metadata: &MetadataMap,
    version: Version,
    first: ServerReflectionRequest,
) -> Result<(Dialog, ServerReflectionResponse), Status> {
    let (questions, receiver) = mpsc::channel(1);
    // The channel is new and has room for one.
    let _ = questions.send(first).await;
    let mut request = Request::new(ReceiverStream::new(receiver));
    *request.metadata_mut() = metadata.clone();
    let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(MAX_BYTES);
    let Ok(()) = client.ready().await;
    let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
    let response = client.streaming(request, version.path(), codec).await?;
    let mut answers = response.into_inner();
    let first = answer(&mut answers).await?;
    Ok((Dialog { questions, answers }, first))
}

async fn answer(
    answers: &mut Streaming<ServerReflectionResponse>,
) -> Result<ServerReflectionResponse, Status> {
    match answers.message().await? {
        Some(answer) => Ok(answer),
        None => Err(Status::unavailable("the server ended the conversation")),
    }
}

/// Appends one file to an encoded `FileDescriptorSet`, in which files are field 1.
fn append_file(set: &mut Vec<u8>, file: &[u8]) {
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, set);
    prost::encoding::encode_varint(file.len() as u64, set);
    set.extend_from_slice(file);
}
