//! The rules of a contract hold for every kind of call, before a handler sees a message.

use futures_util::StreamExt;
use testkit::ruled::proto::ruled_client::RuledClient;
use testkit::ruled::proto::{Entry, Plain};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{channel, settings, start, within};

fn entry(name: &str, count: u32) -> Entry {
    Entry { name: name.to_owned(), count, parts: Vec::new() }
}

/// The fields that a status names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_details_bad_request().unwrap();
    bad_request.field_violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn a_broken_rule_ends_a_call_and_names_its_field() {
    within(async {
        let server = start(testkit::ruled::server(), settings()).await;
        let mut client = RuledClient::new(channel(&server));

        let good = Entry { parts: vec![entry("b", 0)], ..entry("a", 1) };
        assert_eq!(client.say(good.clone()).await.unwrap().into_inner(), good);

        let long = Entry { parts: vec![entry("", 0), entry("ninebytes", 11)], ..entry("a", 0) };
        let status = client.say(long.clone()).await.unwrap_err();
        assert_eq!(fields(&status), ["parts[1].name", "parts[1].count"]);
        assert_eq!(
            status.message(),
            "parts[1].name: at most 8 bytes, not 9; parts[1].count: at most 10"
        );

        let status = client.say(entry("", 1)).await.unwrap_err();
        assert_eq!(
            (fields(&status).join(","), status.message()),
            (String::new(), "a count needs a name")
        );

        assert_eq!(fields(&client.repeat(long).await.unwrap_err()).len(), 2);
        assert_eq!(client.repeat(entry("a", 3)).await.unwrap().into_inner().count().await, 3);

        let text = "as long as it likes".to_owned();
        assert_eq!(
            client.free(Plain { text: text.clone() }).await.unwrap().into_inner().text,
            text
        );
    })
    .await;
}

#[tokio::test]
async fn in_a_stream_it_ends_with_the_first_message_that_breaks_one() {
    within(async {
        let server = start(testkit::ruled::server(), settings()).await;
        let mut client = RuledClient::new(channel(&server));

        // The handlers take an error for the end, and would answer OK.
        let entries = tokio_stream::iter([entry("a", 1), entry("b", 11), entry("c", 1)]);
        assert_eq!(fields(&client.last(entries).await.unwrap_err()), ["count"]);

        let (requests, stream) = mpsc::channel(1);
        let mut answers = client.talk(ReceiverStream::new(stream)).await.unwrap().into_inner();
        requests.send(entry("a", 1)).await.unwrap();
        assert_eq!(answers.message().await.unwrap(), Some(entry("a", 1)));
        requests.send(entry("a", 11)).await.unwrap();
        assert_eq!(fields(&answers.message().await.unwrap_err()), ["count"]);

        let entries = tokio_stream::iter([entry("a", 1), entry("b", 2)]);
        assert_eq!(client.last(entries).await.unwrap().into_inner(), entry("b", 2));
    })
    .await;
}

#[tokio::test]
async fn what_is_told_fits_in_headers() {
    within(async {
        let server = start(testkit::ruled::server(), settings()).await;
        let mut client = RuledClient::new(channel(&server));
        let parts = |of: Vec<Entry>| Entry { parts: of, ..Entry::default() };
        let wrong = || entry(&"n".repeat(100_000), u32::MAX);
        let many = parts(vec![parts(vec![wrong(), wrong()]); 10]);
        let status = client.say(many).await.unwrap_err();
        assert!(fields(&status).len() <= 16 && status.message().len() < 2_000, "{status:?}");
    })
    .await;
}
