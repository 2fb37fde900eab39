//! TLS settings of clients: which certificate authorities are trusted.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The TLS settings for a provider behind `https`: the system's authorities,
/// which `SSL_CERT_FILE` may replace, and those of `ca_file`.
///
/// # Errors
/// When there is no authority to trust.
pub(crate) fn with_roots(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        for certificate in read(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(path, error))?;
        }
    }
    if roots.is_empty() {
        return Err(TrustError::NoAuthority);
    }
    Ok(with(roots))
}

/// The TLS settings for a server at this URL: [`with_roots`] for `https`, else
/// [`without_roots`].
///
/// # Errors
/// When there is no authority to trust.
pub(crate) fn for_url(url: &Url, ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    if url.scheme() == "https" {
        with_roots(ca_file)
    } else {
        Ok(without_roots())
    }
}

/// The TLS settings for a provider behind plain `http`: reading the system's
/// authorities takes longer than the whole message, and none is needed.
pub(crate) fn without_roots() -> ClientConfig {
    with(RootCertStore::empty())
}

fn with(roots: RootCertStore) -> ClientConfig {
    #[expect(clippy::expect_used, reason = "ring implements the default versions")]
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring implements TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, error))?;
    if certificates.is_empty() {
        return Err(TrustError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

fn unusable(path: &Path, error: impl Error + Send + Sync + 'static) -> TrustError {
    TrustError::CaFile {
        path: path.to_owned(),
        source: Box::new(error),
    }
}

/// No certificate authority can be trusted. The administrator must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("use ca_file {}", path.display())]
    CaFile {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(
        "find a certificate authority to trust: install the package ca-certificates, or name one \
         with ca_file"
    )]
    NoAuthority,
    #[error("use ca_file {}: it holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
}
