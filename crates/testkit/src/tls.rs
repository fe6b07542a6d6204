//! Certificates to throw away: an authority, and what it issues, in files of a temporary folder.
//!
//! Issuing again under the same name replaces the files, which is how a rotation looks to a
//! process that has them open by path.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tempfile::{NamedTempFile, TempDir};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name or a parameter is not valid in a certificate.
    #[error("unable to make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("unable to write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug)]
pub struct CertFiles {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate authority, whose files are deleted when it is dropped.
pub struct TestCa {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    ca_file: PathBuf,
}

impl TestCa {
    /// An authority with a new key. Two of them have the same name and do not trust each other.
    ///
    /// # Errors
    /// When the temporary folder cannot be written to.
    pub fn new() -> Result<Self, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testkit CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let dir = TempDir::with_prefix("testkit-tls-")
            .map_err(|source| TlsError::Write { path: std::env::temp_dir(), source })?;
        let ca_file = dir.path().join("ca.pem");
        replace(&ca_file, &issuer.pem())?;
        Ok(Self { dir, issuer, ca_file })
    }

    /// The folder of all files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The authority's own certificate, as PEM: what a peer is to trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The content of [`Self::ca_file`].
    pub fn ca_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a server's certificate into `NAME.pem` and `NAME.key`, with a new key, in place of
    /// those there are. `subjects` are DNS names, wildcards and IP addresses.
    ///
    /// # Errors
    /// When a subject is no name, or the files cannot be written.
    pub fn issue_server(&self, name: &str, subjects: &[&str]) -> Result<CertFiles, TlsError> {
        self.issue(name, subjects, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a client's certificate, as [`Self::issue_server`] does. A subject can be a SPIFFE ID
    /// (`spiffe://…`) too, which becomes a URI.
    ///
    /// # Errors
    /// When a subject is no name, or the files cannot be written.
    pub fn issue_client(&self, name: &str, subjects: &[&str]) -> Result<CertFiles, TlsError> {
        self.issue(name, subjects, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        name: &str,
        subjects: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<CertFiles, TlsError> {
        let (uris, names): (Vec<String>, Vec<String>) = subjects
            .iter()
            .map(|&subject| subject.to_owned())
            .partition(|subject| subject.contains("://"));
        let mut params = CertificateParams::new(names)?;
        for uri in uris {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer)?;

        let files = CertFiles {
            cert: self.dir.path().join(format!("{name}.pem")),
            key: self.dir.path().join(format!("{name}.key")),
        };
        replace(&files.key, &key.serialize_pem())?;
        replace(&files.cert, &cert.pem())?;
        Ok(files)
    }
}

/// Puts a file into place as a whole, so that no reader sees half of one.
fn replace(path: &Path, content: &str) -> Result<(), TlsError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(content.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|source| TlsError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn issues_again_into_the_same_files() {
        let ca = TestCa::new().unwrap();
        let first = ca.issue_server("server", &["localhost", "127.0.0.1"]).unwrap();
        let (cert, key) = (fs::read(&first.cert).unwrap(), fs::read(&first.key).unwrap());
        let second = ca.issue_server("server", &["localhost"]).unwrap();
        assert_eq!(second.cert, first.cert);
        assert_ne!(fs::read(&second.cert).unwrap(), cert);
        assert_ne!(fs::read(&second.key).unwrap(), key);
        assert_eq!(fs::read_to_string(ca.ca_file()).unwrap(), ca.ca_pem());
    }

    #[test]
    fn deletes_its_files() {
        let ca = TestCa::new().unwrap();
        let client = ca.issue_client("client", &["spiffe://test/ns/a/sa/b"]).unwrap();
        assert!(client.key.exists());
        drop(ca);
        assert!(!client.key.exists());
    }
}
