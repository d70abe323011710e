//! Whether an artifact is signed by who should have signed it: [`classic`] and [`bundle`] are the two formats of cosign,
//! [`key`] and [`private`] its keys, [`keyless`] what signs without.
//!
//! Nobody is asked, no log and no authority: nothing but the registry is needed, and not even that where the cache has the signature.

pub mod bundle;
pub mod classic;
mod key;
#[cfg(feature = "keyless")]
mod keyless;
#[cfg(not(feature = "keyless"))]
#[path = "keyless_missing.rs"]
mod keyless;
mod private;
mod signer;

use std::fmt;

use bytes::Bytes;
use sandglass_manifest::{Cosign, Digest, OciReference};
use sandglass_text::Line;

pub use key::{KeyError, KeyName, PublicKey};
use keyless::Identity;
pub use private::{PASSWORD, PrivateKey, SignError};
pub use signer::{CertificateName, SignerName};

/// Why no keyless signature can be verified, and what to do.
pub const NO_KEYLESS: &str =
    "this build has no keyless verification: build with `--features keyless`, or name a public key";

/// The signatures that a source's components must carry: one for each group. Without a group none is looked for.
#[derive(Clone, Default)]
pub struct Signers {
    groups: Vec<Group>,
}

/// Signers of whom one must have signed.
#[derive(Clone, Default)]
struct Group {
    keys: Vec<PublicKey>,
    identity: Option<Identity>,
}

impl Signers {
    /// Reads the keys and trust roots that a manifest names.
    pub fn read(signatures: &[Cosign]) -> Result<Self, KeyError> {
        let group = |cosign: &Cosign| {
            let keys = cosign.key.iter().map(|file| PublicKey::read(file));
            let identity = cosign
                .keyless
                .as_ref()
                .map(|keyless| Identity::read(keyless));
            Ok(Group {
                keys: keys.collect::<Result<_, KeyError>>()?,
                identity: identity.transpose()?,
            })
        };
        let groups = signatures.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// One of these keys.
    pub fn any_of(keys: Vec<PublicKey>) -> Self {
        let identity = None;
        Self {
            groups: vec![Group { keys, identity }],
        }
    }

    /// Whether these are enough: for each group one of them has signed.
    pub fn are_met_by(&self, signers: &[SignerName]) -> bool {
        self.groups
            .iter()
            .all(|group| signers.iter().any(|signer| group.has(signer)))
    }

    /// Whether nobody must have signed.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl Group {
    fn has(&self, signer: &SignerName) -> bool {
        match signer {
            SignerName::Key(name) => self.keys.iter().any(|key| key.name.id == name.id),
            SignerName::Certificate(_) => self
                .identity
                .as_ref()
                .is_some_and(|identity| identity.is(signer)),
        }
    }

    /// Who of them signed this digest.
    fn check(&self, document: &Document, digest: &Digest) -> Result<SignerName, Flaw> {
        let by_key = match document {
            Document::Classic { payload, signature } => {
                classic::check(payload, signature, &self.keys, digest)
            }
            Document::Bundle(bundle) => bundle::check(bundle, &self.keys, digest),
        };
        match (by_key, document, &self.identity) {
            (Ok(key), ..) => Ok(SignerName::from(&key.name)),
            (Err(by_key), Document::Bundle(bundle), Some(identity)) => identity
                .check(bundle, digest)
                .map_err(|flaw| flaw.max(by_key)),
            (Err(flaw), ..) => Err(flaw),
        }
    }

    /// What they are called, each.
    fn names(&self) -> Vec<String> {
        let keys = self
            .keys
            .iter()
            .map(|key| key.name.file.display().to_string());
        keys.chain(self.identity.iter().map(Identity::to_string))
            .collect()
    }
}

/// A signature as it was found, of either format.
#[derive(Debug)]
pub enum Document {
    /// A payload, and its signature in base64.
    Classic {
        /// What is signed.
        payload: Bytes,
        /// The signature.
        signature: String,
    },
    /// A Sigstore bundle.
    Bundle(Bytes),
}

/// What is wrong with a signature. The later ones say more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It is no signature, or none of an artifact.
    Unreadable(&'static str),
    /// It is somebody else's, or forged.
    OtherKey,
    /// It is by a certificate that is not good, or somebody else's.
    Untrusted(Line),
    /// It is by the right one, and signs another artifact.
    OtherArtifact,
}

/// The search for the signatures of one digest.
pub struct Search<'s> {
    signers: &'s Signers,
    digest: &'s Digest,
    /// Who was found for each group.
    found: Vec<Option<SignerName>>,
    flaws: Vec<Flaw>,
}

impl<'s> Search<'s> {
    /// Nothing is found yet.
    pub fn new(signers: &'s Signers, digest: &'s Digest) -> Self {
        Self {
            signers,
            digest,
            found: vec![None; signers.groups.len()],
            flaws: Vec::new(),
        }
    }

    /// Looks at a signature; whether nothing more needs to be looked for.
    pub fn offer(&mut self, document: &Document) -> bool {
        let mut flaw = None;
        for (group, found) in self.signers.groups.iter().zip(&mut self.found) {
            match group.check(document, self.digest) {
                Ok(signer) => *found = Some(signer),
                Err(reason) => flaw = flaw.max(Some(reason)),
            }
        }
        self.flaws.extend(flaw);
        self.is_done()
    }

    /// Notes something that is there and no signature.
    pub fn skip(&mut self, reason: &'static str) {
        self.flaws.push(Flaw::Unreadable(reason));
    }

    /// Whether all that must be signed is.
    pub fn is_done(&self) -> bool {
        self.found.iter().all(Option::is_some)
    }

    /// Who signed; else whose signature is missing, and why what is there does not count.
    pub fn end(self, reference: &OciReference) -> Result<Vec<SignerName>, Box<Unsigned>> {
        let missing = self.found.iter().position(Option::is_none);
        let Some(missing) = missing else {
            return Ok(self.found.into_iter().flatten().collect());
        };
        let group = &self.signers.groups[missing];
        Err(Box::new(Unsigned {
            reference: reference.pinned(self.digest.clone()),
            digest: self.digest.clone(),
            wanted: group.names().join(" or "),
            by_key: !group.keys.is_empty(),
            flaws: self.flaws,
        }))
    }
}

/// An artifact that lacks a signature.
#[derive(Debug)]
pub struct Unsigned {
    reference: OciReference,
    digest: Digest,
    /// Whose signature would do.
    wanted: String,
    /// Whether that can be by a key.
    by_key: bool,
    flaws: Vec<Flaw>,
}

impl std::error::Error for Unsigned {}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reference,
            digest,
            wanted,
            by_key,
            flaws,
        } = self;
        write!(f, "{digest} is not signed by {wanted}: ")?;
        match (flaws.iter().max(), flaws.len()) {
            (None, _) => write!(f, "there is no signature")?,
            (Some(Flaw::OtherArtifact), _) => write!(
                f,
                "the signature is of another artifact, copied or left from before the tag was moved"
            )?,
            (Some(Flaw::OtherKey), 1) => {
                write!(f, "the signature is by another key, or damaged")?;
            }
            (Some(Flaw::OtherKey), count) => {
                write!(f, "none of the {count} signatures is by that key")?;
            }
            (Some(Flaw::Untrusted(reason)), _) => f.write_str(reason)?,
            (Some(Flaw::Unreadable(reason)), _) => f.write_str(reason)?,
        }
        match by_key {
            true => write!(
                f,
                "; have its owner sign it (`sandglass sign {reference} --key ..`), or name the key of who did"
            ),
            false => write!(
                f,
                "; have its owner sign it (`cosign sign {}/{}@{digest}`), or name the identity of who did",
                reference.registry(),
                reference.repository()
            ),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use tempfile::NamedTempFile;

    use super::*;

    /// A file that cosign wrote, or openssl: see the folder's README.
    pub fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/fixtures/cosign")
            .join(name)
    }

    pub fn bytes(name: &str) -> Vec<u8> {
        std::fs::read(fixture(name)).expect(name)
    }

    pub fn text(name: &str) -> String {
        String::from_utf8(bytes(name)).expect(name)
    }

    pub fn write(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("it is ours");
        file
    }

    /// What is signed in the fixtures.
    pub fn digest() -> Digest {
        Digest::of(&bytes("artifact.json"))
    }

    pub fn keys(kinds: &[&str]) -> Vec<PublicKey> {
        let read = |kind: &&str| PublicKey::read(&fixture(&format!("{kind}.pub"))).expect(kind);
        kinds.iter().map(read).collect()
    }

    pub fn private(kind: &str) -> PrivateKey {
        PrivateKey::read(&fixture(&format!("{kind}.key")), Some("secret")).expect(kind)
    }

    fn reference() -> OciReference {
        "ghcr.io/acme/time:1".parse().expect("a reference")
    }

    fn signed(kind: &str) -> Document {
        Document::Bundle(bytes(&format!("{kind}.bundle.json")).into())
    }

    #[test]
    fn each_group_needs_a_signature_of_its_own() {
        let signers = Signers {
            groups: [&["other", "p256"][..], &["rsa"]]
                .map(|kinds| Group {
                    keys: keys(kinds),
                    identity: None,
                })
                .into(),
        };
        let digest = digest();
        let mut search = Search::new(&signers, &digest);
        assert!(!search.is_done());
        assert!(!search.offer(&signed("p256")));
        assert!(!search.offer(&signed("p384")));
        assert!(search.offer(&signed("rsa")));
        let found = search.end(&reference()).expect("it is signed");
        let names: Vec<_> = keys(&["p256", "rsa"])
            .into_iter()
            .map(|key| SignerName::Key(key.name))
            .collect();
        assert_eq!(found, names);

        let mut search = Search::new(&signers, &digest);
        search.offer(&signed("p256"));
        let error = search
            .end(&reference())
            .expect_err("it is not signed")
            .to_string();
        let expected = format!(
            "{digest} is not signed by {}: the signature is by another key, or damaged; have its owner sign it",
            fixture("rsa.pub").display()
        );
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_group_without_keys_is_never_met() {
        let signers = Signers::any_of(Vec::new());
        let digest = digest();
        let mut search = Search::new(&signers, &digest);
        assert!(!search.is_done());
        assert!(!search.offer(&signed("p256")));
        assert!(search.end(&reference()).is_err());
        assert!(Search::new(&Signers::default(), &digest).is_done());
    }

    #[test]
    fn the_reason_is_the_one_that_says_most() {
        let signers = Signers::any_of(keys(&["p256"]));
        let digest = Digest::of(b"another manifest");
        let unreadable = Document::Bundle(Bytes::from_static(b"{}"));
        let documents = [unreadable, signed("rsa"), signed("p256")];
        for (count, part) in [
            (0, "there is no signature"),
            (1, "not what cosign writes"),
            (2, "none of the 2 signatures is by that key"),
            (3, "is of another artifact"),
        ] {
            let mut search = Search::new(&signers, &digest);
            for document in &documents[..count] {
                assert!(!search.offer(document));
            }
            let error = search
                .end(&reference())
                .expect_err("it is not signed")
                .to_string();
            assert!(error.contains(part), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
    }
}
