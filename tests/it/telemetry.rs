//! What a server tells of its calls: gRPC's metrics (gRFC A66), and the trace that goes through.

use contracts::hello::v1::SayHelloManyTimesRequest;
use contracts::world::v1::{SayHelloWorldRequest, TourRequest};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tonic::{Code, Request, Status};

use crate::support::raw::Client;
use crate::support::{
    Scripted, caller, get, greeter, greeting, hello, named, scripted, settings,
    settings_with_admin, within, world,
};

const METHOD: &str = "hello.v1.HelloService/SayHello";

#[tokio::test]
async fn calls_are_counted_by_method_and_status() {
    within(async {
        let codes = (0..=16).map(Code::from_i32);
        let stub = Scripted::default().say_hello(|request: Request<_>| {
            let code = request.into_inner().name.parse().unwrap();
            std::future::ready(match Code::from_i32(code) {
                Code::Ok => Ok(greeting("")),
                code => Err(Status::new(code, "as told")),
            })
        });
        let server = scripted(stub, settings_with_admin()).await;
        let mut hello = hello(&server);
        for code in codes.clone() {
            let answer = hello.say_hello(named((code as i32).to_string())).await;
            assert_eq!(answer.map_or_else(|status| status.code(), |_| Code::Ok), code);
        }
        let mut client = Client::connect(server.addr()).await;
        let unknown = client.call("/nobody.v1.Knows/Any", &[], &named("")).await.end().await;
        assert_eq!(unknown.code(), Code::Unimplemented);

        let names = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        let ended = |method: &str, status: &str| {
            format!(
                "grpc_server_call_duration_seconds_count{{grpc_method=\"{method}\",grpc_status=\"{status}\"}}"
            )
        };
        // A call may end for its client before it is counted.
        let page = loop {
            let page = get(&server, "/metrics").await;
            let last = page.sample(&ended("other", "UNIMPLEMENTED"));
            if last + page.sample(&ended(METHOD, "UNAUTHENTICATED")) == 2.0 {
                break page;
            }
        };
        for name in names {
            assert_eq!(page.sample(&ended(METHOD, name)), 1.0, "{name}");
        }
        let started = format!("grpc_server_call_started_total{{grpc_method=\"{METHOD}\"}}");
        assert_eq!(page.sample(&started), 17.0);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_its_client_leaves_is_counted_as_cancelled() {
    within(async {
        let server = greeter(settings_with_admin()).await;
        let interval = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let request = SayHelloManyTimesRequest { interval, ..Default::default() };
        let answers = hello(&server).say_hello_many_times(request).await.unwrap();
        drop(answers);
        let series = "grpc_server_call_duration_seconds_count{grpc_method=\
            \"hello.v1.HelloService/SayHelloManyTimes\",grpc_status=\"CANCELLED\"}";
        while get(&server, "/metrics").await.sample(series) == 0.0 {}
    })
    .await;
}

#[tokio::test]
async fn a_trace_goes_through_the_caller() {
    within(async {
        let (told, mut tells) = mpsc::unbounded_channel();
        let stub = Scripted::default().say_hello(move |request: Request<_>| {
            let trace = request.metadata().get("traceparent").map(|trace| trace.to_str().unwrap());
            told.send(trace.map(str::to_owned)).unwrap();
            std::future::ready(Ok(greeting("")))
        });
        let server = scripted(stub, settings()).await;
        let caller = caller(&server, settings()).await;
        let mut world = world(&caller);
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const PARENT: &str = "b7ad6b7169203331";
        let traced = || format!("00-{TRACE}-{PARENT}-01").parse().unwrap();

        let mut request = Request::new(SayHelloWorldRequest::default());
        request.metadata_mut().insert("traceparent", traced());
        world.say_hello_world(request).await.unwrap();
        let mut request = Request::new(TourRequest { count: 20, ..TourRequest::default() });
        request.metadata_mut().insert("traceparent", traced());
        assert_eq!(world.tour(request).await.unwrap().into_inner().count().await, 20);
        for _ in 0..21 {
            let trace = tells.recv().await.unwrap().expect("no traceparent");
            let parts: Vec<_> = trace.split('-').collect();
            assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"), "{trace}");
        }
    })
    .await;
}
