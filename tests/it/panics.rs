//! A handler that panics ends its own call with INTERNAL, and nothing else.

use contracts::hello::v1::{
    ChatRequest, GreetEveryoneRequest, SayHelloManyTimesRequest, SayHelloManyTimesResponse,
};
use futures_util::{StreamExt, stream};
use tonic::{Code, Request};

use crate::support::raw::{self, CHAT, Client, EVERYONE, MANY_TIMES, SAY_HELLO};
use crate::support::{Scripted, greeting, named, scripted, settings, within};

/// A hello service that panics in every kind of call, but for a `SayHello` with a name.
fn panicking() -> Scripted {
    Scripted::default()
        .say_hello(|request: Request<_>| async move {
            let name = request.into_inner().name;
            assert!(!name.is_empty(), "this panic is part of the test");
            // Another worker's or another call's turn may come in between.
            tokio::task::yield_now().await;
            Ok(greeting(name))
        })
        .many_times(|_| {
            // Messages that are ready at once go out together, so the panic comes later.
            stream::iter(0..2).then(|sequence| async move {
                tokio::task::yield_now().await;
                assert!(sequence < 1, "this panic is part of the test");
                Ok(SayHelloManyTimesResponse::default())
            })
        })
        .everyone(|mut requests| async move {
            requests.message().await?;
            panic!("this panic is part of the test");
        })
        .chat(|requests| requests.map(|_| panic!("this panic is part of the test")))
}

#[tokio::test]
async fn a_panic_is_internal_and_other_calls_of_the_connection_go_on() {
    within(async {
        let server = scripted(panicking(), settings()).await;
        let mut client = Client::connect(server.addr()).await;

        // In flight on the same connection through all of it.
        let mut open = client.begin(SAY_HELLO, &[]).await;

        let end = client.call(SAY_HELLO, &[], &named("")).await.end().await;
        assert_eq!(end.code(), Code::Internal);
        assert!(!end.message().contains("part of the test"), "{}", end.message());

        let request = SayHelloManyTimesRequest::default();
        let end = client.call(MANY_TIMES, &[], &request).await.end().await;
        assert_eq!(end.code(), Code::Internal);
        assert!(end.data > 0, "what came before the panic arrived");

        for path in [EVERYONE, CHAT] {
            let mut call = client.begin(path, &[]).await;
            let request = raw::frame(&GreetEveryoneRequest::default());
            assert_eq!(request, raw::frame(&ChatRequest::default()));
            call.requests.send_data(request, false).unwrap();
            assert_eq!(call.end().await.code(), Code::Internal, "{path}");
        }

        open.requests.send_data(raw::frame(&named("Ada")), true).unwrap();
        assert_eq!(open.end().await.code(), Code::Ok);
    })
    .await;
}
