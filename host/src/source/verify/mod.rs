//! Whether an artifact is signed by who should have signed it: [`classic`] and [`bundle`] are the two formats of cosign,
//! [`key`] and [`private`] its keys.
//!
//! Only the key counts: no log and no certificate is asked, so that nothing but the registry is needed, and not even that where the
//! cache has the signature.

pub mod bundle;
pub mod classic;
mod key;
mod private;

use std::fmt;

use bytes::Bytes;
use sandglass_manifest::{Cosign, Digest, OciReference};

pub use key::{KeyError, KeyName, PublicKey};
pub use private::{PASSWORD, PrivateKey, SignError};

/// The signatures that a source's components must carry: one by a key of each group. Without a group none is looked for.
#[derive(Clone, Default)]
pub struct Signers {
    groups: Vec<Vec<PublicKey>>,
}

impl Signers {
    /// Reads the keys that a manifest names.
    pub fn read(signatures: &[Cosign]) -> Result<Self, KeyError> {
        let group = |cosign: &Cosign| {
            cosign
                .key
                .iter()
                .map(|file| PublicKey::read(file))
                .collect()
        };
        let groups = signatures.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// One of these keys.
    pub fn any_of(keys: Vec<PublicKey>) -> Self {
        Self { groups: vec![keys] }
    }

    /// Whether these keys are enough: whoever signs by them has signed for each group.
    pub fn are_met_by(&self, keys: &[KeyName]) -> bool {
        let is_one = |key: &PublicKey| keys.iter().any(|name| name.id == key.name.id);
        self.groups.iter().all(|group| group.iter().any(is_one))
    }

    /// Whether nobody must have signed.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It is no signature, or none of an artifact.
    Unreadable(&'static str),
    /// It is somebody else's, or forged.
    OtherKey,
    /// It is by the right key, and signs another artifact.
    OtherArtifact,
}

/// The search for the signatures of one digest.
pub struct Search<'s> {
    signers: &'s Signers,
    digest: &'s Digest,
    /// The key that was found for each group.
    found: Vec<Option<KeyName>>,
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
            let checked = match document {
                Document::Classic { payload, signature } => {
                    classic::check(payload, signature, group, self.digest)
                }
                Document::Bundle(bundle) => bundle::check(bundle, group, self.digest),
            };
            match checked {
                Ok(key) => *found = Some(key.name.clone()),
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
    pub fn end(self, reference: &OciReference) -> Result<Vec<KeyName>, Box<Unsigned>> {
        let missing = self.found.iter().position(Option::is_none);
        let Some(missing) = missing else {
            return Ok(self.found.into_iter().flatten().collect());
        };
        let keys = &self.signers.groups[missing];
        Err(Box::new(Unsigned {
            reference: reference.pinned(self.digest.clone()),
            digest: self.digest.clone(),
            keys: keys.iter().map(|key| key.name.clone()).collect(),
            flaws: self.flaws,
        }))
    }
}

/// An artifact that lacks a signature.
#[derive(Debug)]
pub struct Unsigned {
    reference: OciReference,
    digest: Digest,
    keys: Vec<KeyName>,
    flaws: Vec<Flaw>,
}

impl std::error::Error for Unsigned {}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reference,
            digest,
            keys,
            flaws,
        } = self;
        let keys: Vec<_> = keys
            .iter()
            .map(|key| key.file.display().to_string())
            .collect();
        let keys = keys.join(" or ");
        write!(f, "{digest} is not signed by {keys}: ")?;
        match (flaws.iter().max(), flaws.len()) {
            (None, _) => write!(f, "there is no signature")?,
            (Some(Flaw::OtherArtifact), _) => write!(
                f,
                "the signature by that key is of another artifact, copied or left from before the tag was moved"
            )?,
            (Some(Flaw::OtherKey), 1) => {
                write!(f, "the signature is by another key, or damaged")?;
            }
            (Some(Flaw::OtherKey), count) => {
                write!(f, "none of the {count} signatures is by that key")?;
            }
            (Some(Flaw::Unreadable(reason)), _) => f.write_str(reason)?,
        }
        write!(
            f,
            "; have its owner sign it (`sandglass sign {reference} --key ..`), or name the key of who did"
        )
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
            groups: vec![keys(&["other", "p256"]), keys(&["rsa"])],
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
            .map(|key| key.name)
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
