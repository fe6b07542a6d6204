//! Certificates and keys out of PEM files, with errors that name the file.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tracing::warn;

use super::validity::Validity;
use super::{Files, TlsError, provider};

/// The certificate chain in one file and its key in another, which must match.
///
/// An expired certificate is used all the same, because which peers still take it is theirs to
/// say, but it is warned of.
pub(crate) fn identity(files: &Files, cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(files, cert)?;
    if let Some(validity) = chain.first().and_then(|leaf| Validity::of(leaf)) {
        match validity.at(std::time::SystemTime::now()) {
            std::cmp::Ordering::Less => {
                warn!(file = %cert.display(), "certificate is not valid yet")
            }
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => warn!(file = %cert.display(), "certificate has expired"),
        }
    }
    let private = private_key(files, key)?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() }
        }
        source => TlsError::Identity { cert: cert.to_owned(), key: key.to_owned(), source },
    })
}

/// Every certificate of a file, as authorities.
pub(crate) fn roots(files: &Files, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for (index, cert) in certificates(files, path)?.into_iter().enumerate() {
        store.add(cert).map_err(|source| TlsError::Ca {
            path: path.to_owned(),
            index: index + 1,
            source,
        })?;
    }
    Ok(store)
}

fn certificates(files: &Files, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(files.get(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what: "certificate" });
    }
    Ok(found)
}

fn private_key(files: &Files, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    let content = files.get(path)?;
    PrivateKeyDer::from_pem_slice(content).map_err(|source| {
        let path = path.to_owned();
        if ENCRYPTED.iter().any(|mark| content.windows(mark.len()).any(|part| part == *mark)) {
            TlsError::Encrypted { path }
        } else if matches!(source, PemError::NoItemsFound) {
            TlsError::Missing { path, what: "private key" }
        } else {
            TlsError::Pem { path, source }
        }
    })
}
