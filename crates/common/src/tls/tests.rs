//! Both ends against each other, with files that change.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::testing::Authority;
use super::{Outcome, Reloading, TlsError};
use crate::client::tls::ClientTls;
use crate::server::tls::{ClientAuth, ServerTls};

type Stream = tokio::io::DuplexStream;

fn server(authority: &Authority) -> ServerTls {
    ServerTls::new(authority.path("tls.crt"), authority.path("tls.key"))
}

fn client(authority: &Authority) -> ClientTls {
    ClientTls { ca: Some(authority.ca()), ..ClientTls::default() }
}

/// One handshake over a pipe: what each end has of it.
async fn handshake(
    server: Arc<ServerConfig>,
    client: &ClientTls,
) -> (std::io::Result<server::TlsStream<Stream>>, std::io::Result<client::TlsStream<Stream>>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = client.server_name("localhost").unwrap();
    let connector = TlsConnector::from(client.load().unwrap().current());
    tokio::join!(TlsAcceptor::from(server).accept(far), connector.connect(name, near))
}

/// The certificate that a client gets to see.
async fn presented(server: &Reloading<ServerConfig>, client: &ClientTls) -> Vec<u8> {
    let (_, stream) = handshake(server.current(), client).await;
    let stream = stream.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().to_vec()
}

fn refused(loaded: Result<Arc<Reloading<ServerConfig>>, TlsError>) -> String {
    loaded.unwrap_err().to_string()
}

#[tokio::test]
async fn a_channel_and_a_server_agree_on_http2() {
    let authority = Authority::new();
    authority.issue("tls", "localhost");
    let config = server(&authority).load().unwrap();
    let (accepted, connected) = handshake(config.current(), &client(&authority)).await;
    assert_eq!(connected.unwrap().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(accepted.unwrap().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_unless_insecure() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    theirs.issue("tls", "localhost");
    let config = server(&theirs).load().unwrap();
    assert!(handshake(config.current(), &client(&ours)).await.1.is_err());
    let insecure = ClientTls { insecure: true, ..ClientTls::default() };
    assert!(handshake(config.current(), &insecure).await.1.is_ok());
}

#[tokio::test]
async fn the_name_in_the_certificate_counts() {
    let authority = Authority::new();
    authority.issue("tls", "orders.internal");
    let config = server(&authority).load().unwrap();
    let mut client = client(&authority);
    assert!(handshake(config.current(), &client).await.1.is_err());
    client.server_name = Some("orders.internal".to_owned());
    assert!(handshake(config.current(), &client).await.1.is_ok());
}

#[tokio::test]
async fn clients_are_asked_for_certificates() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.issue("tls", "localhost");
    let caller = ours.issue("caller", "caller");
    theirs.issue("caller", "caller");
    let nobody = client(&ours);
    let known = ClientTls {
        cert: Some(ours.path("caller.crt")),
        key: Some(ours.path("caller.key")),
        ..nobody.clone()
    };
    let stranger = ClientTls {
        cert: Some(theirs.path("caller.crt")),
        key: Some(theirs.path("caller.key")),
        ..nobody.clone()
    };

    for client_auth in [ClientAuth::Required, ClientAuth::Optional] {
        let settings = ServerTls { client_ca: Some(ours.ca()), client_auth, ..server(&ours) };
        let config = settings.load().unwrap();
        let accepted = handshake(config.current(), &known).await.0.unwrap();
        assert_eq!(accepted.get_ref().1.peer_certificates().unwrap(), [caller.clone().into()]);
        assert!(handshake(config.current(), &stranger).await.0.is_err());
        let anonymous = handshake(config.current(), &nobody).await.0;
        assert_eq!(anonymous.is_ok(), client_auth == ClientAuth::Optional);
    }
}

#[tokio::test]
async fn new_files_are_used_and_bad_ones_are_not() {
    let authority = Authority::new();
    let client = client(&authority);
    let first = authority.issue("tls", "localhost");
    let config = server(&authority).load().unwrap();
    assert!(matches!(config.reload(), Outcome::Unchanged));

    // The certificate alone does not fit the key that is still there.
    authority.issue("next", "localhost");
    let next = std::fs::read_to_string(authority.path("next.crt")).unwrap();
    authority.write("tls.crt", &next);
    match config.reload() {
        Outcome::Kept(TlsError::Mismatch { cert, .. }) => {
            assert_eq!(cert, authority.path("tls.crt"))
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(config.reload(), Outcome::Unchanged), "warned of once");
    assert_eq!(presented(&config, &client).await, first);

    std::fs::remove_file(authority.path("tls.key")).unwrap();
    assert!(matches!(config.reload(), Outcome::Kept(TlsError::Read { .. })));
    assert!(matches!(config.reload(), Outcome::Unchanged), "warned of once");

    let second = authority.issue("tls", "localhost");
    assert!(matches!(config.reload(), Outcome::Reloaded));
    assert_eq!(presented(&config, &client).await, second);
}

#[cfg(unix)]
#[tokio::test]
async fn a_watched_symlink_may_be_swapped() {
    // As Kubernetes mounts a secret: tls.crt -> ..data/tls.crt, ..data -> a directory.
    let authority = Authority::new();
    let link = |name: &str, target: PathBuf| {
        let (fresh, path) = (authority.path("fresh"), authority.path(name));
        std::os::unix::fs::symlink(target, &fresh).unwrap();
        std::fs::rename(fresh, path).unwrap();
    };
    for version in ["v1", "v2"] {
        std::fs::create_dir(authority.path(version)).unwrap();
    }
    authority.issue("v1/tls", "localhost");
    let second = authority.issue("v2/tls", "localhost");
    link("data", authority.path("v1"));
    link("tls.crt", authority.path("data/tls.crt"));
    link("tls.key", authority.path("data/tls.key"));

    let config = server(&authority).load().unwrap();
    let before = config.current();
    let watcher = tokio::spawn(config.watch(Duration::from_millis(1)));
    link("data", authority.path("v2"));
    while Arc::ptr_eq(&before, &config.current()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(presented(&config, &client(&authority)).await, second);

    // The watcher holds nothing alive.
    drop(config);
    watcher.await.unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let authority = Authority::new();
    let settings = server(&authority);
    let (cert, key) = (settings.cert.display().to_string(), settings.key.display().to_string());

    let error = refused(settings.load());
    assert!(error.starts_with(&format!("cannot read {cert}: ")), "{error}");

    authority.issue("tls", "localhost");
    authority.write("tls.crt", "-----BEGIN something else");
    assert_eq!(refused(settings.load()), format!("{cert} is not valid PEM"));
    authority.write("tls.crt", "");
    assert_eq!(refused(settings.load()), format!("no certificate in {cert}: expected PEM"));

    authority.issue("tls", "localhost");
    authority.write("tls.key", "hello");
    assert_eq!(refused(settings.load()), format!("no private key in {key}: expected PEM"));
    authority.write(
        "tls.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    assert_eq!(
        refused(settings.load()),
        format!("the private key in {key} is encrypted: expected one without a password")
    );

    authority.issue("tls", "localhost");
    authority.write("bad.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let bad = authority.path("bad.crt");
    let settings = ServerTls { client_ca: Some(bad.clone()), ..settings };
    assert_eq!(
        refused(settings.load()),
        format!("certificate 1 in {} cannot be used as a CA", bad.display())
    );
}

#[test]
fn a_client_certificate_needs_its_key() {
    let client = ClientTls { cert: Some("/x/tls.crt".into()), ..ClientTls::default() };
    assert!(
        matches!(client.load(), Err(TlsError::Incomplete { path }) if path.ends_with("tls.crt"))
    );
}

#[test]
fn server_names_are_hosts() {
    let client = ClientTls::default();
    for (host, name) in [("orders", "orders"), ("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")] {
        assert_eq!(client.server_name(host).unwrap().to_str(), name);
    }
    assert!(matches!(client.server_name("a b"), Err(TlsError::ServerName { .. })));
}
