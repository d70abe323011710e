//! Whom a TLS connection trusts.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The system's certificates, read once.
static SYSTEM: LazyLock<RootCertStore> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates of the system not read");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!(
            "the system has no certificates: tools reach https servers only where a rule has a `ca`; install ca-certificates, or set SSL_CERT_FILE"
        );
    }
    roots
});

/// What connections without a `ca` of their own use.
static PLAIN: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(config(SYSTEM.clone())));

/// Trust in the system's certificates.
pub(super) fn plain() -> Arc<ClientConfig> {
    Arc::clone(&PLAIN)
}

/// Trust in the system's certificates, and in those of the file. Blocks on files.
pub(super) fn trust(path: &Path) -> Result<Arc<ClientConfig>, String> {
    let shown = path.display();
    let refuse = |error: &dyn std::fmt::Display| {
        format!(
            "the certificates in {shown} cannot be used: {error}; name a PEM file with certificates"
        )
    };
    let mut roots = SYSTEM.clone();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| refuse(&error))?;
    let before = roots.len();
    for certificate in found {
        let certificate = certificate.map_err(|error| refuse(&error))?;
        roots.add(certificate).map_err(|error| refuse(&error))?;
    }
    if roots.len() == before {
        return Err(refuse(&"there are none"));
    }
    Ok(Arc::new(config(roots)))
}

fn config(roots: RootCertStore) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A ticket would carry something from one call to the next, and show a server that both are ours.
    config.resumption = Resumption::disabled();
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/no/such/file")] {
            let error = trust(path).unwrap_err();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
