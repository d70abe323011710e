//! Against an authority and a log of the test's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SigningKey, date_time_ymd,
};
use sandglass_manifest::Cosign;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::*;
use crate::source::verify::tests::{fixture, private, write};
use crate::source::verify::{Document, Search, Signers};

const ADA: &str = "ada@example.com";
const ISSUER: &str = "https://login.example.com";

/// Noon of the day for which certificates are good: 2026-01-02.
const NOON: i64 = 1_767_355_200;

const DAY: i64 = 86_400;

/// Where certificates name the issuer (github.com/sigstore/fulcio, docs/oid-info.md).
const ISSUER_EXTENSION: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 1, 8];

/// An authority for certificates, and a log of signatures.
struct Sigstore {
    authority: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
    log: KeyPair,
}

/// What is signed, by whom and when.
struct Signature<'a> {
    digest: &'a Digest,
    identity: &'a str,
    issuer: &'a str,
    at: i64,
    predicate: &'a str,
}

fn signature(digest: &Digest) -> Signature<'_> {
    Signature {
        digest,
        identity: ADA,
        issuer: ISSUER,
        at: NOON,
        predicate: bundle::PREDICATE_TYPE,
    }
}

impl Sigstore {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = date_time_ymd(2020, 1, 1);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            authority: Issuer::new(params, key),
            certificate,
            log: KeyPair::generate().unwrap(),
        }
    }

    fn trust_root(&self) -> Value {
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [trusted(&self.log)],
            "certificateAuthorities": [{
                "uri": "https://fulcio.example.com",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(&self.certificate) }] },
                "validFor": { "start": "2020-01-01T00:00:00Z" },
            }],
            "ctlogs": [],
            "timestampAuthorities": [],
        })
    }

    fn certificate(&self, key: &KeyPair, identity: &str, issuer: &str) -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match identity.contains("://") {
            true => SanType::URI(identity.try_into().unwrap()),
            false => SanType::Rfc822Name(identity.try_into().unwrap()),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2026, 1, 3);
        // A UTF8String of DER.
        let mut content = vec![0x0c, u8::try_from(issuer.len()).unwrap()];
        content.extend_from_slice(issuer.as_bytes());
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(ISSUER_EXTENSION, content));
        params.signed_by(key, &self.authority).unwrap()
    }

    /// What `cosign sign` writes, with the log's word for it.
    fn sign(&self, signature: &Signature<'_>) -> Value {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": signature.digest.hex() } }],
            "predicateType": signature.predicate,
            "predicate": {},
        })
        .to_string();
        let kind = "application/vnd.in-toto+json";
        let message = format!(
            "DSSEv1 {} {kind} {} {statement}",
            kind.len(),
            statement.len()
        );
        let key = KeyPair::generate().unwrap();
        let sig = STANDARD.encode(key.sign(message.as_bytes()).unwrap());
        let certificate = self.certificate(&key, signature.identity, signature.issuer);
        let hash = |text: &str| json!({ "algorithm": "sha256", "value": Digest::of(text.as_bytes()).hex() });
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(&statement),
                "payloadHash": hash(&statement),
                "signatures": [{ "signature": sig, "verifier": STANDARD.encode(certificate.pem()) }],
            },
        })
        .to_string();
        json!({
            "mediaType": bundle::BUNDLE_TYPE,
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(certificate.der()) },
                "tlogEntries": [self.entry(&body, signature.at)],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&statement),
                "payloadType": kind,
                "signatures": [{ "sig": sig }],
            },
        })
    }

    /// The only entry of the log: its tree is a leaf (RFC 6962, section 2.1).
    fn entry(&self, body: &str, at: i64) -> Value {
        let id = Digest::of(&self.log.subject_public_key_info());
        let root = STANDARD.encode(Digest::of(&[b"\0", body.as_bytes()].concat()).bytes());
        let body = STANDARD.encode(body);
        let promise = format!(
            r#"{{"body":"{body}","integratedTime":{at},"logID":"{}","logIndex":0}}"#,
            id.hex()
        );
        let note = format!("log.example.com - 1\n1\n{root}\n");
        let signed = self.log.sign(note.as_bytes()).unwrap();
        let signed = STANDARD.encode([&id.bytes()[..4], &signed].concat());
        json!({
            "logIndex": "0",
            "logId": { "keyId": STANDARD.encode(id.bytes()) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" },
            "integratedTime": at.to_string(),
            "inclusionPromise": {
                "signedEntryTimestamp": STANDARD.encode(self.log.sign(promise.as_bytes()).unwrap()),
            },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": { "envelope": format!("{note}\n\u{2014} log.example.com {signed}\n") },
            },
            "canonicalizedBody": body,
        })
    }
}

/// A log as a trust root names it.
fn trusted(log: &KeyPair) -> Value {
    let key = log.subject_public_key_info();
    json!({
        "baseUrl": "https://log.example.com",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(&key),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": { "start": "2020-01-01T00:00:00Z" },
        },
        "logId": { "keyId": STANDARD.encode(Digest::of(&key).bytes()) },
    })
}

fn wanted(root: &Value, identity: &str, issuer: &str) -> (NamedTempFile, Keyless) {
    let file = write(&root.to_string());
    let keyless = Keyless {
        identity: identity.parse().unwrap(),
        issuer: issuer.to_owned(),
        trust_root: file.path().to_owned(),
    };
    (file, keyless)
}

fn identity(root: &Value, identity: &str, issuer: &str) -> Identity {
    let (_file, keyless) = wanted(root, identity, issuer);
    Identity::read(&keyless).unwrap()
}

fn check(identity: &Identity, bundle: &Value, digest: &Digest) -> Result<SignerName, Flaw> {
    identity.check(bundle.to_string().as_bytes(), digest)
}

#[test]
fn a_logged_signature_for_the_identity_is_accepted() {
    let sigstore = Sigstore::new();
    let root = sigstore.trust_root();
    let digest = Digest::of(b"manifest");
    let ada = identity(&root, ADA, ISSUER);
    let signer = check(&ada, &sigstore.sign(&signature(&digest)), &digest).unwrap();
    assert_eq!(
        signer.to_string(),
        "ada@example.com (https://login.example.com)"
    );
    assert!(ada.is(&signer));

    let workflow = "https://github.com/acme/time/.github/workflows/release.yml@refs/tags/v1";
    let signed = sigstore.sign(&Signature {
        identity: workflow,
        ..signature(&digest)
    });
    let releases = "https://github.com/acme/time/.github/workflows/release.yml@*";
    let signer = check(&identity(&root, releases, ISSUER), &signed, &digest).unwrap();
    assert!(!ada.is(&signer));
}

#[test]
fn any_other_signature_is_refused() {
    let sigstore = Sigstore::new();
    let other = Sigstore::new();
    let digest = Digest::of(b"manifest");
    let ada = identity(&sigstore.trust_root(), ADA, ISSUER);
    let signed = |change: fn(&mut Signature<'_>)| {
        let mut signature = signature(&digest);
        change(&mut signature);
        sigstore.sign(&signature)
    };
    let good = signed(|_| ());
    let changed = |change: fn(&mut Value)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        bundle
    };
    for (what, bundle, part) in [
        (
            "another identity",
            signed(|signature| signature.identity = "eve@example.com"),
            "the signature is by eve@example.com",
        ),
        (
            "another issuer",
            signed(|signature| signature.issuer = "https://login.evil.org"),
            "who signed had logged in at https://login.evil.org",
        ),
        (
            "after the certificate had expired",
            signed(|signature| signature.at = NOON + DAY),
            "was not good when the signature was logged",
        ),
        (
            "before it was good",
            signed(|signature| signature.at = NOON - DAY),
            "was not good when the signature was logged",
        ),
        (
            "in the log of tomorrow",
            signed(|signature| signature.at = 99_999_999_999),
            "future",
        ),
        (
            "by another authority, in another log",
            other.sign(&signature(&digest)),
            "it is in no log of the trust root",
        ),
        (
            "an entry of another signature",
            {
                let mut bundle = good.clone();
                let entries = "/verificationMaterial/tlogEntries";
                *bundle.pointer_mut(entries).unwrap() =
                    signed(|_| ()).pointer(entries).unwrap().clone();
                bundle
            },
            "does not match",
        ),
        (
            "no log entry",
            changed(|bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([])),
            "it is in no log of the trust root",
        ),
        (
            "no promise of the log, so no time",
            changed(|bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry.as_object_mut().unwrap().remove("inclusionPromise");
            }),
            "timestamp",
        ),
        (
            "no proof of the log",
            changed(|bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry.as_object_mut().unwrap().remove("inclusionProof");
            }),
            "it is in no log of the trust root",
        ),
        (
            "another time than the log's",
            changed(|bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry["integratedTime"] = (NOON + 1).to_string().into();
            }),
            "it is in no log of the trust root",
        ),
    ] {
        match check(&ada, &bundle, &digest) {
            Err(Flaw::Untrusted(reason)) => {
                assert!(reason.contains(part), "{what}: {reason}");
                assert_eq!(reason.lines().count(), 1, "{what}: {reason}");
            }
            checked => panic!("{what}: {checked:?}"),
        }
    }

    assert_eq!(
        check(&ada, &good, &Digest::of(b"another manifest")),
        Err(Flaw::OtherArtifact)
    );
    let attestation = signed(|signature| signature.predicate = "https://slsa.dev/provenance/v1");
    assert_eq!(
        check(&ada, &attestation, &digest),
        Err(Flaw::Unreadable(
            "the statement is no signature of an artifact"
        ))
    );
    let by_key = bundle::sign(&digest, &private("p256")).unwrap();
    assert_eq!(ada.check(&by_key, &digest), Err(Flaw::OtherKey));
    assert!(matches!(
        ada.check(b"{}", &digest),
        Err(Flaw::Unreadable(_))
    ));
}

#[test]
fn each_part_of_a_trust_root_is_needed() {
    let sigstore = Sigstore::new();
    let other = Sigstore::new().trust_root();
    let digest = Digest::of(b"manifest");
    let signed = sigstore.sign(&signature(&digest));
    let certificates_are_logged = json!([trusted(&KeyPair::generate().unwrap())]);
    for (key, value) in [
        ("tlogs", &other["tlogs"]),
        ("certificateAuthorities", &other["certificateAuthorities"]),
        ("ctlogs", &certificates_are_logged),
    ] {
        let mut root = sigstore.trust_root();
        root[key] = value.clone();
        let checked = check(&identity(&root, ADA, ISSUER), &signed, &digest);
        assert!(
            matches!(checked, Err(Flaw::Untrusted(_))),
            "{key}: {checked:?}"
        );
    }
    for key in ["tlogs", "certificateAuthorities"] {
        let mut root = sigstore.trust_root();
        root[key] = json!([]);
        let (_file, keyless) = wanted(&root, ADA, ISSUER);
        let error = Identity::read(&keyless).err().unwrap().to_string();
        assert!(error.contains("nothing could be verified by it"), "{error}");
    }
    let (_file, keyless) = wanted(&json!([]), ADA, ISSUER);
    let error = Identity::read(&keyless).err().unwrap().to_string();
    assert!(error.starts_with("the trust root /"), "{error}");
    assert!(error.contains("is no trust root: name a"), "{error}");
}

#[test]
fn a_key_is_as_good_as_an_identity_beside_it() {
    let sigstore = Sigstore::new();
    let digest = Digest::of(b"manifest");
    let (_file, keyless) = wanted(&sigstore.trust_root(), ADA, ISSUER);
    let cosign = |key: &[&str]| Cosign {
        key: key.iter().map(|file| fixture(file)).collect(),
        keyless: Some(keyless.clone().into()),
    };
    let by_key = Document::Bundle(bundle::sign(&digest, &private("p256")).unwrap().into());
    let by_ada = sigstore.sign(&signature(&digest)).to_string();
    let by_ada = Document::Bundle(by_ada.into_bytes().into());
    let reference = "ghcr.io/acme/time:1".parse().unwrap();
    let both = Signers::read(&[cosign(&["p256.pub"])]).unwrap();
    for document in [&by_key, &by_ada] {
        let mut search = Search::new(&both, &digest);
        assert!(search.offer(document));
        let found = search.end(&reference).unwrap();
        assert!(both.are_met_by(&found));
    }
    let ada = Signers::read(&[cosign(&[])]).unwrap();
    let mut search = Search::new(&ada, &digest);
    assert!(!search.offer(&by_key));
    let error = search.end(&reference).unwrap_err().to_string();
    assert!(
        error.contains("is not signed by ada@example.com (https://login.example.com): ")
            && error.contains("have its owner sign it (`cosign sign ghcr.io/acme/time"),
        "{error}"
    );
}

#[test]
fn who_another_trust_root_knows_is_somebody_else() {
    let sigstore = Sigstore::new();
    let digest = Digest::of(b"manifest");
    let root = sigstore.trust_root();
    let signed = sigstore.sign(&signature(&digest));
    let signer = check(&identity(&root, ADA, ISSUER), &signed, &digest).unwrap();
    let later = identity(&Sigstore::new().trust_root(), ADA, ISSUER);
    assert!(!later.is(&signer));
    assert!(!identity(&root, ADA, "https://login.evil.org").is(&signer));
}
