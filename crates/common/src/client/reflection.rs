//! Asks a server for its own contracts: `grpc.reflection.v1`, or `v1alpha` where only that is served.
//!
//! See <https://grpc.io/docs/guides/reflection/>. The two versions differ in nothing but the path,
//! so one set of types serves both.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

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

use super::Channel;

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
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// The server does not know the name.
    #[error("the name is not known")]
    NotFound,
    /// It has no reflection service.
    #[error("server reflection is not offered")]
    NotOffered,
    /// The call ended with this.
    #[error("server reflection failed: {}", .0.message())]
    Refused(Box<Status>),
    /// The answer is not what was asked for.
    #[error("the reflection service sent something else than {0}")]
    Strange(&'static str),
    /// The answers are more than anybody's contracts.
    #[error("more than {MAX_FILES} files or {} MiB of definitions were sent", MAX_BYTES >> 20)]
    TooMuch,
    /// The definitions contradict each other, or lack something.
    #[error("the definitions of {symbol} do not fit together: {source}")]
    Contradictory {
        /// What was asked for.
        symbol: String,
        /// What does not fit.
        source: prost_reflect::DescriptorError,
    },
}

/// A conversation with a server's reflection service, opened with the first question.
#[derive(Debug)]
pub struct Reflection {
    channel: Channel,
    metadata: MetadataMap,
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
    /// Nothing is asked yet; `metadata` goes with each question.
    pub fn new(channel: Channel, metadata: MetadataMap) -> Self {
        Self { channel, metadata, version: None, dialog: None, files: HashMap::new(), bytes: 0 }
    }

    /// The full name of the reflection service in use.
    pub fn service_name(&self) -> &'static str {
        match self.version {
            Some(Version::V1Alpha) => "grpc.reflection.v1alpha",
            _ => "grpc.reflection.v1",
        }
    }

    /// The full names of the services that the server names, sorted.
    ///
    /// # Errors
    /// See [`ReflectionError`].
    pub async fn services(&mut self) -> Result<Vec<String>, ReflectionError> {
        match self.ask(MessageRequest::ListServices("*".to_owned())).await {
            Ok(MessageResponse::ListServicesResponse(list)) => {
                let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                names.sort();
                names.dedup();
                Ok(names)
            }
            Ok(_) | Err(ReflectionError::NotFound) => {
                Err(ReflectionError::Strange("its list of services"))
            }
            Err(error) => Err(error),
        }
    }

    /// Adds the file that defines `symbol`, and all that it imports, to `pool`.
    ///
    /// # Errors
    /// See [`ReflectionError`].
    pub async fn load(
        &mut self,
        symbol: &str,
        pool: &mut DescriptorPool,
    ) -> Result<(), ReflectionError> {
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
                Err(ReflectionError::NotFound) => self.stand_in(name, &mut set),
                Err(failed) => return Err(failed),
            }
        }
        // Decoded by the pool from the bytes, since prost's types would drop custom options.
        pool.decode_file_descriptor_set(set.as_slice())
            .map_err(|source| ReflectionError::Contradictory { symbol: symbol.to_owned(), source })
    }

    /// Ends the conversation; the next question opens another. It is half-closed and heard out,
    /// so that the server does not count it as cancelled.
    pub async fn close(&mut self) {
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
    ) -> Result<(), ReflectionError> {
        for bytes in files {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .map_err(|_| ReflectionError::Strange("a file descriptor"))?;
            self.bytes = self.bytes.saturating_add(bytes.len());
            if self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
                return Err(ReflectionError::TooMuch);
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

    async fn ask_files(
        &mut self,
        question: MessageRequest,
    ) -> Result<Vec<Vec<u8>>, ReflectionError> {
        match self.ask(question).await? {
            MessageResponse::FileDescriptorResponse(files) => Ok(files.file_descriptor_proto),
            _ => Err(ReflectionError::Strange("a definition")),
        }
    }

    async fn ask(&mut self, question: MessageRequest) -> Result<MessageResponse, ReflectionError> {
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
                        Err(ReflectionError::NotFound)
                    }
                    code => Err(refused(Status::new(code, error.error_message))),
                }
            }
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(ReflectionError::Strange("an answer")),
            // tonic-reflection ends the stream where others send an error response.
            Err(status) if status.code() == Code::NotFound => {
                self.dialog = None;
                Err(ReflectionError::NotFound)
            }
            Err(status) => {
                self.dialog = None;
                Err(refused(status))
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
}

fn refused(status: Status) -> ReflectionError {
    match status.code() {
        Code::Unimplemented => ReflectionError::NotOffered,
        _ => ReflectionError::Refused(Box::new(status)),
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
