//! Public keys, as cosign and openssl write them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use sandglass_manifest::{ByteSize, Digest, unreadable};
use sandglass_text::Line;
use serde::Serialize;

/// The file of a key or trust root has less.
const MAX_FILE: ByteSize = ByteSize::kib(64);

/// The signatures that cosign makes by each kind of key: from version 3 on with the hash that goes with a curve, before with SHA-256.
/// A key is of the kinds that accept it.
const ALGORITHMS: [&dyn VerificationAlgorithm; 7] = [
    &ECDSA_P256_SHA256_ASN1,
    &ECDSA_P384_SHA384_ASN1,
    &ECDSA_P384_SHA256_ASN1,
    &ECDSA_P521_SHA512_ASN1,
    &ECDSA_P521_SHA256_ASN1,
    &RSA_PKCS1_2048_8192_SHA256,
    &ED25519,
];

/// A public key.
#[derive(Clone)]
pub struct PublicKey {
    /// What it is called.
    pub name: KeyName,
    kinds: Vec<ParsedPublicKey>,
}

/// What a key is called: by the file that it was read from, and by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyName {
    /// The file.
    #[serde(rename = "key")]
    pub file: Arc<Path>,
    /// The digest of its `SubjectPublicKeyInfo` in DER.
    #[serde(rename = "key_id")]
    pub id: Digest,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.file.display(), self.id)
    }
}

/// Why a file gives no key, or no trust root.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} {} {reason}", .file.display())]
pub struct KeyError {
    kind: &'static str,
    file: PathBuf,
    reason: String,
}

impl KeyError {
    /// `reason` goes on after the file's name.
    pub fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self {
            kind: "key",
            file: file.to_owned(),
            reason: reason.into(),
        }
    }

    /// The same of a trust root.
    pub fn of_trust_root(file: &Path, reason: impl Into<String>) -> Self {
        Self {
            kind: "trust root",
            ..Self::new(file, reason)
        }
    }
}

impl PublicKey {
    /// Reads a key from a file: PEM of a `SubjectPublicKeyInfo` (RFC 7468, section 13).
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let pem = read_pem(file)?;
        match pem.tag() {
            "PUBLIC KEY" => {}
            tag if tag.contains("PRIVATE KEY") => {
                return Err(KeyError::new(
                    file,
                    "is a private key: name the public one, and keep this one to who signs",
                ));
            }
            tag => {
                let reason = format!(
                    "is a `{}`: name the file of a `PUBLIC KEY`, as `cosign generate-key-pair` and `openssl pkey -pubout` write it",
                    Line::name(tag)
                );
                return Err(KeyError::new(file, reason));
            }
        }
        Self::of_der(file, pem.contents()).ok_or_else(|| {
            KeyError::new(
                file,
                "is of no kind that is accepted: ECDSA (P-256, P-384, P-521), RSA (2048 bits or more) and Ed25519 are",
            )
        })
    }

    /// A key in DER; `file` is where it came from.
    pub fn of_der(file: &Path, der: &[u8]) -> Option<Self> {
        let kinds: Vec<_> = ALGORITHMS
            .iter()
            .filter_map(|algorithm| ParsedPublicKey::new(*algorithm, der).ok())
            .collect();
        let name = KeyName {
            file: file.into(),
            id: Digest::of(der),
        };
        (!kinds.is_empty()).then_some(Self { name, kinds })
    }

    /// Whether this is its signature of the message.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.kinds
            .iter()
            .any(|kind| kind.verify_sig(message, signature).is_ok())
    }
}

/// A file's content; the error goes on after the file's name.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| {
            opened
                .take(MAX_FILE.get().saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_FILE.get() {
        return Err(format!("has more than {MAX_FILE}: is it the right file?"));
    }
    Ok(bytes)
}

/// The only section of a PEM file.
pub fn read_pem(file: &Path) -> Result<pem::Pem, KeyError> {
    let bytes = read(file).map_err(|reason| KeyError::new(file, reason))?;
    let mut sections = pem::parse_many(&bytes).unwrap_or_default();
    match (sections.pop(), sections.is_empty()) {
        (Some(section), true) => Ok(section),
        (None, _) => Err(KeyError::new(
            file,
            "is no PEM (`-----BEGIN ..`): is it the right file?",
        )),
        (Some(_), false) => Err(KeyError::new(
            file,
            "has several PEM sections: put each key into a file of its own",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::verify::tests::{fixture, text, write};

    #[test]
    fn keys_of_all_kinds_that_cosign_makes_are_read() {
        for kind in ["p256", "p384", "rsa", "ed25519"] {
            let key = PublicKey::read(&fixture(&format!("{kind}.pub"))).unwrap();
            assert!(!key.has_signed(b"", b""), "{kind}");
        }
        // `openssl pkey -pubin -in p256.pub -outform DER | sha256sum`
        let key = PublicKey::read(&fixture("p256.pub")).unwrap();
        assert_eq!(key.name.id.to_string(), text("p256.id").trim());
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_what_it_is() {
        let p256 = std::fs::read_to_string(fixture("p256.pub")).unwrap();
        let private = std::fs::read_to_string(fixture("p256.key")).unwrap();
        let certificate = p256.replace("PUBLIC KEY", "CERTIFICATE");
        let damaged = p256.replacen("MFkw", "MFkx", 1);
        for (text, part) in [
            ("", "is no PEM"),
            ("hello", "is no PEM"),
            (&private, "is a private key"),
            (&certificate, "is a `CERTIFICATE`"),
            (&damaged, "is of no kind"),
            (&format!("{p256}{p256}"), "several PEM sections"),
            (&"x".repeat(70_000), "more than 64KiB"),
        ] {
            let file = write(text);
            let error = PublicKey::read(file.path()).err().expect(part).to_string();
            assert!(error.contains(part), "{error}");
            assert!(
                error.contains(&file.path().display().to_string()),
                "{error}"
            );
        }
        let error = PublicKey::read(Path::new("/nowhere/acme.pub"))
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("/nowhere/acme.pub cannot be read: there is no such file")
        );
    }
}
