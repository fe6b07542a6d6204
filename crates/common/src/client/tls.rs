//! The client's end of TLS: whom it trusts, and who it says it is.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tracing::warn;

use crate::tls::{self, Reloading, TlsError};

/// TLS of a channel, from PEM files. The default trusts the system's authorities and presents no
/// certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities whose servers are trusted; the system's if not set.
    pub ca: Option<PathBuf>,
    /// The certificate chain to present (mTLS), leaf first; needs `key`.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`: PKCS#8, PKCS#1 or SEC1, without a password.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must carry, where it is not the host that is
    /// dialled.
    pub server_name: Option<String>,
    /// Takes any certificate from anybody, so that the connection is private but its other end
    /// is not known; `ca` is then not used. For tools that look at a server by hand, never
    /// for services.
    pub insecure: bool,
}

impl ClientTls {
    /// Reads the files, blocking the calling thread; for the making of a channel.
    ///
    /// The configuration speaks TLS 1.2 and 1.3 and only HTTP/2 by ALPN. It follows its files
    /// while [`Reloading::watch`] runs; the system's authorities are read again when one of the
    /// files changes.
    pub fn load(&self) -> Result<Arc<Reloading<ClientConfig>>, TlsError> {
        match (&self.cert, &self.key) {
            (Some(path), None) | (None, Some(path)) => {
                return Err(TlsError::Incomplete { path: path.clone() });
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.insecure {
            warn!("certificates of servers are not verified: TLS is set to insecure");
        }
        let settings = self.clone();
        let paths = [&self.ca, &self.cert, &self.key];
        let paths = paths.into_iter().flatten().cloned().collect();
        Reloading::load(paths, move |files| settings.build(files))
    }

    /// The name to ask the server for and to look for in its certificate, when `host` is dialled:
    /// a DNS name or an IP address, an IPv6 address with or without brackets.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsError::ServerName { name: name.to_owned() })
    }

    fn build(&self, files: &tls::Files) -> Result<ClientConfig, TlsError> {
        let provider = tls::provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match &self.ca {
            _ if self.insecure => {
                config.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            }
            Some(path) => config.with_root_certificates(tls::roots(files, path)?),
            None => config.with_root_certificates(system_roots()?),
        };
        let mut config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let identity = tls::identity(files, cert, key)?;
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            _ => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Systems carry old certificates that webpki refuses; the others serve.
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let source = found.errors.into_iter().next().map(Into::into);
        return Err(TlsError::NoSystemRoots { source });
    }
    Ok(store)
}

/// Takes every certificate, but still checks that the server holds its key, as a handshake cannot
/// be finished otherwise.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
