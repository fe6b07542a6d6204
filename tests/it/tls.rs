//! TLS and mTLS, certificates that are replaced while the server runs, and readable errors when
//! the two ends do not agree.

use std::fs;
use std::path::Path;

use ahoy::client::ClientTls;
use ahoy::server::{ClientAuth, Running, ServerSettings, ServerTls};
use ahoy::{CallContext, Channel};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use testkit::tls::{CertFiles, TestCa};
use tonic::{Code, Status};

use crate::support::{Scripted, greeting, named, scripted, settings, within};

type Hello = HelloServiceClient<Channel>;

/// A hello service that greets with the number of certificates that its client has.
async fn secure(tls: ServerTls) -> Running {
    let stub = Scripted::default().say_hello(|_| {
        let peer = CallContext::current().peer.unwrap();
        std::future::ready(Ok(greeting(peer.certificates.len().to_string())))
    });
    scripted(stub, ServerSettings { tls: Some(tls), ..settings() }).await
}

fn server_tls(files: &CertFiles) -> ServerTls {
    ServerTls::new(&files.cert, &files.key)
}

fn trusting(ca: &TestCa) -> ClientTls {
    ClientTls { ca: Some(ca.ca_file().to_owned()), ..ClientTls::default() }
}

fn with_identity(tls: ClientTls, identity: CertFiles) -> ClientTls {
    ClientTls { cert: Some(identity.cert), key: Some(identity.key), ..tls }
}

fn client(server: &Running, tls: ClientTls) -> Hello {
    let url = format!("https://localhost:{}", server.addr().port());
    Hello::new(Channel::builder(url).tls(tls).build().unwrap())
}

async fn greet(mut hello: Hello) -> Result<String, Status> {
    Ok(hello.say_hello(named("Ada")).await?.into_inner().greeting)
}

/// The status that says what went wrong with TLS.
#[track_caller]
fn refused(result: Result<String, Status>, why: &str) {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with("cannot connect to "), "{status:?}");
    assert!(status.message().contains(why), "{status:?}");
}

#[tokio::test]
async fn a_server_is_who_its_certificate_says() {
    within(async {
        let ca = TestCa::new().unwrap();
        let server = secure(server_tls(&ca.issue_server("server", &["localhost"]).unwrap())).await;
        assert_eq!(greet(client(&server, trusting(&ca))).await.unwrap(), "0");

        refused(greet(client(&server, trusting(&TestCa::new().unwrap()))).await, "certificate");
        let other = ClientTls { server_name: Some("elsewhere".into()), ..trusting(&ca) };
        refused(greet(client(&server, other)).await, "elsewhere");
        let insecure = ClientTls { insecure: true, ..ClientTls::default() };
        assert_eq!(greet(client(&server, insecure)).await.unwrap(), "0");
    })
    .await;
}

#[tokio::test]
async fn a_server_may_require_its_clients_to_have_a_certificate() {
    within(async {
        let ca = TestCa::new().unwrap();
        let tls = server_tls(&ca.issue_server("server", &["localhost"]).unwrap());
        let server = secure(ServerTls { client_ca: Some(ca.ca_file().to_owned()), ..tls }).await;
        let known = ca.issue_client("client", &["spiffe://test/ns/a/sa/b"]).unwrap();
        let known = with_identity(trusting(&ca), known);
        assert_eq!(greet(client(&server, known)).await.unwrap(), "1");

        refused(greet(client(&server, trusting(&ca))).await, "CertificateRequired");
        let others = TestCa::new().unwrap();
        let stranger = with_identity(trusting(&ca), others.issue_client("client", &["a"]).unwrap());
        refused(greet(client(&server, stranger)).await, "alert");
    })
    .await;
}

#[tokio::test]
async fn a_server_may_leave_it_to_its_clients_to_have_a_certificate() {
    within(async {
        let (ca, others) = (TestCa::new().unwrap(), TestCa::new().unwrap());
        let tls = server_tls(&ca.issue_server("server", &["localhost"]).unwrap());
        let server = secure(ServerTls {
            client_ca: Some(ca.ca_file().to_owned()),
            client_auth: ClientAuth::Optional,
            ..tls
        })
        .await;
        assert_eq!(greet(client(&server, trusting(&ca))).await.unwrap(), "0");
        let known = with_identity(trusting(&ca), ca.issue_client("client", &["a"]).unwrap());
        assert_eq!(greet(client(&server, known)).await.unwrap(), "1");
        let stranger = with_identity(trusting(&ca), others.issue_client("client", &["a"]).unwrap());
        refused(greet(client(&server, stranger)).await, "alert");
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_is_used_and_old_connections_go_on() {
    within(async {
        let (old, new) = (TestCa::new().unwrap(), TestCa::new().unwrap());
        let files = old.issue_server("server", &["localhost"]).unwrap();
        let server = secure(server_tls(&files)).await;
        let connected = client(&server, trusting(&old));
        greet(connected.clone()).await.unwrap();
        refused(greet(client(&server, trusting(&new))).await, "certificate");

        let issued = new.issue_server("server", &["localhost"]).unwrap();
        replace(&issued.key, &files.key);
        replace(&issued.cert, &files.cert);
        while greet(client(&server, trusting(&new))).await.is_err() {}
        greet(connected).await.unwrap();
        refused(greet(client(&server, trusting(&old))).await, "certificate");
    })
    .await;
}

/// Puts the content of a file in the place of another's, as a whole.
fn replace(from: &Path, to: &Path) {
    let whole = to.with_extension("new");
    fs::copy(from, &whole).unwrap();
    fs::rename(whole, to).unwrap();
}

#[tokio::test]
async fn one_end_without_tls_is_told_apart() {
    within(async {
        let ca = TestCa::new().unwrap();
        let secured = secure(server_tls(&ca.issue_server("server", &["localhost"]).unwrap())).await;
        let plain = scripted(Scripted::default(), settings()).await;

        refused(greet(client(&plain, trusting(&ca))).await, "TLS");
        let url = format!("http://{}", secured.addr());
        let status = greet(Hello::new(Channel::new(&url).unwrap())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains(&secured.addr().to_string()), "{status:?}");
        assert!(status.message().contains("TLS"), "{status:?}");
    })
    .await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let missing = ClientTls { ca: Some("/nowhere/ca.pem".into()), ..ClientTls::default() };
    let Err(error) = Channel::builder("https://localhost:1").tls(missing).build() else {
        panic!("a channel without its CA");
    };
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");

    let tls = Some(ServerTls::new("/nowhere/cert.pem", "/nowhere/key.pem"));
    let settings = ServerSettings { tls, ..settings() };
    let Err(error) = greeter::server().settings(settings).start().await else {
        panic!("a server without its certificate");
    };
    assert!(error.to_string().contains("/nowhere/"), "{error}");
}
