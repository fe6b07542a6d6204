//! A service that answers for any contract: gRPC in, gRPC out, no generated code.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ahoy::body::Body;
use examples::compare::in_full;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Request, Response};
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc, StreamingService};
use tonic::{Status, Streaming};
use tower::Service;

use super::answers::{Answers, Line, Method, Scene};
use crate::call::codec::DynamicCodec;

/// Chooses an example in a request, and names it in an answer.
const EXAMPLE: &str = "x-example";

/// Stands for the answers that no example gives.
const MADE_UP: &str = "made-up";

/// The mock of all services of a folder.
#[derive(Clone, Debug)]
pub(super) struct Mock {
    answers: Arc<Answers>,
}

impl Mock {
    pub(super) fn new(answers: Arc<Answers>) -> Self {
        Self { answers }
    }
}

impl Service<Request<Body>> for Mock {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let Some(method) = self.answers.method(path) else {
            let status = Status::unimplemented(format!("the contracts have no method {path}"));
            return Box::pin(ready(Ok(status.into_http())));
        };
        let codec = DynamicCodec::new(method.descriptor.input());
        // How long a message may be is the server's to say.
        let mut grpc = Grpc::new(codec).max_decoding_message_size(usize::MAX);
        Box::pin(async move { Ok(grpc.streaming(Call { method }, request).await) })
    }
}

struct Call {
    method: Arc<Method>,
}

type Lines = BoxStream<'static, Result<DynamicMessage, Status>>;

impl StreamingService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type ResponseStream = Lines;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Lines>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Streaming<DynamicMessage>>) -> Self::Future {
        Box::pin(answer(Arc::clone(&self.method), request))
    }
}

async fn answer(
    method: Arc<Method>,
    request: tonic::Request<Streaming<DynamicMessage>>,
) -> Result<tonic::Response<Lines>, Status> {
    let wanted = match request.metadata().get(EXAMPLE) {
        None => None,
        Some(name) => {
            let name = name.to_str().unwrap_or_default();
            let found = method.named(name);
            Some(found.ok_or_else(|| no_example(&method, name))?)
        }
    };
    let mut requests = request.into_inner();
    if let Some(scene) = wanted {
        // What is sent does not matter, but it may be sent.
        let name = scene.example.name.clone();
        return Ok(told(play(scene.lines(0)), &name));
    }
    let descriptor = &method.descriptor;
    match (descriptor.is_client_streaming(), descriptor.is_server_streaming()) {
        (true, true) => Ok(tonic::Response::new(converse(method, requests))),
        (true, false) => {
            let (seen, last) = gather(&method, &mut requests).await?;
            Ok(reply(&method, &seen, last.as_ref()))
        }
        (false, _) => {
            let Some(request) = requests.message().await? else {
                return Err(Status::internal("a request without a message"));
            };
            Ok(reply(&method, &[in_full(&request)], Some(&request)))
        }
    }
}

fn no_example(method: &Method, name: &str) -> Status {
    let names: Vec<_> = method.examples.iter().map(|scene| scene.example.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Status::not_found(format!("the method has no example {name:?}; it has {names}"))
}

/// The answer to requests that are known as a whole.
fn reply(
    method: &Method,
    requests: &[Value],
    last: Option<&DynamicMessage>,
) -> tonic::Response<Lines> {
    match method.scene(requests) {
        Some(scene) => told(play(scene.lines(0)), &scene.example.name),
        None => told(play(method.made_up(last)), MADE_UP),
    }
}

/// Reads a stream of requests to its end, and keeps as many as an example could ask for.
async fn gather(
    method: &Method,
    requests: &mut Streaming<DynamicMessage>,
) -> Result<(Vec<Value>, Option<DynamicMessage>), Status> {
    let lengths = method.examples.iter().map(|scene| scene.example.requests.len());
    // One more tells that there are too many.
    let most = lengths.max().unwrap_or(0) + 1;
    let (mut seen, mut last) = (Vec::new(), None);
    while let Some(request) = requests.message().await? {
        if seen.len() < most {
            seen.push(in_full(&request));
        }
        last = Some(request);
    }
    Ok((seen, last))
}

/// An answer that says which example it is.
fn told(lines: Lines, name: &str) -> tonic::Response<Lines> {
    let mut response = tonic::Response::new(lines);
    if let Ok(name) = MetadataValue::try_from(name) {
        response.metadata_mut().insert(EXAMPLE, name);
    }
    response
}

/// Sends the lines, each at its time.
fn play(lines: Vec<Line>) -> Lines {
    stream::iter(lines).then(said).boxed()
}

async fn said(line: Line) -> Result<DynamicMessage, Status> {
    if !line.after.is_zero() {
        tokio::time::sleep(line.after).await;
    }
    line.message
}

/// A conversation: each message is answered as it comes.
struct Conversation {
    method: Arc<Method>,
    requests: Streaming<DynamicMessage>,
    /// The examples that everything so far fits.
    scenes: Vec<Arc<Scene>>,
    /// How many messages have come.
    count: usize,
    waiting: VecDeque<Line>,
    over: bool,
}

fn converse(method: Arc<Method>, requests: Streaming<DynamicMessage>) -> Lines {
    let scenes = method.examples.clone();
    let waiting = VecDeque::new();
    let begun = Conversation { method, requests, scenes, count: 0, waiting, over: false };
    stream::unfold(begun, |mut conversation| async move {
        let line = conversation.next().await?;
        if line.message.is_err() {
            conversation.waiting.clear();
            conversation.over = true;
        }
        Some((said(line).await, conversation))
    })
    .boxed()
}

impl Conversation {
    async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            match self.requests.message().await {
                Ok(Some(request)) => self.hear(&request),
                Ok(None) => self.end(),
                Err(status) => {
                    let message = Err(status);
                    return Some(Line { after: Duration::ZERO, message });
                }
            }
        }
    }

    fn hear(&mut self, request: &DynamicMessage) {
        let index = self.count;
        self.count += 1;
        let json = in_full(request);
        self.scenes.retain(|scene| scene.example.asks_for(index, &json));
        if let Some(scene) = self.scenes.first() {
            let example = &scene.example;
            let mut lines = scene.lines(index);
            // The last request has all answers that are left.
            if self.count < example.requests.len() {
                lines.truncate(usize::from(index < example.responses.len()));
            } else if example.status.is_ok() {
                lines.truncate(1);
            }
            self.waiting.extend(lines);
            return;
        }
        let scenes = self.method.examples.iter();
        let known =
            scenes.filter_map(|scene| Some((scene, scene.example.answer_to(&json)?))).next();
        let line = match known {
            Some((scene, at)) => scene.lines(at).into_iter().next(),
            None => Some(self.method.one_made_up(Some(request), index as u64)),
        };
        self.waiting.extend(line);
    }

    /// The client has nothing more to say: what an example that fits it all has left is said.
    fn end(&mut self) {
        self.over = true;
        let fits = |scene: &&Arc<Scene>| scene.example.requests.len() == self.count;
        if let Some(scene) = self.scenes.iter().find(fits) {
            self.waiting.extend(scene.lines(self.count));
        }
    }
}
