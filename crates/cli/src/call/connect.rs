//! Opens the channel of a command, and says in one line why it could not.

use std::path::PathBuf;
use std::time::Duration;

use ahoy::Channel;
use ahoy::client::{ChannelError, ChannelSettings, ClientTls};
use ahoy::tls::TlsError;
use http::Uri;
use http::uri::{InvalidUri, Scheme};
use tonic::Status;

use super::failure::Failure;

/// How long it may take to find the server and to connect to it, with the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is taken; gRPC's customary 4 MiB protects a service, not a person.
pub(crate) const MAX_ANSWER_BYTES: usize = 256 << 20;

/// The most headers or trailers that are taken, for the same reason.
const MAX_HEADER_BYTES: u32 = 1 << 20;

/// How the server proves itself, and we to it.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// The certificates (PEM) that the server's must descend from [default: the system's]
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// The certificate (PEM) to show to the server
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The private key (PEM) of --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The name to ask for and to find in the certificate, sent as :authority, too
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,

    /// Takes any certificate. The peer may then be anyone
    #[arg(long, conflicts_with = "cacert")]
    insecure: bool,
}

/// Connects to `address`: `host:port` or `http://…` in plaintext, `https://…` with TLS.
///
/// # Errors
/// A usage failure if the address or a TLS file is wrong; a plain failure, with advice where there
/// is some, if the server cannot be reached within ten seconds.
pub(crate) async fn connect(address: &str, tls: &TlsArgs) -> Result<Channel, Failure> {
    let scheme = check(address)?;
    if scheme == Scheme::HTTP && (tls.cacert.is_some() || tls.cert.is_some() || tls.insecure) {
        return Err(Failure::usage(format!(
            "--cacert, --cert and --insecure are for TLS, and {address} is plaintext; write https://"
        )));
    }
    let settings = ChannelSettings {
        tls: ClientTls {
            ca: tls.cacert.clone(),
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            server_name: tls.server_name.clone(),
            insecure: tls.insecure,
        },
        authority: tls.server_name.clone(),
        // A person may type into a stream for as long as they like.
        default_deadline: None,
        max_message_bytes: MAX_ANSWER_BYTES,
        max_header_bytes: MAX_HEADER_BYTES,
        ..ChannelSettings::default()
    };
    let channel = Channel::builder(address).settings(settings).build().map_err(refused)?;
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, channel.connect()).await;
    let problem = match connected {
        Ok(Ok(())) => return Ok(channel),
        Ok(Err(status)) => explain(&status, address, tls),
        Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
    };
    Err(Failure::failed(format!("cannot connect to {address}: {problem}")))
}

/// Says what is wrong with an address in the words of a command line; a channel takes more forms.
fn check(address: &str) -> Result<Scheme, Failure> {
    let wrong = |problem: &str| {
        Failure::usage(format!(
            "address {address:?}: {problem}; write host:port, http://host:port or https://host:port"
        ))
    };
    let has_scheme = address.contains("://");
    let with_scheme = if has_scheme { address.to_owned() } else { format!("http://{address}") };
    let uri: Uri = with_scheme.parse().map_err(|error: InvalidUri| wrong(&error.to_string()))?;
    let parts = uri.into_parts();
    let scheme = parts.scheme.unwrap_or(Scheme::HTTP);
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(wrong("the scheme is not known"));
    }
    let authority = parts.authority.ok_or_else(|| wrong("there is no host"))?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(wrong("the host is not valid"));
    }
    if authority.port_u16().is_none() {
        if authority.as_str() != authority.host() {
            return Err(wrong("the port is not a number up to 65535"));
        }
        if !has_scheme {
            return Err(wrong("there is no port"));
        }
    }
    if parts.path_and_query.is_some_and(|path| path.as_str() != "/") {
        return Err(wrong("a gRPC server has no path"));
    }
    Ok(scheme)
}

/// Why there is no channel: what was asked for is wrong, or this machine lacks what it takes.
fn refused(error: ChannelError) -> Failure {
    let lacks_roots = matches!(error, ChannelError::Tls(TlsError::NoSystemRoots { .. }));
    // With its causes.
    let text = format!("{:#}", anyhow::Error::new(error));
    match lacks_roots {
        true => Failure::failed(format!("{text}; see --cacert, --insecure")),
        false => Failure::usage(text),
    }
}

/// The channel's reason in the words of a command line, with advice where there is some.
fn explain(status: &Status, address: &str, tls: &TlsArgs) -> String {
    let message = status.message();
    if message.starts_with("cannot resolve") {
        return "no such host; the name does not resolve".to_owned();
    }
    // It begins with the address that was tried; the one that was typed says more.
    let reason = message.split_once(": ").map_or(message, |(_, reason)| reason);
    let after = |mark: &str| reason.split_once(mark).map(|(_, rest)| rest);
    let has = |mark: &str| reason.contains(mark);
    if has("Connection refused") {
        return "connection refused; is the server running, and is this its port?".to_owned();
    }
    if has("timed out") {
        return "the host does not answer".to_owned();
    }
    if let Some(problem) = after("invalid peer certificate: ") {
        return format!(
            "the server's certificate is not trusted: {problem}; see --cacert, --server-name, --insecure"
        );
    }
    if let Some(alert) = after("received fatal alert: ") {
        let advice = match tls.cert {
            None => "does it ask for a certificate (--cert, --key)?",
            Some(_) => "does it trust the certificate of --cert?",
        };
        return format!("the server refused the TLS handshake ({alert}); {advice}");
    }
    if has("does not speak TLS") {
        let host = address.trim_start_matches("https://");
        return format!("the server does not speak TLS on this port; try http://{host}");
    }
    if has("speaks HTTP/1") {
        return "the server speaks HTTP/1.1 and not gRPC; is this its port?".to_owned();
    }
    if !address.starts_with("https://") {
        let host = address.trim_start_matches("http://");
        if has("speaks TLS") {
            return format!("the server wants TLS; try https://{host}");
        }
        // Some servers hang up on what is no TLS without a word.
        if has("closed") || has("reset") {
            return format!("{reason}; if the server wants TLS, try https://{host}");
        }
    }
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses() {
        for (address, scheme) in [
            ("localhost:50051", Scheme::HTTP),
            ("http://a.b", Scheme::HTTP),
            ("https://a.b/", Scheme::HTTPS),
            ("[::1]:5000", Scheme::HTTP),
        ] {
            assert_eq!(check(address).unwrap(), scheme, "{address}");
        }
        for wrong in
            ["localhost", "ftp://a:1", "http://a:1/x", ":1", "a@b:1", "a:1,b:2", "a:70000", ""]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
