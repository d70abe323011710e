//! Certificates for servers of tests.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// All in PEM.
pub(crate) struct Certificates {
    /// The certificate of an authority.
    pub authority: String,
    /// One of it for this machine.
    pub certificate: String,
    /// The key of the latter.
    pub key: String,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new([]).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = key();
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&server, &authority))
            .expect("a certificate");
        Self {
            authority: authority.as_ref().pem(),
            certificate: certificate.pem(),
            key: server.serialize_pem(),
        }
    }
}
