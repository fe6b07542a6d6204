//! What a mock says: of an example, or made up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use examples::{Example, misfit, synth};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MethodDescriptor, ReflectMessage};
use prost_types::Any;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::pb;

use super::seed::Seed;
use crate::folder::Folder;

/// How many messages a made up stream has.
const STREAM: u64 = 3;

/// What a mock knows.
#[derive(Debug)]
pub(super) struct Answers {
    methods: HashMap<String, Arc<Method>>,
}

/// A method and its examples.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) descriptor: MethodDescriptor,
    pub(super) examples: Vec<Arc<Scene>>,
    seed: Seed,
}

/// An example, ready to be played.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) example: Example,
    /// How it ends, if not with OK.
    pub(super) failure: Option<Status>,
}

/// A message to send, and how long to wait before it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) after: Duration,
    pub(super) message: Result<DynamicMessage, Status>,
}

impl Answers {
    pub(super) fn new(folder: &Folder, seed: u64) -> anyhow::Result<Self> {
        let details = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET)?;
        let mut methods = HashMap::new();
        for service in folder.pool.services() {
            for descriptor in service.methods() {
                let path = examples::path_of(&descriptor);
                let scenes = folder.examples.for_method(&path).map(|example| {
                    let failure = failure(example, &folder.pool, &details)?;
                    Ok(Arc::new(Scene { example: example.clone(), failure }))
                });
                let examples = scenes.collect::<anyhow::Result<_>>()?;
                let seed = Seed::new(seed).with(path.as_bytes());
                methods.insert(path, Arc::new(Method { descriptor, examples, seed }));
            }
        }
        Ok(Self { methods })
    }

    pub(super) fn method(&self, path: &str) -> Option<Arc<Method>> {
        self.methods.get(path).cloned()
    }
}

impl Method {
    /// The example of that name.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Scene>> {
        self.examples.iter().find(|scene| scene.example.name == name).cloned()
    }

    /// The first example that is for these requests.
    pub(super) fn scene(&self, requests: &[Value]) -> Option<Arc<Scene>> {
        self.examples.iter().find(|scene| scene.example.applies(requests)).cloned()
    }

    /// Answers that are made up for a request, and the same for it each time.
    pub(super) fn made_up(&self, request: Option<&DynamicMessage>) -> Vec<Line> {
        let count = if self.descriptor.is_server_streaming() { STREAM } else { 1 };
        let lines = (0..count).map(|index| self.one_made_up(request, index));
        lines.collect()
    }

    /// One of them.
    pub(super) fn one_made_up(&self, request: Option<&DynamicMessage>, index: u64) -> Line {
        let bytes = request.map(DynamicMessage::encode_to_vec).unwrap_or_default();
        let seed = self.seed.with(&bytes).with(&index.to_le_bytes());
        let mut answer = synth::message(&self.descriptor.output(), seed.number());
        if let Some(request) = request {
            repeat(request, &mut answer);
        }
        Line { after: Duration::ZERO, message: Ok(answer) }
    }
}

impl Scene {
    /// Its answers from one of them on, and how it ends.
    pub(super) fn lines(&self, from: usize) -> Vec<Line> {
        let after = self.example.delay;
        let answers = self.example.response_messages().iter().skip(from).cloned();
        let failure = self.failure.iter().cloned().map(Err);
        answers.map(Ok).chain(failure).map(|message| Line { after, message }).collect()
    }
}

/// Puts what was asked for into the answer: whoever asks for an order by its id gets that one.
fn repeat(request: &DynamicMessage, answer: &mut DynamicMessage) {
    let descriptor = answer.descriptor();
    for (field, value) in request.fields() {
        let same = descriptor.get_field_by_name(field.name()).filter(|same| {
            let scalar = !matches!(field.kind(), Kind::Message(_));
            scalar && !field.is_list() && !same.is_list() && same.kind() == field.kind()
        });
        if let Some(same) = same {
            answer.set_field(&same, value.clone());
        }
    }
}

/// How an example ends, if not with OK, with its details as messages.
fn failure(
    example: &Example,
    contracts: &DescriptorPool,
    usual: &DescriptorPool,
) -> anyhow::Result<Option<Status>> {
    let status = &example.status;
    if status.is_ok() {
        return Ok(None);
    }
    let code = Code::from(status.code);
    let message = status.message.clone();
    let message = message.unwrap_or_else(|| format!("as in the example {}", example.name));
    if status.details.is_empty() {
        return Ok(Some(Status::new(code, message)));
    }
    let mut details = Vec::new();
    for detail in &status.details {
        let url = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        let name = url.rsplit('/').next().unwrap_or(url);
        let known = contracts.get_message_by_name(name).or_else(|| usual.get_message_by_name(name));
        let Some(descriptor) = known else {
            bail!("{}:{}: {name} is not known", example.file, example.place.line);
        };
        let mut alone = detail.clone();
        if let Some(members) = alone.as_object_mut() {
            members.remove("@type");
        }
        let message = misfit::message(&descriptor, &alone).map_err(|misfit| {
            anyhow::anyhow!("{}:{}: {name}: {misfit}", example.file, example.place.line)
        })?;
        let type_url =
            if url.contains('/') { url.to_owned() } else { format!("type.googleapis.com/{name}") };
        details.push(Any { type_url, value: message.encode_to_vec() });
    }
    let packed = pb::Status { code: status.code, message: message.clone(), details };
    Ok(Some(Status::with_details(code, message, packed.encode_to_vec().into())))
}
