//! Pages of other origins.

use ahoy::protocol::edge::{CorsSettings, Origins};
use ahoy::server::ServerSettings;
use http::{HeaderValue, Method};

use super::http_client::send;
use crate::support::{greeter, settings, within};

fn with(origins: Origins, credentials: bool) -> ServerSettings {
    ServerSettings { cors: Some(CorsSettings { origins, credentials }), ..settings() }
}

const ORIGIN: (&str, &str) = ("origin", "https://app.example.org");

const PREFLIGHT: [(&str, &str); 3] = [
    ORIGIN,
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type,x-grpc-web"),
];

#[tokio::test]
async fn by_default_other_origins_are_told_nothing() {
    within(async {
        let server = greeter(settings()).await;
        let answer = send(&server, Method::GET, "/v1/hello", &[ORIGIN], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin")),
            (200, None)
        );
        let answer = send(&server, Method::OPTIONS, "/v1/hello", &PREFLIGHT, "").await;
        assert_eq!(answer.header("access-control-allow-methods"), None);
    })
    .await;
}

#[tokio::test]
async fn listed_origins_may_call_with_credentials() {
    within(async {
        let listed = Origins::Listed(vec![HeaderValue::from_static(ORIGIN.1)]);
        let server = greeter(with(listed, true)).await;
        // Also what is no route of REST: the preflights of gRPC-Web and Connect.
        for path in ["/v1/hello", "/hello.v1.HelloService/SayHello"] {
            let answer = send(&server, Method::OPTIONS, path, &PREFLIGHT, "").await;
            assert_eq!(answer.status, 204);
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN.1));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert_eq!(answer.header("access-control-allow-headers"), Some(PREFLIGHT[2].1));
            assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
            assert!(answer.header("access-control-max-age").is_some());
        }
        for path in ["/v1/hello", "/v1/hello?language=xx", "/nowhere"] {
            let answer = send(&server, Method::GET, path, &[ORIGIN], "").await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN.1));
            let exposed = answer.header("access-control-expose-headers").unwrap();
            assert!(exposed.contains("content-type"), "{exposed}");
            assert_eq!(answer.header("vary"), Some("origin"));
        }
        let other = [("origin", "https://evil.example.org")];
        let answer = send(&server, Method::GET, "/v1/hello", &other, "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("vary"), Some("origin"));
    })
    .await;
}

#[tokio::test]
async fn any_origin_may_call_without_credentials() {
    within(async {
        let server = greeter(with(Origins::Any, false)).await;
        let answer = send(&server, Method::GET, "/v1/hello", &[ORIGIN], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    })
    .await;
}
