//! A hello service of closures.

use std::future::Future;
use std::sync::Arc;

use contracts::hello::v1::hello_service_server::HelloService;
use contracts::hello::v1::{
    ChatRequest, ChatResponse, GreetEveryoneRequest, GreetEveryoneResponse,
    SayHelloManyTimesRequest, SayHelloManyTimesResponse, SayHelloRequest, SayHelloResponse,
};
use futures_util::future::{BoxFuture, FutureExt};
use greeter::Greeter;
use tokio_stream::Stream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

type Answer<A> = Result<Response<A>, Status>;
type Handler<Q, A> = Arc<dyn Fn(Request<Q>) -> BoxFuture<'static, Answer<A>> + Send + Sync>;

/// Does what each closure says, and what the greeter does where there is none.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    say_hello: Option<Handler<SayHelloRequest, SayHelloResponse>>,
    many_times: Option<Handler<SayHelloManyTimesRequest, BoxStream<SayHelloManyTimesResponse>>>,
    everyone: Option<Handler<Streaming<GreetEveryoneRequest>, GreetEveryoneResponse>>,
    chat: Option<Handler<Streaming<ChatRequest>, BoxStream<ChatResponse>>>,
}

impl Scripted {
    pub(crate) fn say_hello<F>(
        mut self,
        handler: impl Fn(Request<SayHelloRequest>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<SayHelloResponse, Status>> + Send + 'static,
    {
        self.say_hello =
            Some(Arc::new(move |request| handler(request).map(|a| a.map(Response::new)).boxed()));
        self
    }

    pub(crate) fn many_times<S>(
        mut self,
        handler: impl Fn(SayHelloManyTimesRequest) -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = Result<SayHelloManyTimesResponse, Status>> + Send + 'static,
    {
        self.many_times = Some(Arc::new(move |request| {
            let answers: BoxStream<_> = Box::pin(handler(request.into_inner()));
            std::future::ready(Ok(Response::new(answers))).boxed()
        }));
        self
    }

    pub(crate) fn everyone<F>(
        mut self,
        handler: impl Fn(Streaming<GreetEveryoneRequest>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<GreetEveryoneResponse, Status>> + Send + 'static,
    {
        self.everyone = Some(Arc::new(move |request| {
            handler(request.into_inner()).map(|a| a.map(Response::new)).boxed()
        }));
        self
    }

    pub(crate) fn chat<S>(
        mut self,
        handler: impl Fn(Streaming<ChatRequest>) -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = Result<ChatResponse, Status>> + Send + 'static,
    {
        self.chat = Some(Arc::new(move |request| {
            let answers: BoxStream<_> = Box::pin(handler(request.into_inner()));
            std::future::ready(Ok(Response::new(answers))).boxed()
        }));
        self
    }
}

#[tonic::async_trait]
impl HelloService for Scripted {
    async fn say_hello(&self, request: Request<SayHelloRequest>) -> Answer<SayHelloResponse> {
        match &self.say_hello {
            Some(handler) => handler(request).await,
            None => Greeter.say_hello(request).await,
        }
    }

    type SayHelloManyTimesStream = BoxStream<SayHelloManyTimesResponse>;

    async fn say_hello_many_times(
        &self,
        request: Request<SayHelloManyTimesRequest>,
    ) -> Answer<Self::SayHelloManyTimesStream> {
        match &self.many_times {
            Some(handler) => handler(request).await,
            None => Greeter.say_hello_many_times(request).await,
        }
    }

    async fn greet_everyone(
        &self,
        request: Request<Streaming<GreetEveryoneRequest>>,
    ) -> Answer<GreetEveryoneResponse> {
        match &self.everyone {
            Some(handler) => handler(request).await,
            None => Greeter.greet_everyone(request).await,
        }
    }

    type ChatStream = BoxStream<ChatResponse>;

    async fn chat(&self, request: Request<Streaming<ChatRequest>>) -> Answer<Self::ChatStream> {
        match &self.chat {
            Some(handler) => handler(request).await,
            None => Greeter.chat(request).await,
        }
    }
}
