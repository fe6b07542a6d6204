//! The mappings that Google's client libraries are tested with: every type in the query, the path
//! and the body, `HttpBody`, and both versions of HTTP.

use http::Method;
use serde_json::json;

use super::echo::serve;
use super::http_client::{get, json as send_json, send, send2};
use crate::support::within;

const COMPLIANCE: &str = r#"
    service Messaging {
        rpc RepeatDataBody(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { post: "/v1/repeat:body" body: "*" };
        }
        rpc RepeatDataBodyInfo(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { post: "/v1/repeat:bodyinfo" body: "info" };
        }
        rpc RepeatDataQuery(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { get: "/v1/repeat:query" };
        }
        rpc RepeatDataSimplePath(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = {
                get: "/v1/repeat/{info.f_string}/{info.f_int32}/{info.f_double}/{info.f_bool}/{info.f_kingdom}:simplepath"
            };
        }
        rpc RepeatDataPathResource(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = {
                get: "/v1/repeat/{info.f_string=first/*}/{info.f_child.f_string=second/*}/bool/{info.f_bool}:pathresource"
                additional_bindings {
                    get: "/v1/repeat/{info.f_child.f_string=first/*}/{info.f_string=second/*}/bool/{info.f_bool}:childfirstpathresource"
                }
            };
        }
        rpc RepeatDataPathTrailingResource(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = {
                get: "/v1/repeat/{info.f_string=first/*}/{info.f_child.f_string=second/**}:pathtrailingresource"
            };
        }
        rpc RepeatDataBodyPut(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { put: "/v1/repeat:bodyput" body: "*" };
        }
        rpc RepeatDataBodyPatch(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { patch: "/v1/repeat:bodypatch" body: "*" };
        }
        rpc Remove(RepeatRequest) returns (RepeatRequest) {
            option (google.api.http) = { delete: "/v1/{name=rooms/*/blurbs/*}" };
        }
        rpc Upload(Page) returns (Page) {
            option (google.api.http) = { post: "/v1/pages/{name}" body: "body" response_body: "body" };
        }
        rpc Whole(google.api.HttpBody) returns (google.api.HttpBody) {
            option (google.api.http) = { put: "/v1/raw" body: "*" };
        }
        rpc Parts(stream google.api.HttpBody) returns (stream google.api.HttpBody) {
            option (google.api.http) = { post: "/v1/parts" body: "*" };
        }
    }
    message Page { string name = 1; google.api.HttpBody body = 2; string note = 3; }
    message RepeatRequest {
        string name = 1;
        Data info = 2;
        bool server_verify = 3;
        optional int32 intended_int32 = 5;
        repeated Kingdom kingdoms = 6;
        repeated int64 numbers = 7;
    }
    enum Kingdom { KINGDOM_UNSPECIFIED = 0; ANIMALIA = 3; PLANTAE = 4; }
    message Data {
        string f_string = 1;
        int32 f_int32 = 2;
        uint64 f_uint64 = 3;
        double f_double = 4;
        float f_float = 5;
        bool f_bool = 6;
        bytes f_bytes = 7;
        Kingdom f_kingdom = 8;
        Child f_child = 9;
        optional string p_string = 10;
        google.protobuf.Duration f_duration = 11;
        google.protobuf.Timestamp f_timestamp = 12;
        google.protobuf.FieldMask f_mask = 13;
        google.protobuf.Int64Value f_wrapped = 14;
        repeated google.protobuf.StringValue f_texts = 15;
    }
    message Child { string f_string = 1; Grandchild grand = 2; }
    message Grandchild { double f_double = 1; }
"#;

#[tokio::test]
async fn every_type_in_the_query() {
    within(async {
        let server = serve(COMPLIANCE).await;
        for (query, info) in [
            ("info.f_string=Hello%20%26+more", json!({ "fString": "Hello & more" })),
            ("info.fString=json%20name", json!({ "fString": "json name" })),
            ("info.f_int32=-1", json!({ "fInt32": -1 })),
            ("info.f_uint64=18446744073709551615", json!({ "fUint64": "18446744073709551615" })),
            ("info.f_double=-1.5e300", json!({ "fDouble": -1.5e300 })),
            ("info.f_double=Infinity", json!({ "fDouble": "Infinity" })),
            ("info.f_float=0.5", json!({ "fFloat": 0.5 })),
            ("info.f_bool=true", json!({ "fBool": true })),
            ("info.f_bytes=AAE%3D", json!({ "fBytes": "AAE=" })),
            ("info.f_kingdom=PLANTAE", json!({ "fKingdom": "PLANTAE" })),
            ("info.f_kingdom=4", json!({ "fKingdom": "PLANTAE" })),
            ("info.f_child.grand.f_double=2", json!({ "fChild": { "grand": { "fDouble": 2 } } })),
            ("info.p_string=", json!({ "pString": "" })),
            ("info.f_duration=1.5s", json!({ "fDuration": "1.500s" })),
            (
                "info.f_timestamp=2026-11-21T10:00:00.25Z",
                json!({ "fTimestamp": "2026-11-21T10:00:00.250Z" }),
            ),
            ("info.f_mask=a,b.fC", json!({ "fMask": "a,b.fC" })),
            ("info.f_wrapped=0", json!({ "fWrapped": "0" })),
            ("info.f_texts=a&info.f_texts=b", json!({ "fTexts": ["a", "b"] })),
            ("info.f_int32=1&info.f_int32=2", json!({ "fInt32": 2 })),
        ] {
            let answer = get(&server, &format!("/v1/repeat:query?{query}")).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.text());
            assert_eq!(answer.json(), json!({ "info": info }), "{query}");
        }
        let query =
            "numbers=1&kingdoms=ANIMALIA&numbers=-2&kingdoms=4&intended_int32=0&server_verify=1";
        let answer = get(&server, &format!("/v1/repeat:query?{query}")).await;
        assert_eq!(answer.status, 400, "a bool is true or false: {}", answer.text());
        let query = query.replace("verify=1", "verify=true");
        let answer = get(&server, &format!("/v1/repeat:query?{query}")).await;
        let expected = json!({
            "numbers": ["1", "-2"],
            "kingdoms": ["ANIMALIA", "PLANTAE"],
            "intendedInt32": 0,
            "serverVerify": true,
        });
        assert_eq!(answer.json(), expected);
    })
    .await;
}

#[tokio::test]
async fn every_type_in_the_path() {
    within(async {
        let server = serve(COMPLIANCE).await;
        let answer = get(&server, "/v1/repeat/a%2Fb%20c/-7/1.25/true/ANIMALIA:simplepath").await;
        let info = json!({
            "fString": "a/b c", "fInt32": -7, "fDouble": 1.25, "fBool": true, "fKingdom": "ANIMALIA",
        });
        assert_eq!(answer.json(), json!({ "info": info }));

        let answer = get(&server, "/v1/repeat/first/x/second/y/bool/true:pathresource?name=n").await;
        let info = json!({ "fString": "first/x", "fChild": { "fString": "second/y" }, "fBool": true });
        assert_eq!(answer.json(), json!({ "name": "n", "info": info }));

        let path = "/v1/repeat/first/x/second/y/bool/false:childfirstpathresource";
        let info = json!({ "fString": "second/y", "fChild": { "fString": "first/x" } });
        assert_eq!(get(&server, path).await.json(), json!({ "info": info }));

        let path = "/v1/repeat/first/x/second/y/z%2F1/:pathtrailingresource";
        let info = json!({ "fString": "first/x", "fChild": { "fString": "second/y/z%2F1/" } });
        assert_eq!(get(&server, path).await.json(), json!({ "info": info }));

        let answer = send(&server, Method::DELETE, "/v1/rooms/1/blurbs/2", &[], "").await;
        assert_eq!(answer.json(), json!({ "name": "rooms/1/blurbs/2" }));
    })
    .await;
}

#[tokio::test]
async fn bodies_whole_or_a_field_by_every_method_and_version() {
    within(async {
        let server = serve(COMPLIANCE).await;
        let data =
            r#"{"name":"n","info":{"fString":"é","fKingdom":4,"f_bool":true},"numbers":["1",2]}"#;
        let expected = json!({
            "name": "n",
            "info": { "fString": "é", "fKingdom": "PLANTAE", "fBool": true },
            "numbers": ["1", "2"],
        });
        for (method, path) in [
            (Method::POST, "/v1/repeat:body"),
            (Method::PUT, "/v1/repeat:bodyput"),
            (Method::PATCH, "/v1/repeat:bodypatch"),
        ] {
            assert_eq!(send_json(&server, method.clone(), path, data).await.json(), expected);
            let headers = [("content-type", "application/json; charset=utf-8")];
            assert_eq!(send2(&server, method, path, &headers, data).await.json(), expected);
        }
        let path = "/v1/repeat:bodyinfo?name=n&numbers=3";
        let answer = send_json(&server, Method::POST, path, r#"{"fInt32": 5}"#).await;
        let expected = json!({ "name": "n", "info": { "fInt32": 5 }, "numbers": ["3"] });
        assert_eq!(answer.json(), expected);
        let answer = send_json(&server, Method::POST, "/v1/repeat:body", "").await;
        assert_eq!(answer.json(), json!({}), "an empty body is one of defaults");
    })
    .await;
}

#[tokio::test]
async fn system_parameters() {
    within(async {
        let server = serve(COMPLIANCE).await;
        let path = "/v1/repeat:query?kingdoms=ANIMALIA&$alt=json;enum-encoding=int&$.xgafv=2";
        assert_eq!(get(&server, path).await.json(), json!({ "kingdoms": [3] }));
        let path = "/v1/repeat:query?%24alt=json%3Benum-encoding%3Dint&kingdoms=4";
        assert_eq!(get(&server, path).await.json(), json!({ "kingdoms": [4] }));
        assert_eq!(get(&server, "/v1/repeat:query?$alt=xml").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn bytes_pass_as_they_are() {
    within(async {
        let server = serve(COMPLIANCE).await;
        let bytes = [0u8, 255, b'{', 10, 0];
        let kind = "multipart/mixed; boundary=Ab";
        let headers = [("content-type", kind)];
        for path in ["/v1/pages/7?note=x", "/v1/raw"] {
            let method = if path == "/v1/raw" { Method::PUT } else { Method::POST };
            let answer = send(&server, method, path, &headers, bytes).await;
            assert_eq!((answer.header("content-type"), &answer.body[..]), (Some(kind), &bytes[..]));
        }
        let large = vec![7u8; 3 << 20];
        let answer = send(&server, Method::POST, "/v1/parts", &headers, &large).await;
        assert_eq!(answer.header("content-type"), Some(kind));
        assert!(answer.body == large, "{} bytes came back", answer.body.len());
        // What is a part is up to the transport, so none is larger than what it reads at once.
        let answer = send2(&server, Method::POST, "/v1/parts", &headers, &large).await;
        assert!(answer.body == large, "{} bytes came back", answer.body.len());
        let answer = send(&server, Method::POST, "/v1/parts", &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    })
    .await;
}
