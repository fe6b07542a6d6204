use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::{ChatRequest, GreetEveryoneRequest, SayHelloRequest};
use contracts::world::v1::world_service_server::WorldService;
use contracts::world::v1::{
    ConverseRequest, ConverseResponse, GreetPlacesRequest, GreetPlacesResponse,
    SayHelloWorldRequest, SayHelloWorldResponse, TourRequest, TourResponse,
};
use futures_util::{StreamExt, stream};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, BoxStream, Bytes, StdError};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::bridge::{bridge, pass_on};
use crate::tour::{self, MAX_PLACES, MAX_STOPS};

/// How many calls to the hello service one tour has in flight.
const TOUR_CALLS: usize = 16;

/// What [`Caller`] needs of the channel to the hello service. It is cloned for every call, so
/// cloning is to be cheap. `ahoy::Channel` is one, and so is a generated server, in process.
pub trait HelloChannel:
    GrpcService<
        Body,
        Error: Into<StdError>,
        Future: Send,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> HelloChannel for C where
    C: GrpcService<
            Body,
            Error: Into<StdError>,
            Future: Send,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// The service. A clone shares the channel.
#[derive(Clone, Debug)]
pub struct Caller<C> {
    hello: HelloServiceClient<C>,
}

impl<C: HelloChannel> Caller<C> {
    /// A service that calls `hello.v1.HelloService` through `hello`.
    pub fn new(hello: HelloServiceClient<C>) -> Self {
        Self { hello }
    }

    // Generated clients call through `&mut self`.
    fn hello(&self) -> HelloServiceClient<C> {
        self.hello.clone()
    }
}

#[tonic::async_trait]
impl<C: HelloChannel> WorldService for Caller<C> {
    async fn say_hello_world(
        &self,
        request: Request<SayHelloWorldRequest>,
    ) -> Result<Response<SayHelloWorldResponse>, Status> {
        let SayHelloWorldRequest { place, language } = request.into_inner();
        let request = SayHelloRequest { name: place, language };
        let response = self.hello().say_hello(request).await.map_err(pass_on)?;
        let greeting = response.into_inner().greeting;
        Ok(Response::new(SayHelloWorldResponse { greeting }))
    }

    type TourStream = BoxStream<TourResponse>;

    async fn tour(
        &self,
        request: Request<TourRequest>,
    ) -> Result<Response<Self::TourStream>, Status> {
        let TourRequest { places, language, count } = request.into_inner();
        check_tour(&places, count)?;
        let hello = self.hello();
        let calls = stream::iter((1..).zip(tour::stops(places, count)))
            .map(move |(sequence, place)| {
                let mut hello = hello.clone();
                let request = SayHelloRequest { name: place.clone(), language: language.clone() };
                async move {
                    let response = hello.say_hello(request).await.map_err(pass_on)?;
                    let greeting = response.into_inner().greeting;
                    Ok(TourResponse { greeting, place, sequence })
                }
            })
            .buffered(TOUR_CALLS);
        Ok(Response::new(Box::pin(calls)))
    }

    async fn greet_places(
        &self,
        request: Request<Streaming<GreetPlacesRequest>>,
    ) -> Result<Response<GreetPlacesResponse>, Status> {
        let (request, mut link) = bridge(request.into_inner(), |request: GreetPlacesRequest| {
            GreetEveryoneRequest { name: request.place, language: request.language }
        });
        let mut hello = self.hello();
        let response = link.call(hello.greet_everyone(request)).await?.into_inner();
        Ok(Response::new(GreetPlacesResponse {
            greeting: response.greeting,
            count: response.count,
            count_by_language: response.count_by_language,
        }))
    }

    type ConverseStream = BoxStream<ConverseResponse>;

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let (request, mut link) = bridge(request.into_inner(), |request: ConverseRequest| {
            ChatRequest { name: request.place, language: request.language }
        });
        let mut hello = self.hello();
        let response = link.call(hello.chat(request)).await?;
        let answers = link.answers(response.into_inner(), |response| ConverseResponse {
            greeting: response.greeting,
            sequence: response.sequence,
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Names what a tour has too much of; the rest of the request is the hello service's to judge.
fn check_tour(places: &[String], count: u32) -> Result<(), Status> {
    let mut violations = Vec::new();
    if places.len() > MAX_PLACES {
        let description = format!("at most {MAX_PLACES} places, not {}", places.len());
        violations.push(FieldViolation::new("places", description));
    }
    if count > MAX_STOPS {
        violations.push(FieldViolation::new("count", format!("at most {MAX_STOPS}, not {count}")));
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(Status::with_error_details(
        Code::InvalidArgument,
        "the tour is too long",
        ErrorDetails::with_bad_request(violations),
    ))
}

#[cfg(test)]
mod tests;
