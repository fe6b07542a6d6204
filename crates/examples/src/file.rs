//! One file of examples: from YAML to what fits the contract.

use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use rules::{CheckError, Rules};
use serde_json::Value;

use crate::misfit::{self, Path, Step};
use crate::suggest::did_you_mean;
use crate::yaml::{self, Entry, Kind, Node};
use crate::{Compare, EXTENSION, Example, Place, Problem, Status, compare, status};

/// What an example may say.
const KEYS: [&str; 11] = [
    "name",
    "description",
    "method",
    "request",
    "requests",
    "response",
    "responses",
    "status",
    "when",
    "compare",
    "delay",
];

/// How a call ends whose request breaks a rule.
const INVALID_ARGUMENT: i32 = 3;

/// The longest that a mock waits before an answer.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Types of details that every gRPC library knows, whatever the contract imports.
const DETAILS: &str = "google.rpc.";

const FORMAT: &str = "the format is in docs/examples.md";
const FIT: &str = "make the example fit its contract, or the contract its example";

/// Reads a file and adds what is in it.
pub(crate) fn read(
    path: &str,
    source: &str,
    pool: &DescriptorPool,
    rules: &Rules,
    examples: &mut Vec<Example>,
    problems: &mut Vec<Problem>,
) {
    let problem = |place, text, advice| Problem { file: path.to_owned(), place, text, advice };
    let root = match yaml::read(source) {
        Ok(Some(root)) => root,
        Ok(None) => return,
        Err(mistake) => return problems.push(problem(mistake.place, mistake.text, FORMAT)),
    };
    if let Kind::Object(entries) = &root.kind
        && let Some(other) = entries.iter().find(|entry| entry.key != "examples")
    {
        let text = format!("unknown key {:?}: a file has `examples` and nothing else", other.key);
        problems.push(problem(other.place, text, FORMAT));
    }
    let list = root.get("examples").map(|entry| &entry.value.kind);
    let Some(Kind::List(items)) = list else {
        let text = "a file of examples is `examples:` and a list".to_owned();
        return problems.push(problem(root.place, text, FORMAT));
    };
    let first = examples.len();
    let reader = Reader { file: path, pool, rules };
    for item in items {
        match reader.example(item) {
            Ok(example) => {
                let same = |known: &&Example| known.name == example.name;
                if let Some(known) = examples.iter().skip(first).find(same) {
                    let line = known.place.line;
                    let text = format!("the name {:?} is taken on line {line}", example.name);
                    problems.push(problem(item.place, text, "give each example its own name"));
                } else {
                    examples.push(example);
                }
            }
            Err(found) => problems.push(*found),
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    pool: &'a DescriptorPool,
    rules: &'a Rules,
}

type Read<T> = Result<T, Box<Problem>>;

impl Reader<'_> {
    fn wrong<T>(&self, place: Place, text: impl Into<String>, advice: &'static str) -> Read<T> {
        let (file, text) = (self.file.to_owned(), text.into());
        Err(Box::new(Problem { file, place, text, advice }))
    }

    fn example(&self, node: &Node) -> Read<Example> {
        self.known_keys(node, &KEYS)?;
        let name = match node.get("name") {
            Some(entry) => self.text(&entry.value)?.to_owned(),
            None => return self.wrong(node.place, "an example without a name", FORMAT),
        };
        if name.is_empty() {
            return self.wrong(node.place, "an example without a name", FORMAT);
        }
        let description = match node.get("description") {
            Some(entry) => self.text(&entry.value)?.trim_end().to_owned(),
            None => String::new(),
        };
        let Some(entry) = node.get("method") else {
            return self.wrong(node.place, format!("the example {name:?} has no method"), FORMAT);
        };
        let method = self.method(self.text(&entry.value)?, entry.value.place)?;
        let (input, output) = (method.input(), method.output());

        let client_streams = method.is_client_streaming();
        let mut requests = self.messages(node, ("request", "requests"), client_streams, &input)?;
        if requests.is_empty() && !client_streams {
            let empty = Value::Object(serde_json::Map::new());
            requests.push((empty, DynamicMessage::new(input.clone())));
        }
        let server_streams = method.is_server_streaming();
        let responses = self.messages(node, ("response", "responses"), server_streams, &output)?;
        let status = match node.get("status") {
            Some(entry) => self.status(&entry.value)?,
            None => Status::default(),
        };
        if status.code != INVALID_ARGUMENT {
            let place = node.get("request").or_else(|| node.get("requests"));
            self.keeps_rules(place.map_or(node.place, |entry| entry.value.place), &requests)?;
        }
        if !server_streams {
            match (responses.len(), status.is_ok()) {
                (0, true) => {
                    let text = format!("the example {name:?} has neither a response nor a status");
                    return self.wrong(node.place, text, "say how the call ends");
                }
                (1.., false) => {
                    let text = "a call that fails has no response";
                    return self.wrong(node.place, text, "leave out `response` or `status`");
                }
                _ => {}
            }
        }

        let in_full = |(raw, message): &(Value, DynamicMessage)| {
            compare::only_named(&input, raw, &compare::in_full(message))
        };
        let conditions = match node.get("when") {
            Some(entry) => vec![in_full(&self.message(&entry.value, &input)?)],
            None => requests.iter().map(in_full).collect(),
        };
        let compare = match node.get("compare") {
            None => Compare::Exact,
            Some(entry) => match entry.value.text() {
                Some("exact") => Compare::Exact,
                Some("partial") => Compare::Partial,
                _ => return self.wrong(entry.value.place, "`compare` is exact or partial", FORMAT),
            },
        };
        let delay = match node.get("delay") {
            Some(entry) => self.delay(&entry.value)?,
            None => Duration::ZERO,
        };
        let (requests, request_messages) = requests.into_iter().unzip();
        let (responses, response_messages) = responses.into_iter().unzip();
        Ok(Example {
            name,
            description,
            method,
            requests,
            responses,
            status,
            compare,
            delay,
            file: self.file.to_owned(),
            place: node.place,
            request_messages,
            response_messages,
            conditions,
            when: node.get("when").is_some(),
        })
    }

    fn known_keys(&self, node: &Node, known: &[&str]) -> Read<()> {
        let Kind::Object(entries) = &node.kind else {
            return self.wrong(node.place, "expected keys and values", FORMAT);
        };
        match entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            None => Ok(()),
            Some(entry) => {
                let hint = did_you_mean(&entry.key, known.iter().copied());
                let hint = hint.unwrap_or_else(|| format!("; there are {}", known.join(", ")));
                self.wrong(entry.place, format!("unknown key {:?}{hint}", entry.key), FORMAT)
            }
        }
    }

    fn text<'n>(&self, node: &'n Node) -> Read<&'n str> {
        match node.text() {
            Some(text) => Ok(text),
            None => self.wrong(node.place, "expected a text", "put it in quotes"),
        }
    }

    /// The method of a name: in full, or as short as it is clear in the contract that the file
    /// stands beside.
    fn method(&self, name: &str, place: Place) -> Read<MethodDescriptor> {
        let beside = self.file.strip_suffix(EXTENSION).map(|stem| format!("{stem}.proto"));
        let beside = beside.and_then(|name| self.pool.get_file_by_name(&name));
        let services: Vec<_> = match &beside {
            Some(file) if !name.contains('.') => file.services().collect(),
            _ => self.pool.services().collect(),
        };
        let methods: Vec<_> =
            services.iter().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
        let (service, short) = name.rsplit_once('/').unwrap_or(("", name));
        let matching: Vec<_> = methods
            .iter()
            .filter(|method| {
                let parent = method.parent_service();
                let same = parent.full_name() == service || parent.name() == service;
                method.name() == short && (service.is_empty() || same)
            })
            .collect();
        match matching.as_slice() {
            [method] => Ok((*method).clone()),
            [] => {
                let hint = did_you_mean(short, methods.iter().map(MethodDescriptor::name));
                let text = format!("there is no method {name}{}", hint.unwrap_or_default());
                self.wrong(place, text, FIT)
            }
            _ => {
                let text = format!("several services have a method {name}");
                self.wrong(place, text, "write package.Service/Method")
            }
        }
    }

    /// The messages below the key for one or the key for several, whichever the method has.
    /// No server with this contract lets a request pass that breaks its rules.
    fn keeps_rules(&self, place: Place, requests: &[(Value, DynamicMessage)]) -> Read<()> {
        for (_, request) in requests {
            if let Err(CheckError::Violations(violations)) = self.rules.check(request) {
                let broken: Vec<_> = violations.iter().map(ToString::to_string).collect();
                let text =
                    format!("the request breaks the contract's rules: {}", broken.join("; "));
                let advice = "make it keep them, or say `status: INVALID_ARGUMENT`";
                return self.wrong(place, text, advice);
            }
        }
        Ok(())
    }

    fn messages(
        &self,
        node: &Node,
        (one, several): (&str, &str),
        streams: bool,
        descriptor: &MessageDescriptor,
    ) -> Read<Vec<(Value, DynamicMessage)>> {
        let (right, wrong) = if streams { (several, one) } else { (one, several) };
        if let Some(entry) = node.get(wrong) {
            let kind = if streams { "streams" } else { "sends one message" };
            let side = if one == "request" { "client" } else { "server" };
            let text = format!("`{wrong}` where the {side} {kind}");
            let advice = if streams { "write a list of messages" } else { "write one message" };
            return self.wrong(entry.place, text, advice);
        }
        match node.get(right).map(|entry| &entry.value) {
            None => Ok(Vec::new()),
            Some(node) if !streams => Ok(vec![self.message(node, descriptor)?]),
            Some(Node { kind: Kind::List(items), .. }) => {
                items.iter().map(|item| self.message(item, descriptor)).collect()
            }
            Some(node) => self.wrong(node.place, format!("`{right}` is a list"), FORMAT),
        }
    }

    fn message(
        &self,
        node: &Node,
        descriptor: &MessageDescriptor,
    ) -> Read<(Value, DynamicMessage)> {
        let json = node.json();
        match misfit::message(descriptor, &json) {
            Ok(message) => Ok((json, message)),
            Err(misfit) => {
                let place = place_of(node, &misfit.path);
                let mut text = misfit.to_string();
                if text.contains("expected string, not") {
                    text.push_str(" (a text that looks like a number is put in quotes)");
                }
                self.wrong(place, text, FIT)
            }
        }
    }

    fn status(&self, node: &Node) -> Read<Status> {
        // The short form: a code alone.
        if let Kind::Scalar(value) = &node.kind {
            return Ok(Status { code: self.code(value, node.place)?, ..Status::default() });
        }
        self.known_keys(node, &["code", "message", "details"])?;
        let Some(entry) = node.get("code") else {
            return self.wrong(node.place, "a status without a code", FORMAT);
        };
        let code = self.code(&entry.value.json(), entry.value.place)?;
        let message = match node.get("message") {
            Some(entry) => Some(self.text(&entry.value)?.to_owned()),
            None => None,
        };
        let details = match node.get("details").map(|entry| &entry.value) {
            None => Vec::new(),
            Some(Node { kind: Kind::List(items), .. }) => {
                items.iter().map(|item| self.detail(item)).collect::<Read<_>>()?
            }
            Some(node) => return self.wrong(node.place, "`details` is a list", FORMAT),
        };
        if code == 0 && !details.is_empty() {
            return self.wrong(node.place, "OK has no details", FORMAT);
        }
        Ok(Status { code, message, details })
    }

    fn code(&self, value: &Value, place: Place) -> Read<i32> {
        match status::code(value) {
            Some(code) => Ok(code),
            None => {
                let name = value.as_str().unwrap_or_default().to_uppercase();
                let hint = did_you_mean(&name, status::CODES).unwrap_or_default();
                self.wrong(place, format!("{value} is no status code{hint}"), FORMAT)
            }
        }
    }

    fn detail(&self, node: &Node) -> Read<Value> {
        let Some(Entry { value: at, .. }) = node.get("@type") else {
            return self.wrong(node.place, "a detail without its \"@type\"", FORMAT);
        };
        let url = self.text(at)?;
        let name = url.rsplit('/').next().unwrap_or(url);
        let json = node.json();
        let Some(descriptor) = self.pool.get_message_by_name(name) else {
            if name.starts_with(DETAILS) {
                return Ok(json);
            }
            return self.wrong(at.place, format!("no contract has a message {name}"), FIT);
        };
        let mut alone = json.clone();
        if let Some(members) = alone.as_object_mut() {
            members.remove("@type");
        }
        match misfit::message(&descriptor, &alone) {
            Ok(_) => Ok(json),
            Err(misfit) => self.wrong(place_of(node, &misfit.path), misfit.to_string(), FIT),
        }
    }

    /// `250ms`, `2s`, or a number of seconds.
    fn delay(&self, node: &Node) -> Read<Duration> {
        let seconds = match &node.kind {
            Kind::Scalar(Value::Number(number)) => number.as_f64(),
            Kind::Scalar(Value::String(text)) => match text.strip_suffix("ms") {
                Some(number) => number.trim().parse::<f64>().ok().map(|ms| ms / 1e3),
                None => text.strip_suffix('s').and_then(|number| number.trim().parse().ok()),
            },
            _ => None,
        };
        let delay = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match delay.filter(|delay| *delay <= MAX_DELAY) {
            Some(delay) => Ok(delay),
            None => {
                let text =
                    format!("`delay` is a time up to {} s, such as 250ms", MAX_DELAY.as_secs());
                self.wrong(node.place, text, FORMAT)
            }
        }
    }
}

/// Where the value at the end of a path stands: its key, or itself where it has none.
fn place_of(node: &Node, path: &Path) -> Place {
    let mut place = node.place;
    let mut node = Some(node);
    for step in &path.0 {
        let Some(here) = node else { return place };
        node = match step {
            Step::Field(key) | Step::Entry(key) => here.get(key).map(|entry| {
                place = entry.place;
                &entry.value
            }),
            Step::Item(at) => here.item(*at).inspect(|item| place = item.place),
        };
    }
    place
}
