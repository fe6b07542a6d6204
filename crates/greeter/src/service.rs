use std::time::Duration;

use contracts::hello::v1::hello_service_server::HelloService;
use contracts::hello::v1::{
    ChatRequest, ChatResponse, GreetEveryoneRequest, GreetEveryoneResponse,
    SayHelloManyTimesRequest, SayHelloManyTimesResponse, SayHelloRequest, SayHelloResponse,
};
use tokio_stream::StreamExt;
use tonic::codegen::BoxStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::greeting::{Everyone, LANGUAGES, Language, MAX_NAME_BYTES};

const DEFAULT_COUNT: u32 = 5;
const MAX_COUNT: u32 = 10_000;
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The service. It has no state: clone it, or make as many as are needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greeter;

#[tonic::async_trait]
impl HelloService for Greeter {
    async fn say_hello(
        &self,
        request: Request<SayHelloRequest>,
    ) -> Result<Response<SayHelloResponse>, Status> {
        let SayHelloRequest { name, language } = request.into_inner();
        let greeting = check(&name, &language)?.greet(&name);
        Ok(Response::new(SayHelloResponse { greeting }))
    }

    type SayHelloManyTimesStream = BoxStream<SayHelloManyTimesResponse>;

    async fn say_hello_many_times(
        &self,
        request: Request<SayHelloManyTimesRequest>,
    ) -> Result<Response<Self::SayHelloManyTimesStream>, Status> {
        let request = request.into_inner();
        let mut violations = Vec::new();
        let count = match request.count {
            0 => DEFAULT_COUNT,
            count => count,
        };
        if count > MAX_COUNT {
            violations.push(FieldViolation::new("count", format!("at most {MAX_COUNT}")));
        }
        // A negative duration does not convert.
        let interval = Duration::try_from(request.interval.unwrap_or_default())
            .ok()
            .filter(|interval| *interval <= MAX_INTERVAL);
        if interval.is_none() {
            let description = format!("from 0 to {} seconds", MAX_INTERVAL.as_secs());
            violations.push(FieldViolation::new("interval", description));
        }
        let language = check_with(&request.name, &request.language, violations)?;

        let greeting = language.greet(&request.name);
        let greetings = tokio_stream::iter((1..=count).map(move |sequence| {
            Ok(SayHelloManyTimesResponse { greeting: greeting.clone(), sequence })
        }));
        let interval = interval.unwrap_or_default();
        Ok(Response::new(Box::pin(greetings.throttle(interval))))
    }

    async fn greet_everyone(
        &self,
        request: Request<Streaming<GreetEveryoneRequest>>,
    ) -> Result<Response<GreetEveryoneResponse>, Status> {
        let mut requests = request.into_inner();
        let mut everyone = Everyone::default();
        while let Some(GreetEveryoneRequest { name, language }) = requests.message().await? {
            let language = check(&name, &language)?;
            everyone.add(name, language);
        }
        let by_language = everyone.count_by_language();
        Ok(Response::new(GreetEveryoneResponse {
            greeting: everyone.greeting(),
            count: everyone.count(),
            count_by_language: by_language.map(|(tag, n)| (tag.to_owned(), n)).collect(),
        }))
    }

    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let mut sequence = 0;
        // The answers end when the requests do, and are made only as they are read.
        let answers = request.into_inner().map(move |request| {
            let ChatRequest { name, language } = request?;
            let greeting = check(&name, &language)?.greet(&name);
            sequence += 1;
            Ok(ChatResponse { greeting, sequence })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn check(name: &str, language: &str) -> Result<&'static Language, Status> {
    // An empty Vec does not allocate, so that a good request costs nothing here.
    check_with(name, language, Vec::new())
}

/// Adds what is wrong with a name and a language to what else is wrong with a request.
fn check_with(
    name: &str,
    language: &str,
    mut violations: Vec<FieldViolation>,
) -> Result<&'static Language, Status> {
    if name.len() > MAX_NAME_BYTES {
        let description = format!("at most {MAX_NAME_BYTES} bytes, not {}", name.len());
        violations.push(FieldViolation::new("name", description));
    }
    match Language::find(language) {
        Some(language) if violations.is_empty() => return Ok(language),
        Some(_) => {}
        None => {
            let known = LANGUAGES.each_ref().map(|language| language.tag).join(", ");
            let description = format!("not a known language; known are {known}");
            violations.push(FieldViolation::new("language", description));
        }
    }
    let message: Vec<_> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect();
    Err(Status::with_error_details(
        Code::InvalidArgument,
        message.join("; "),
        ErrorDetails::with_bad_request(violations),
    ))
}

#[cfg(test)]
mod tests;
