#![allow(clippy::unwrap_used)]

use http::HeaderName;
use http::header::{ACCEPT_ENCODING, ETAG};
use http_body_util::BodyExt as _;

use super::*;

const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");

const SOURCE: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/api/annotations.proto";
    // Sells <b>things</b> with `care`.
    //
    // And more.
    service ShopService {
      rpc Buy(Item) returns (Item) { option (google.api.http) = {get: "/v1/{name=items/*}"}; }
    }
    message Item { string name = 1; string size = 2; }
"#;

const EXAMPLES: &str = r#"
examples:
  - name: it's
    method: Buy
    request: { name: items/1, size: "it's big & wide" }
    response: { name: items/1 }
"#;

fn docs() -> Docs {
    docs_over(Security::None)
}

fn docs_over(security: Security) -> Docs {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("shop.proto"), SOURCE).unwrap();
    let mut compiler = protox::Compiler::new([dir.path(), PROTO.as_ref()]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_file("shop.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    let contracts = Contracts::new([set.as_slice()], |_| true).unwrap();
    let contracts = contracts.with_examples([("shop.examples.yaml", EXAMPLES)]).unwrap();
    Docs::new(Arc::new(contracts), RestSettings::default(), security)
}

fn asked(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Option<Response<Body>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    accept(&docs(), &request.body(()).unwrap())
}

async fn text(path: &str, headers: &[(HeaderName, &str)]) -> String {
    let response = asked(Method::GET, path, headers).unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_is_not_a_page_is_left_to_others() {
    for path in ["/", "/docs/", "/docs/x.js", "/other/docs", "/shop/openapi.xml", "/shop/docs/x"] {
        assert!(asked(Method::GET, path, &[]).is_none(), "{path}");
    }
    assert!(asked(Method::POST, "/docs", &[]).is_none());
    assert!(asked(Method::OPTIONS, "/shop/docs", &[]).is_none());
}

#[test]
fn pages_say_what_a_browser_may_do_with_them() {
    for path in ["/docs", "/shop/docs", "/shop/openapi.json", "/shop/openapi.yaml"] {
        let response = asked(Method::HEAD, path, &[]).unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
    let policy = |path| {
        let response = asked(Method::GET, path, &[]).unwrap();
        response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    };
    assert!(policy("/shop/docs").contains("connect-src 'self'"));
    assert!(!policy("/docs").contains("script-src"));
}

#[tokio::test]
async fn the_index_has_commands_for_its_reader() {
    let html = text("/docs", &[(HOST, "example.com:81")]).await;
    assert!(html.contains("Sells &lt;b&gt;things&lt;/b&gt; with <code>care</code>.</p>"), "{html}");
    assert!(html.contains("GET /v1/{name=items/*}"), "{html}");
    let rest = "'http://example.com:81/v1/items/1?size=it%27s%20big%20%26%20wide'";
    assert!(html.contains(&html::escape(rest)), "{html}");
    let data = r#"{"name":"items/1","size":"it'\''s big & wide"}"#;
    assert!(html.contains(&html::escape(data)), "{html}");
}

#[tokio::test]
async fn commands_have_the_certificates_that_a_server_asks_for() {
    for (security, flags) in [
        (Security::None, ["curl http:", "grpcurl -plaintext -d"]),
        (Security::Tls, ["curl https:", "grpcurl -d"]),
        (
            Security::MutualTls,
            ["curl --cacert CA.pem --cert CERT.pem --key KEY.pem https:", "grpcurl -cacert CA.pem"],
        ),
    ] {
        let request = Request::get("/docs").body(()).unwrap();
        let response = accept(&docs_over(security), &request).unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(bytes.to_vec()).unwrap().replace(&html::escape("'"), "");
        assert_eq!(html.contains("--http2-prior-knowledge"), security == Security::None);
        for flags in flags {
            assert!(html.contains(flags), "{flags}: {html}");
        }
    }
}

#[tokio::test]
async fn a_host_is_not_html() {
    let html = text("/docs", &[(HOST, "\"><script>")]).await;
    assert!(!html.contains("<script>"));
    assert!(html.contains("http://localhost/"));
}

#[tokio::test]
async fn the_same_document_is_made_once() {
    let docs = docs();
    let request = Request::get("/shop/openapi.json").header(ACCEPT_ENCODING, "gzip");
    let request = request.body(()).unwrap();
    let tags: Vec<_> =
        (0..2).map(|_| accept(&docs, &request).unwrap().headers()[ETAG].clone()).collect();
    assert_eq!(tags.first(), tags.last());
}

#[test]
fn a_document_in_a_page_does_not_end_it() {
    let document = serde_json::json!({ "a": "</script><!--" });
    let html = reference::embedded("a<b", &document);
    assert!(html.contains(r#"{"a":"<\/script><\u0021--"}"#), "{html}");
    assert!(html.contains("<title>a&lt;b</title>"));
}
