//! The services do what the examples beside their contracts say.

use ::examples::{Example, Examples};
use contracts::hello::v1::{
    ChatRequest, ChatResponse, GreetEveryoneRequest, GreetEveryoneResponse,
    SayHelloManyTimesRequest, SayHelloManyTimesResponse, SayHelloRequest, SayHelloResponse,
};
use futures_util::StreamExt;
use prost_reflect::DescriptorPool;
use tonic::Status;

use crate::support::{greeter, hello, settings, within};

fn examples() -> Examples {
    let pool = DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET).unwrap();
    Examples::read(contracts::EXAMPLES.iter().copied(), &pool).unwrap()
}

/// Compares how a call went with its example.
fn check<T: prost::Message + Default + PartialEq + std::fmt::Debug>(
    example: &Example,
    went: Result<Vec<Result<T, Status>>, Status>,
) {
    let mut code = 0;
    let mut answers = Vec::new();
    for answer in went.unwrap_or_else(|status| vec![Err(status)]) {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(status) => code = status.code() as i32,
        }
    }
    assert_eq!(answers, example.responses_as::<T>(), "{}", example.name);
    assert_eq!(code, example.status.code, "{}", example.name);
}

#[tokio::test]
async fn the_greeter_does_what_its_examples_say() {
    within(async {
        let server = greeter(settings()).await;
        let mut client = hello(&server);
        let examples = examples();
        let mut checked = 0;
        for example in examples.iter().filter(|e| e.path().starts_with("/hello.v1.HelloService/")) {
            checked += 1;
            match example.method.name() {
                "SayHello" => {
                    let answer = client.say_hello(example.request_as::<SayHelloRequest>()).await;
                    check::<SayHelloResponse>(example, answer.map(|a| vec![Ok(a.into_inner())]));
                }
                "SayHelloManyTimes" => {
                    let request = example.request_as::<SayHelloManyTimesRequest>();
                    let went = match client.say_hello_many_times(request).await {
                        Ok(stream) => Ok(stream.into_inner().collect().await),
                        Err(status) => Err(status),
                    };
                    check::<SayHelloManyTimesResponse>(example, went);
                }
                "GreetEveryone" => {
                    let requests = example.requests_as::<GreetEveryoneRequest>();
                    let answer = client.greet_everyone(tokio_stream::iter(requests)).await;
                    check::<GreetEveryoneResponse>(
                        example,
                        answer.map(|a| vec![Ok(a.into_inner())]),
                    );
                }
                "Chat" => {
                    let requests = example.requests_as::<ChatRequest>();
                    let went = match client.chat(tokio_stream::iter(requests)).await {
                        Ok(stream) => Ok(stream.into_inner().collect().await),
                        Err(status) => Err(status),
                    };
                    check::<ChatResponse>(example, went);
                }
                other => panic!("{other} has an example and no test"),
            }
        }
        assert!(checked > 0);
    })
    .await;
}
