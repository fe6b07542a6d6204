//! Every rule and every example in the comments of `google/api/http.proto`.

use http::Method;
use serde_json::json;

use super::echo::{serve, try_serve};
use super::http_client::{Answer, get, json as send_json, send};
use crate::support::{settings, within};

#[tokio::test]
async fn a_field_in_the_path() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc GetMessage(GetMessageRequest) returns (GetMessageRequest) {
                    option (google.api.http) = { get: "/v1/{name=messages/*}" };
                }
            }
            message GetMessageRequest { string name = 1; }
            "#,
        )
        .await;
        let answer = get(&server, "/v1/messages/123456").await;
        assert_eq!(answer.json(), json!({ "name": "messages/123456" }));
        assert_eq!(answer.header("x-path"), Some("/example.v1.Messaging/GetMessage"));
    })
    .await;
}

const QUERY: &str = r#"
    service Messaging {
        rpc GetMessage(GetMessageRequest) returns (GetMessageRequest) {
            option (google.api.http) = { get: "/v1/messages/{message_id}" };
        }
    }
    message GetMessageRequest {
        message SubMessage { string subfield = 1; }
        message Foo { string a = 1; string b = 2; string c = 3; }
        string message_id = 1;
        int64 revision = 2;
        SubMessage sub = 3;
        repeated string param = 4;
        Foo foo = 5;
        repeated Foo foos = 6;
        map<string, string> labels = 7;
    }
"#;

#[tokio::test]
async fn other_fields_are_query_parameters() {
    within(async {
        let server = serve(QUERY).await;
        let answer = get(&server, "/v1/messages/123456?revision=2&sub.subfield=foo").await;
        let expected =
            json!({ "messageId": "123456", "revision": "2", "sub": { "subfield": "foo" } });
        assert_eq!(answer.json(), expected);

        let answer = get(&server, "/v1/messages/1?param=A&param=B").await;
        assert_eq!(answer.json(), json!({ "messageId": "1", "param": ["A", "B"] }));

        let answer = get(&server, "/v1/messages/1?foo.a=A&foo.b=B&foo.c=C").await;
        let foo = json!({ "a": "A", "b": "B", "c": "C" });
        assert_eq!(answer.json(), json!({ "messageId": "1", "foo": foo }));
    })
    .await;
}

#[tokio::test]
async fn lists_of_messages_and_maps_are_no_query_parameters() {
    within(async {
        let server = serve(QUERY).await;
        for (query, what) in [
            ("foos.a=A", "`foos` is a list of messages, which needs a body"),
            ("labels.a=A", "`labels` is a map, which needs a body"),
            ("message_id=2", "this field is in the path or the body already"),
            ("revision.x=2", "`revision` has no fields of its own"),
        ] {
            let answer = get(&server, &format!("/v1/messages/1?{query}")).await;
            assert_eq!(answer.status, 400, "{query}");
            assert!(answer.text().contains(what), "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test]
async fn the_body_is_a_field() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc UpdateMessage(UpdateMessageRequest) returns (UpdateMessageRequest) {
                    option (google.api.http) = { patch: "/v1/messages/{message_id}" body: "message" };
                }
            }
            message UpdateMessageRequest { string message_id = 1; Message message = 2; bool force = 3; }
            message Message { string text = 1; }
            "#,
        )
        .await;
        let path = "/v1/messages/123456";
        let answer = send_json(&server, Method::PATCH, path, r#"{ "text": "Hi!" }"#).await;
        let expected = json!({ "messageId": "123456", "message": { "text": "Hi!" } });
        assert_eq!(answer.json(), expected);

        let path = "/v1/messages/123456?force=true";
        let answer = send_json(&server, Method::PATCH, path, "{}").await;
        let expected = json!({ "messageId": "123456", "message": {}, "force": true });
        assert_eq!(answer.json(), expected);

        let path = "/v1/messages/123456?message.text=Hi";
        let answer = send_json(&server, Method::PATCH, path, "{}").await;
        assert_eq!(answer.status, 400);
    })
    .await;
}

#[tokio::test]
async fn the_body_is_everything_else() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc UpdateMessage(Message) returns (Message) {
                    option (google.api.http) = { patch: "/v1/messages/{message_id}" body: "*" };
                }
            }
            message Message { string message_id = 1; string text = 2; }
            "#,
        )
        .await;
        let path = "/v1/messages/123456";
        let answer = send_json(&server, Method::PATCH, path, r#"{ "text": "Hi!" }"#).await;
        assert_eq!(answer.json(), json!({ "messageId": "123456", "text": "Hi!" }));

        // The path counts.
        let answer = send_json(&server, Method::PATCH, path, r#"{ "messageId": "7" }"#).await;
        assert_eq!(answer.json(), json!({ "messageId": "123456" }));

        // "It is not possible to have HTTP parameters".
        let path = "/v1/messages/123456?text=Hi";
        let answer = send_json(&server, Method::PATCH, path, "{}").await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("takes no parameters"), "{}", answer.text());
    })
    .await;
}

/// Also of what is a message on the wire, where one would add to the other.
#[tokio::test]
async fn of_two_values_one_counts() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc Put(Q) returns (Q) {
                    option (google.api.http) = {
                        put: "/v1/{at_time}/{is_set}" body: "*"
                        additional_bindings { get: "/v1/{at_time}" }
                    };
                }
            }
            message Q {
                google.protobuf.Timestamp at_time = 1;
                google.protobuf.BoolValue is_set = 2;
                google.protobuf.Duration ttl = 3;
            }
            "#,
        )
        .await;
        let body = r#"{ "atTime": "1970-01-01T00:00:01.5Z", "isSet": true }"#;
        let path = "/v1/1970-01-01T00:00:00Z/false";
        let answer = send_json(&server, Method::PUT, path, body).await;
        assert_eq!(answer.json(), json!({ "atTime": "1970-01-01T00:00:00Z", "isSet": false }));

        let path = "/v1/1970-01-01T00:00:00Z";
        let answer = get(&server, &format!("{path}?ttl=1.5s&ttl=2s")).await;
        assert_eq!(answer.json(), json!({ "atTime": "1970-01-01T00:00:00Z", "ttl": "2s" }));
        let answer = get(&server, &format!("{path}?atTime=1970-01-01T00:00:01Z")).await;
        assert_eq!(answer.status, 400, "by its other name it is in the path, too");
    })
    .await;
}

#[tokio::test]
async fn without_a_body_there_is_none() {
    within(async {
        let server = serve(QUERY).await;
        let answer = send_json(&server, Method::GET, "/v1/messages/1", r#"{"revision":2}"#).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("takes no body"), "{}", answer.text());
    })
    .await;
}

#[tokio::test]
async fn a_method_has_several_bindings() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc GetMessage(GetMessageRequest) returns (GetMessageRequest) {
                    option (google.api.http) = {
                        get: "/v1/messages/{message_id}"
                        additional_bindings { get: "/v1/users/{user_id}/messages/{message_id}" }
                    };
                }
            }
            message GetMessageRequest { string message_id = 1; string user_id = 2; }
            "#,
        )
        .await;
        let answer = get(&server, "/v1/messages/123456").await;
        assert_eq!(answer.json(), json!({ "messageId": "123456" }));
        let answer = get(&server, "/v1/users/me/messages/123456").await;
        assert_eq!(answer.json(), json!({ "userId": "me", "messageId": "123456" }));
    })
    .await;
}

const TEMPLATES: &str = r#"
    service Messaging {
        rpc One(Q) returns (Q) { option (google.api.http) = { get: "/one/{s}" additional_bindings { get: "/star/{s=*}" } }; }
        rpc Rest(Q) returns (Q) { option (google.api.http) = { get: "/rest/{s=**}" additional_bindings { get: "/rest/{s=**}:go" } }; }
        rpc Some(Q) returns (Q) { option (google.api.http) = { get: "/some/{s=a/*/b/**}" }; }
        rpc Bare(Q) returns (Q) { option (google.api.http) = { get: "/bare/*/x" additional_bindings { get: "/all/**" } }; }
        rpc Nested(Q) returns (Q) { option (google.api.http) = { get: "/v1/messages/{s}/{sub.subfield}" }; }
        rpc Verb(Q) returns (Q) { option (google.api.http) = { post: "/v1/{s}:undo" body: "*" }; }
        rpc Literal(Q) returns (Q) { option (google.api.http) = { get: "/a%2Fb c" }; }
        rpc Typed(Q) returns (Q) { option (google.api.http) = { get: "/typed/{n}/{e}/{t}/{w}" }; }
        rpc Head(Q) returns (Q) { option (google.api.http) = { custom: { kind: "HEAD" path: "/head" } }; }
        rpc Any(Q) returns (Q) { option (google.api.http) = { custom: { kind: "*" path: "/any" } }; }
        rpc Plain(Q) returns (Q);
    }
    message Q {
        message Sub { string subfield = 1; }
        enum E { E_UNSPECIFIED = 0; E_ONE = 1; }
        string s = 1;
        Sub sub = 2;
        int32 n = 3;
        E e = 4;
        google.protobuf.Timestamp t = 5;
        google.protobuf.BoolValue w = 6;
    }
"#;

fn s(value: &str) -> serde_json::Value {
    json!({ "s": value })
}

async fn expect(answer: impl Future<Output = Answer>, expected: serde_json::Value) {
    let answer = answer.await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn the_syntax_of_templates() {
    within(async {
        let server = serve(TEMPLATES).await;
        // `{var}` is `{var=*}`, one segment that is decoded in full.
        for path in ["one", "star"] {
            expect(get(&server, &format!("/{path}/a")), s("a")).await;
            expect(get(&server, &format!("/{path}/a%2Fb%20c%3Ad+e")), s("a/b c:d+e")).await;
            expect(get(&server, &format!("/{path}/-_.~09azAZ")), s("-_.~09azAZ")).await;
            assert_eq!(get(&server, &format!("/{path}/a/b")).await.status, 404);
            assert_eq!(get(&server, &format!("/{path}/")).await.status, 404);
        }
        // Several segments, in which "%2F" and "%2f" are left as they are.
        expect(get(&server, "/rest/a/b%20c"), s("a/b c")).await;
        expect(get(&server, "/rest/a%2Fb/c%2fd"), s("a%2Fb/c%2fd")).await;
        expect(get(&server, "/rest"), json!({})).await;
        expect(get(&server, "/rest/a/b:go"), s("a/b")).await;
        expect(get(&server, "/rest/a/b:stay"), s("a/b:stay")).await;
        expect(get(&server, "/some/a/1/b/2/3"), s("a/1/b/2/3")).await;
        expect(get(&server, "/some/a/1/b"), s("a/1/b")).await;
        assert_eq!(get(&server, "/some/a/1/c/2").await.status, 404);
        // Wildcards that are no variable.
        expect(get(&server, "/bare/whatever/x"), json!({})).await;
        expect(get(&server, "/all/that/is/there"), json!({})).await;
        // Fields of fields, and verbs.
        let nested = json!({ "s": "1", "sub": { "subfield": "2" } });
        expect(get(&server, "/v1/messages/1/2"), nested).await;
        expect(send_json(&server, Method::POST, "/v1/x:undo", ""), s("x")).await;
        // Text with reserved characters is compared as it is decoded.
        expect(get(&server, "/a%2Fb%20c"), json!({})).await;
        assert_eq!(get(&server, "/a/b%20c").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn variables_are_of_every_primitive_type() {
    within(async {
        let server = serve(TEMPLATES).await;
        let time = "2026-11-21T10:00:00Z";
        let expected = json!({ "n": -5, "e": "E_ONE", "t": time, "w": true });
        expect(get(&server, &format!("/typed/-5/E_ONE/{time}/true")), expected.clone()).await;
        expect(get(&server, &format!("/typed/-5/1/{time}/true")), expected).await;
        for (path, field) in [
            ("/typed/x/1/2026-11-21T10:00:00Z/true", "n"),
            ("/typed/1/E_TWO/2026-11-21T10:00:00Z/true", "e"),
            ("/typed/1/1/today/true", "t"),
            ("/typed/1/1/2026-11-21T10:00:00Z/perhaps", "w"),
        ] {
            let answer = get(&server, path).await;
            assert_eq!(answer.status, 400, "{path}");
            let violation = &answer.json()["details"][0]["fieldViolations"][0];
            assert_eq!(violation["field"], field, "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test]
async fn custom_methods_and_methods_without_a_rule() {
    within(async {
        let server = serve(TEMPLATES).await;
        let answer = send(&server, Method::HEAD, "/head", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(get(&server, "/head").await.status, 405);
        for method in [Method::GET, Method::PUT, Method::DELETE, "PURGE".parse().unwrap()] {
            expect(send(&server, method, "/any?s=x", &[], ""), s("x")).await;
        }
        let path = "/example.v1.Messaging/Plain";
        expect(send_json(&server, Method::POST, path, r#"{"s":"x"}"#), s("x")).await;
        // Methods with a rule answer there, too.
        let path = "/example.v1.Messaging/One";
        expect(send_json(&server, Method::POST, path, r#"{"s":"x"}"#), s("x")).await;
    })
    .await;
}

#[tokio::test]
async fn bodies_may_be_lists() {
    within(async {
        let server = serve(
            r#"
            service Messaging {
                rpc Put(List) returns (List) {
                    option (google.api.http) = { put: "/v1/list/{name}" body: "items" response_body: "items" };
                }
                rpc Count(List) returns (List) {
                    option (google.api.http) = { get: "/v1/count" response_body: "count" };
                }
            }
            message List { string name = 1; repeated Item items = 2; int64 count = 3; }
            message Item { string a = 1; }
            "#,
        )
        .await;
        let items = r#"[{"a":"1"},{"a":"2"}]"#;
        let answer = send_json(&server, Method::PUT, "/v1/list/x", items).await;
        assert_eq!(answer.text(), items);
        assert_eq!(get(&server, "/v1/count?count=7").await.text(), "\"7\"");
        assert_eq!(get(&server, "/v1/count").await.text(), "\"0\"");
    })
    .await;
}

/// What the comments forbid keeps a server from starting.
#[tokio::test]
async fn rules_that_are_wrong_are_named_at_the_start() {
    within(async {
        for (rule, what) in [
            (r#"get: "/v1/{tags}""#, "`tags` is repeated"),
            (r#"get: "/v1/{labels}""#, "`labels` is a map"),
            (r#"get: "/v1/{sub}""#, "`sub` is a message"),
            (r#"get: "/v1/{none}""#, "example.v1.Q has no field `none`"),
            (r#"get: "/v1/{s={n}}""#, "a variable may not contain another"),
            (r#"get: "/v1/**/x""#, "nothing but a verb may follow `**`"),
            (r#"get: "{s=/v1}""#, "a template begins with `/`"),
            (r#"post: "/v1" body: "sub.s""#, "has no such field at its top level"),
            (r#"get: "/v1" response_body: "none""#, "has no such field at its top level"),
            (
                r#"get: "/v1" additional_bindings { get: "/v2" additional_bindings { get: "/v3" } }"#,
                "may not have additional_bindings of their own",
            ),
            (r#"get: "/other/{n}""#, "GET /other/{n} is a route of both"),
        ] {
            let source = format!(
                r#"
                service Messaging {{
                    rpc A(Q) returns (Q) {{ option (google.api.http) = {{ get: "/other/{{s}}" }}; }}
                    rpc B(Q) returns (Q) {{ option (google.api.http) = {{ {rule} }}; }}
                }}
                message Q {{ string s = 1; int32 n = 2; repeated string tags = 3; map<string, string> labels = 4; Q sub = 5; }}
                "#
            );
            let Err(error) = try_serve(&source, settings()).await else {
                panic!("it started with {rule}");
            };
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            assert!(text.contains(what), "{rule}: {text}");
            assert!(text.contains("example.v1.Messaging.B"), "{rule}: {text}");
        }
    })
    .await;
}
