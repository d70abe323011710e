//! Signatures by certificates that are good for minutes ("keyless"): an authority issued one to whoever had logged in, and a log
//! says that the signature was made while it was good (docs.sigstore.dev, "Verifying signatures").
//!
//! A file says which authorities and logs are trusted. Nothing is fetched.

use std::fmt;
use std::sync::Arc;

use sandglass_manifest::{Digest, Keyless};
use sandglass_text::Line;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, Sha256Hash};
use sigstore_verify::{Error, VerificationPolicy, Verifier};

use super::{CertificateName, Flaw, KeyError, SignerName, bundle, key};

/// An identity whose signatures count.
#[derive(Clone)]
pub struct Identity {
    wanted: Keyless,
    verifier: Arc<Verifier>,
    policy: VerificationPolicy,
    /// The digest of the file of the trust root.
    trust_root: Digest,
}

impl Identity {
    /// Reads the trust root.
    pub fn read(wanted: &Keyless) -> Result<Self, KeyError> {
        let file = &wanted.trust_root;
        let refuse = |reason: String| Err(KeyError::of_trust_root(file, reason));
        let bytes = key::read(file).map_err(|reason| KeyError::of_trust_root(file, reason))?;
        let Ok(root) = serde_json::from_slice::<TrustedRoot>(&bytes) else {
            return refuse("is no trust root: name a `trusted_root.json` of Sigstore's format, as `cosign trusted-root create` writes it".to_owned());
        };
        if root.certificate_authorities.is_empty() || root.tlogs.is_empty() {
            return refuse("has no certificate authority, or no transparency log (`tlogs`): nothing could be verified by it".to_owned());
        }
        let verifier = match Verifier::new(&root) {
            Ok(verifier) => verifier,
            Err(error) => return refuse(format!("cannot be used: {error}")),
        };
        let policy = VerificationPolicy::any_identity().require_issuer(&wanted.issuer);
        Ok(Self {
            wanted: wanted.clone(),
            verifier: verifier.into(),
            // Where no log of certificates is trusted, none can have said anything.
            policy: match root.ctlogs.is_empty() {
                true => policy.skip_sct(),
                false => policy,
            },
            trust_root: Digest::of(&bytes),
        })
    }

    /// Whether this is who signed, by the same trust root.
    pub fn is(&self, name: &SignerName) -> bool {
        match name {
            SignerName::Key(_) => false,
            SignerName::Certificate(name) => {
                name.issuer == self.wanted.issuer
                    && self.wanted.identity.covers(&name.identity)
                    && name.trust_root == self.trust_root
            }
        }
    }

    /// Who signed this digest by this bundle. What the statement says is only looked at once it is known who says it.
    pub fn check(&self, document: &[u8], digest: &Digest) -> Result<SignerName, Flaw> {
        let bundle: Bundle = serde_json::from_slice(document)
            .map_err(|_| Flaw::Unreadable("the bundle is not what cosign writes"))?;
        if bundle.signing_certificate().is_none() {
            return Err(Flaw::OtherKey);
        }
        let artifact = Sha256Hash::new(*digest.bytes());
        let verified = self
            .verifier
            .verify(artifact, &bundle, &self.policy)
            .map_err(|error| flaw(&error))?;
        let name = SignerName::Certificate(CertificateName {
            identity: verified
                .identity()
                .map(|identity| identity.as_str().to_owned())
                .unwrap_or_default(),
            issuer: verified.issuer().unwrap_or_default().to_owned(),
            trust_root: self.trust_root.clone(),
        });
        if !self.is(&name) {
            return Err(Flaw::Untrusted(Line::excerpt(format_args!(
                "the signature is by {name}"
            ))));
        }
        bundle::check_statement(document, digest)?;
        Ok(name)
    }
}

fn flaw(error: &Error) -> Flaw {
    let reason = match error {
        Error::ArtifactMismatch(_) => return Flaw::OtherArtifact,
        Error::IssuerMismatch { actual, .. } => format!(
            "who signed had logged in at {}",
            actual.as_deref().unwrap_or("no issuer that is named")
        ),
        Error::Certificate(error) => format!(
            "its certificate is of no authority in the trust root, or was not good when the signature was logged ({error})"
        ),
        Error::TransparencyLog(_) | Error::Timestamp(_) | Error::Bundle(_) => {
            format!("it is in no log of the trust root ({error})")
        }
        error => error.to_string(),
    };
    // It quotes what anybody can have written.
    Flaw::Untrusted(Line::excerpt(reason))
}

/// For whom a certificate must be.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.wanted.identity, self.wanted.issuer)
    }
}

#[cfg(test)]
#[path = "keyless_tests.rs"]
mod tests;
