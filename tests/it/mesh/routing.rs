//! Which calls go where.

use ahoy::Channel;
use contracts::hello::v1::SayHelloRequest;
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use super::position::{Position, called, in_both_positions};
use crate::support::{Scripted, greeting, named, scripted, settings};

in_both_positions! {
    a_call_goes_to_the_cluster_of_its_authoritys_name
    the_first_route_that_matches_decides
    a_route_may_ask_for_metadata
    a_share_of_the_calls_goes_elsewhere
    what_has_the_same_hash_stays_together
    a_route_changes_metadata_and_authority
    the_domain_that_says_most_decides
    another_policy_is_for_the_next_call
}

type Hello = HelloServiceClient<Channel>;

/// Who answers a call with this metadata.
async fn who(hello: &mut Hello, metadata: &[(&'static str, &str)]) -> String {
    let mut request = Request::new(named("Ada"));
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, MetadataValue::try_from(*value).unwrap());
    }
    hello.say_hello(request).await.unwrap().into_inner().greeting
}

async fn a_call_goes_to_the_cluster_of_its_authoritys_name(position: Position) {
    let (one, two) = (called("one").await, called("two").await);
    let policy = format!(
        "clusters: {{one: {{endpoints: [\"{}\"]}}, two: {{endpoints: [\"{}\"]}}}}",
        one.addr(),
        two.addr()
    );
    let client = position.client(&policy).await;
    assert_eq!(who(&mut client.hello("one"), &[]).await, "one");
    assert_eq!(who(&mut client.hello("TWO:50051"), &[]).await, "two");
    let refused = client.hello("three").say_hello(named("Ada")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "no route for \"three\"; known are: one, two");
}

/// Two clusters, `one` and `two`, and these routes of the authority `hello`.
async fn with_routes(position: Position, routes: &str) -> (super::position::Client, impl Sized) {
    let (one, two) = (called("one").await, called("two").await);
    let policy = format!(
        "clusters: {{one: {{endpoints: [\"{}\"]}}, two: {{endpoints: [\"{}\"]}}}}\n\
         virtual_hosts:\n- domains: [hello]\n  routes: {routes}\n",
        one.addr(),
        two.addr()
    );
    (position.client(&policy).await, (one, two))
}

async fn the_first_route_that_matches_decides(position: Position) {
    let routes = "[{match: {service: hello.v1.HelloService, method: Chat}, cluster: two}, \
        {match: {prefix: /hello.v1.HelloService/Say}, cluster: one}, {cluster: two}]";
    let (client, _servers) = with_routes(position, routes).await;
    assert_eq!(who(&mut client.hello("hello"), &[]).await, "one");
    let routes = "[{match: {path: /hello.v1.HelloService/Chat}, cluster: one}, \
        {match: {service: hello.v1.HelloService}, cluster: two}, {cluster: one}]";
    let (client, _servers) = with_routes(position, routes).await;
    assert_eq!(who(&mut client.hello("hello"), &[]).await, "two");
    let (client, _servers) =
        with_routes(position, "[{match: {service: world.v1.WorldService}, cluster: one}]").await;
    let refused = client.hello("hello").say_hello(named("Ada")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let message = "no route of \"hello\" matches /hello.v1.HelloService/SayHello";
    assert_eq!(refused.message(), message);
}

async fn a_route_may_ask_for_metadata(position: Position) {
    let routes = "[{match: {headers: [{name: x-user, exact: ada}, {name: x-age, range: [18, 100]}]}, \
        cluster: two}, {cluster: one}]";
    let (client, _servers) = with_routes(position, routes).await;
    let mut hello = client.hello("hello");
    assert_eq!(who(&mut hello, &[]).await, "one");
    assert_eq!(who(&mut hello, &[("x-user", "ada")]).await, "one");
    assert_eq!(who(&mut hello, &[("x-user", "ada"), ("x-age", "17")]).await, "one");
    assert_eq!(who(&mut hello, &[("x-user", "ada"), ("x-age", "18")]).await, "two");
}

/// How many of 400 calls `two` answers.
async fn share_of_two(hello: &mut Hello) -> usize {
    let mut count = 0;
    for _ in 0..400 {
        count += usize::from(who(hello, &[]).await == "two");
    }
    count
}

async fn a_share_of_the_calls_goes_elsewhere(position: Position) {
    let routes = "[{weighted_clusters: [{name: one, weight: 75}, {name: two, weight: 25}]}]";
    let (client, _servers) = with_routes(position, routes).await;
    let share = share_of_two(&mut client.hello("hello")).await;
    // Ten standard deviations either way.
    assert!((14..=186).contains(&share), "{share}");
    let routes = "[{match: {percent: 25}, cluster: two}, {cluster: one}]";
    let (client, _servers) = with_routes(position, routes).await;
    let share = share_of_two(&mut client.hello("hello")).await;
    assert!((14..=186).contains(&share), "{share}");
}

async fn what_has_the_same_hash_stays_together(position: Position) {
    let routes = "[{weighted_clusters: [{name: one, weight: 1}, {name: two, weight: 1}], \
        hash_headers: [x-user]}]";
    let (client, _servers) = with_routes(position, routes).await;
    let mut hello = client.hello("hello");
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..40 {
        let user = format!("user-{user}");
        let metadata = [("x-user", user.as_str())];
        let first = who(&mut hello, &metadata).await;
        for _ in 0..3 {
            assert_eq!(who(&mut hello, &metadata).await, first);
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2);
}

async fn a_route_changes_metadata_and_authority(position: Position) {
    let hello = Scripted::default().say_hello(|request: Request<SayHelloRequest>| async move {
        let get = |name| request.metadata().get(name).map(|value| value.to_str().unwrap());
        Ok(greeting(format!("{:?} {:?}", get("x-added"), get("x-removed"))))
    });
    let server = scripted(hello, settings()).await;
    let policy = format!(
        "clusters: {{one: {{endpoints: [\"{}\"]}}}}\n\
         virtual_hosts:\n- domains: [hello]\n  routes:\n  - cluster: one\n    authority: other\n    \
         set_headers: {{x-added: \"yes\"}}\n    remove_headers: [x-removed]\n",
        server.addr()
    );
    let client = position.client(&policy).await;
    let answer = who(&mut client.hello("hello"), &[("x-removed", "a"), ("x-added", "no")]).await;
    assert_eq!(answer, "Some(\"yes\") None");
}

async fn the_domain_that_says_most_decides(position: Position) {
    let names = ["exact", "suffix", "prefix", "any"];
    let mut servers = Vec::new();
    let mut clusters = String::from("clusters:\n");
    for name in names {
        let server = called(name).await;
        clusters += &format!("  c-{name}: {{endpoints: [\"{}\"]}}\n", server.addr());
        servers.push(server);
    }
    let mut hosts = String::from("virtual_hosts:\n");
    for (name, domain) in names.iter().zip(["a.b", "*.b", "a.*", "*"]) {
        hosts += &format!("- {{domains: [\"{domain}\"], routes: [{{cluster: c-{name}}}]}}\n");
    }
    let client = position.client(&(clusters + &hosts)).await;
    for (authority, expected) in
        [("a.b", "exact"), ("c.b", "suffix"), ("a.c", "prefix"), ("c", "any"), ("c-any", "any")]
    {
        assert_eq!(who(&mut client.hello(authority), &[]).await, expected, "{authority}");
    }
}

async fn another_policy_is_for_the_next_call(position: Position) {
    let (one, two) = (called("one").await, called("two").await);
    let hello_is = |addr| format!("clusters: {{hello: {{endpoints: [\"{addr}\"]}}}}");
    let client = position.client(&hello_is(one.addr())).await;
    let mut hello = client.hello("hello");
    assert_eq!(who(&mut hello, &[]).await, "one");
    client.apply(&hello_is(two.addr()));
    assert_eq!(who(&mut hello, &[]).await, "two");
    client.apply("clusters: {}");
    let refused = hello.say_hello(named("Ada")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    client.apply(&hello_is(one.addr()));
    assert_eq!(who(&mut hello, &[]).await, "one");
}
