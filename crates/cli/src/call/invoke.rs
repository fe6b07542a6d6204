//! Makes one call: messages in as they come, answers out as they come.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use ahoy::Channel;
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use prost_reflect::{ReflectMessage, SerializeOptions};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use tonic_types::pb;

use super::any;
use super::codec::DynamicCodec;
use super::connect::MAX_ANSWER_BYTES;
use super::failure::{Detail, Failure};
use super::input::{self, Splitter};
use super::output::{Messages, Report, milliseconds, to_json};
use super::resolve::path_of;
use super::schema::Schema;

/// How many rounds of types inside of types are asked for.
const MAX_ANY_ROUNDS: usize = 4;

/// The stdin of the command.
pub(crate) struct Stdin<I> {
    pub(crate) reader: I,
    pub(crate) is_terminal: bool,
}

/// What to call, and how.
pub(crate) struct Call<'a> {
    pub(crate) method: MethodDescriptor,
    pub(crate) metadata: MetadataMap,
    pub(crate) deadline: Option<Duration>,
    /// The value of `-d`.
    pub(crate) data: Option<&'a str>,
}

/// Where the messages of a call come from.
enum Feed<I> {
    /// All were there, and right, before the call began.
    Whole(Vec<DynamicMessage>),
    /// They are sent as they are read.
    Live(I),
}

/// Makes the call and writes its answers.
///
/// # Errors
/// [`Failure::Status`] if it does not end with OK, [`Failure::Usage`] if a message is wrong, in
/// which case a call that has begun is cancelled rather than ended.
pub(crate) async fn invoke<I, O, E>(
    call: Call<'_>,
    channel: Channel,
    schema: &mut Schema,
    stdin: Stdin<I>,
    messages: &mut Messages<O>,
    report: &mut Report<E>,
) -> Result<(), Failure>
where
    I: AsyncRead + Unpin,
    O: Write,
    E: Write,
{
    schema.rest().await;
    let input = call.method.input();
    let feed = feed(&call, stdin, report).await?;
    let (sender, receiver) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(receiver));
    *request.metadata_mut() = call.metadata.clone();
    if let Some(deadline) = call.deadline {
        request.set_timeout(deadline);
    }

    let started = Instant::now();
    let mut sent = 0;
    let pump = pump(feed, &input, sender, &mut sent);
    let exchange = exchange(&call.method, channel, request, schema, messages, report);
    let ended = {
        tokio::pin!(pump, exchange);
        let mut pumping = true;
        loop {
            tokio::select! {
                // An answer that is there goes before a message that is wrong.
                biased;
                ended = &mut exchange => break ended,
                pumped = &mut pump, if pumping => match pumped {
                    Ok(()) => pumping = false,
                    Err(failure) => break Err(failure),
                },
            }
        }
    };
    report.note(format_args!(
        "ended after {}; messages sent: {sent}",
        milliseconds(started.elapsed())
    ));
    match ended {
        Err(Failure::Status { status, .. }) => {
            report.metadata("trailers", status.metadata());
            let details = details(&status, schema).await;
            Err(Failure::Status { status, details })
        }
        ended => ended,
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status { status: Box::new(status), details: Vec::new() }
    }
}

/// Decides where the messages come from, and reads those that a call needs before it begins.
async fn feed<I, E>(
    call: &Call<'_>,
    mut stdin: Stdin<I>,
    report: &mut Report<E>,
) -> Result<Feed<I>, Failure>
where
    I: AsyncRead + Unpin,
    E: Write,
{
    let streams = call.method.is_client_streaming();
    let bytes = match call.data {
        Some("@") | None if streams => {
            if stdin.is_terminal {
                report.say(format_args!(
                    "Type messages of {} as JSON; Ctrl-D ends them.",
                    call.method.input().full_name()
                ));
            }
            return Ok(Feed::Live(stdin.reader));
        }
        None => Vec::new(),
        Some("@") => {
            let mut bytes = Vec::new();
            let read = stdin.reader.read_to_end(&mut bytes).await;
            read.map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
            bytes
        }
        Some(data) => match data.strip_prefix('@') {
            Some(file) => tokio::fs::read(file)
                .await
                .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?,
            None => data.as_bytes().to_vec(),
        },
    };
    let descriptor = call.method.input();
    let mut whole = input::parse_all(&descriptor, &bytes).map_err(|error| {
        // What a shell does to {"name": "Ada"}.
        let unquoted = call.data.is_some_and(|data| data.starts_with('{') && !data.contains('"'));
        let hint = if unquoted { "; a shell wants it in single quotes" } else { "" };
        Failure::usage(format!("{error}{hint}"))
    })?;
    if !streams {
        if whole.is_empty() {
            whole.push(DynamicMessage::new(descriptor));
        }
        if whole.len() > 1 {
            return Err(Failure::usage(format!(
                "{} takes one message, and {} are given",
                path_of(&call.method),
                whole.len()
            )));
        }
    }
    Ok(Feed::Whole(whole))
}

/// Sends the messages, each when there is room for it. Ends early, and well, if the call does.
async fn pump<I: AsyncRead + Unpin>(
    feed: Feed<I>,
    descriptor: &MessageDescriptor,
    sender: mpsc::Sender<DynamicMessage>,
    sent: &mut usize,
) -> Result<(), Failure> {
    let mut reader = match feed {
        Feed::Whole(messages) => {
            for message in messages {
                if sender.send(message).await.is_err() {
                    break;
                }
                *sent += 1;
            }
            return Ok(());
        }
        Feed::Live(reader) => reader,
    };
    let mut splitter = Splitter::new();
    let mut buffer = vec![0; 8 << 10];
    loop {
        let read = reader
            .read(&mut buffer)
            .await
            .map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
        match buffer.get(..read) {
            Some([]) | None => splitter.finish(),
            Some(bytes) => splitter.push(bytes).map_err(Failure::usage)?,
        }
        while let Some(text) = splitter.next() {
            let message = input::parse(descriptor, &text).map_err(Failure::usage)?;
            if sender.send(message).await.is_err() {
                return Ok(());
            }
            *sent += 1;
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// The call from the first message to the trailers.
async fn exchange<O: Write, E: Write>(
    method: &MethodDescriptor,
    channel: Channel,
    request: Request<ReceiverStream<DynamicMessage>>,
    schema: &mut Schema,
    messages: &mut Messages<O>,
    report: &mut Report<E>,
) -> Result<(), Failure> {
    let path: PathAndQuery = format!("/{}", path_of(method))
        .parse()
        .map_err(|_| Failure::failed(format!("{} is no path", path_of(method))))?;
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    let Ok(()) = client.ready().await;

    let started = Instant::now();
    let codec = DynamicCodec::new(method.output());
    let response = client.streaming(request, path, codec).await?;
    report.metadata(
        &format!("headers after {}", milliseconds(started.elapsed())),
        response.metadata(),
    );
    let mut answers = response.into_inner();
    let mut received = 0_usize;
    while let Some(answer) = answers.message().await? {
        received += 1;
        let unknown = any::unknown_types(&answer);
        if unknown.is_empty() {
            messages.message(&answer)?;
        } else {
            let (answer, unknown) = learn(answer, unknown, schema).await?;
            if !unknown.is_empty() {
                let names: Vec<_> = unknown.into_iter().collect();
                report.say(format_args!(
                    "warning: left out what is packed as {}; the server does not say what that is",
                    names.join(", ")
                ));
            }
            messages.message(&answer)?;
        }
    }
    if received == 0 && !method.is_server_streaming() {
        return Err(Status::internal("the server sent OK, but no message").into());
    }
    let trailers = answers.trailers().await?.unwrap_or_default();
    report.metadata("trailers", &trailers);
    report.note(format_args!("OK; messages received: {received}"));
    Ok(())
}

/// Asks the server for types packed in `message`; returns it over the types then known, with the
/// names of those that still are not.
async fn learn(
    mut message: DynamicMessage,
    mut unknown: BTreeSet<String>,
    schema: &mut Schema,
) -> Result<(DynamicMessage, BTreeSet<String>), Failure> {
    for _ in 0..MAX_ANY_ROUNDS {
        let mut learned = false;
        for name in &unknown {
            learned |= schema.message(name).await?.is_some();
        }
        if !learned {
            break;
        }
        let name = message.descriptor().full_name().to_owned();
        let Some(descriptor) = schema.pool().get_message_by_name(&name) else {
            break;
        };
        message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
            .map_err(|error| Failure::failed(format!("an answer is no {name}: {error}")))?;
        unknown = any::unknown_types(&message);
    }
    schema.rest().await;
    Ok((message, unknown))
}

/// The details of a status, as the richer error model packs them.
///
/// See <https://grpc.io/docs/guides/error/#richer-error-model>.
async fn details(status: &Status, schema: &mut Schema) -> Vec<Detail> {
    if status.details().is_empty() {
        return Vec::new();
    }
    let Ok(packed) = pb::Status::decode(status.details()) else {
        return vec![Detail {
            type_name: "grpc-status-details-bin".to_owned(),
            text: format!("{} bytes that are no google.rpc.Status", status.details().len()),
        }];
    };
    // The usual types are known without asking.
    let usual = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    let mut details = Vec::new();
    for detail in packed.details {
        let name = any::type_name(&detail.type_url);
        let descriptor = match usual.get_message_by_name(name) {
            Some(descriptor) => Some(descriptor),
            None => schema.message(name).await.ok().flatten(),
        };
        let text = descriptor
            .and_then(|found| DynamicMessage::decode(found, detail.value.as_slice()).ok())
            .and_then(|message| to_json(&message, true, &SerializeOptions::new()).ok())
            .unwrap_or_else(|| format!("{} bytes of an unknown type", detail.value.len()));
        details.push(Detail { type_name: name.to_owned(), text });
    }
    details
}
