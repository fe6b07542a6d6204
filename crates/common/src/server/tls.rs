//! The server's end of TLS: its certificate, and whose clients it takes.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;

use crate::tls::{self, Reloading, TlsError};

/// TLS of a listener, from PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The leaf's private key: PKCS#8, PKCS#1 or SEC1, without a password.
    pub key: PathBuf,
    /// The authorities whose clients are taken (mTLS). Without it no client is asked for a
    /// certificate.
    pub client_ca: Option<PathBuf>,
    /// What is asked of clients when there is a `client_ca`.
    pub client_auth: ClientAuth,
}

/// What a server asks of its clients in mTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client without a certificate of the authority is turned away in the handshake.
    #[default]
    Required,
    /// A client may come without a certificate, but not with one of another authority.
    Optional,
}

impl ServerTls {
    /// TLS without asking clients for certificates.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
            client_ca: None,
            client_auth: ClientAuth::Required,
        }
    }

    /// Reads the files, blocking the calling thread; for the start of a server. An expired
    /// certificate is warned of, not refused.
    ///
    /// The configuration takes TLS 1.2 and 1.3 and offers HTTP/2 and HTTP/1.1 by ALPN. It follows
    /// its files while [`Reloading::watch`] runs.
    pub fn load(&self) -> Result<Arc<Reloading<ServerConfig>>, TlsError> {
        let settings = self.clone();
        let paths = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        let paths = paths.into_iter().flatten().cloned().collect();
        Reloading::load(paths, move |files| settings.build(files))
    }

    fn build(&self, files: &tls::Files) -> Result<ServerConfig, TlsError> {
        let identity = tls::identity(files, &self.cert, &self.key)?;
        let config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(tls::roots(files, path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider());
                let verifier = match self.client_auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                let verifier = verifier
                    .build()
                    .map_err(|source| TlsError::Verifier { path: path.clone(), source })?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
