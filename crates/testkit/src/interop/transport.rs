//! The server and the channel under the interop cases: the one place that makes them.

use std::net::SocketAddr;
use std::path::PathBuf;

use ahoy::client::{ChannelError, ClientTls};
use ahoy::server::{Running, ServerError, ServerSettings, ServerTls};
use ahoy::{Channel, Server};

use super::{DESCRIPTOR_SET, server};
use crate::tls::CertFiles;

/// Serves the interop service on `listen`, whose port can be 0, until it is told to stop or
/// dropped.
///
/// # Errors
/// When the address is taken or the certificate cannot be read.
pub async fn serve(listen: SocketAddr, tls: Option<CertFiles>) -> Result<Running, ServerError> {
    let settings = ServerSettings {
        listen,
        admin: None,
        tls: tls.map(|files| ServerTls::new(files.cert, files.key)),
        ..ServerSettings::default()
    };
    Server::new("interop")
        .contracts(DESCRIPTOR_SET)
        .service(server::service())
        .settings(settings)
        .per_message_compression(true)
        .start()
        .await
}

/// Where a server is and how it is trusted.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The host to connect to: a name or an IP address.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// The name that the server's certificate must have, where it is not `host`.
    pub host_override: Option<String>,
    /// Whether to use TLS.
    pub tls: bool,
    /// The only authority to trust, as a PEM file; without, the platform's.
    pub ca_file: Option<PathBuf>,
}

impl Endpoint {
    /// Plain text to this address.
    pub fn plain(addr: SocketAddr) -> Self {
        Self {
            host: addr.ip().to_string(),
            port: addr.port(),
            host_override: None,
            tls: false,
            ca_file: None,
        }
    }

    /// Makes a channel, which connects at its first call.
    ///
    /// # Errors
    /// When the host is no name or the authority's file cannot be read.
    pub fn connect(&self) -> Result<Channel, ChannelError> {
        let scheme = if self.tls { "https" } else { "http" };
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let tls = ClientTls {
            ca: self.ca_file.clone(),
            server_name: self.host_override.clone(),
            ..ClientTls::default()
        };
        Channel::builder(format!("{scheme}://{host}:{}", self.port)).tls(tls).build()
    }
}
