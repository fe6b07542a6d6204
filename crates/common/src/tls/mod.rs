//! TLS settings from files that are looked at again while the program runs.
//!
//! Certificates live shorter than processes: cert-manager, SPIFFE helpers and Kubernetes replace
//! the files and expect that new connections use them. [`Reloading`] does that for both ends;
//! what the files mean is said by [`crate::server::tls::ServerTls`] and
//! [`crate::client::tls::ClientTls`].

mod pem;
mod reload;
mod validity;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use thiserror::Error;

pub(crate) use pem::{identity, roots};
pub(crate) use reload::Files;
pub use reload::{Outcome, Reloading};

/// How often the files are looked at unless a setting says otherwise.
pub const RELOAD_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Why TLS settings cannot be used. The text names the file and what is wrong with it.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or may not be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file holds something else than what it is named for.
    #[error("no {what} in {}: expected PEM", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A private key is protected by a password.
    #[error("the private key in {} is encrypted: expected one without a password", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A file is damaged PEM.
    #[error("{} is not valid PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate of an authority is damaged or cannot sign.
    #[error("certificate {index} in {} cannot be used as a CA", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Which certificate of the file, from 1.
        index: usize,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// The key is of another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate or the key is damaged or of a kind that is not supported.
    #[error("cannot use the certificate in {} with the key in {}", cert.display(), key.display())]
    Identity {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// The verifier of the peer's certificates cannot be made.
    #[error("cannot verify with the CA in {}", path.display())]
    Verifier {
        /// The CA's file.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// No CA was set and the system has none.
    #[error("the system has no CA certificates: install them or set a CA file")]
    NoSystemRoots {
        /// The first thing that went wrong on the way, if anything did.
        #[source]
        source: Option<crate::BoxError>,
    },
    /// A client's certificate came without its key, or the reverse.
    #[error("a client certificate needs both files, certificate and key: {} came alone", path.display())]
    Incomplete {
        /// The file that was set.
        path: PathBuf,
    },
    /// A name that no certificate can carry.
    #[error("{name:?} is no server name: expected a DNS name or an IP address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// rustls refuses the protocol versions.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// The cryptography of every connection, named here so that nothing depends on which provider
/// a process installed as its default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
