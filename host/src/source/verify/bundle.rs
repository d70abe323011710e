//! The format of cosign from version 3 on: a Sigstore bundle with a DSSE envelope around an in-toto statement
//! (github.com/sigstore/protobuf-specs, sigstore_bundle.proto; github.com/secure-systems-lab/dsse, protocol.md).
//!
//! Here it is checked against a key that is known: no certificate and no log stands in between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandglass_manifest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Flaw, PrivateKey, PublicKey, SignError};

/// The type of a bundle, and of the artifact that carries it.
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What a signature of an artifact says about it. The same key may sign other statements about an artifact, such as where it was built, or
/// that it is vulnerable: these are no signatures.
pub const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The payload's type (github.com/in-toto/attestation, spec/v1/envelope.md).
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The statement's type (spec/v1/statement.md).
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Option<Envelope>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// The key that signed this digest by this bundle. What the statement says is only looked at once it is known who says it.
pub fn check<'k>(
    bundle: &[u8],
    keys: &'k [PublicKey],
    digest: &Digest,
) -> Result<&'k PublicKey, Flaw> {
    let (envelope, payload) = read(bundle)?;
    let message = authentication_encoding(&envelope.payload_type, &payload);
    let key = envelope
        .signatures
        .iter()
        .filter_map(|signature| STANDARD.decode(&signature.sig).ok())
        .find_map(|signature| keys.iter().find(|key| key.has_signed(&message, &signature)))
        .ok_or(Flaw::OtherKey)?;
    check_payload(&envelope, &payload, digest)?;
    Ok(key)
}

/// Whether the statement of a bundle whose signer is known is a signature of this digest.
#[cfg(feature = "keyless")]
pub fn check_statement(bundle: &[u8], digest: &Digest) -> Result<(), Flaw> {
    let (envelope, payload) = read(bundle)?;
    check_payload(&envelope, &payload, digest)
}

/// A bundle's envelope, and its payload.
fn read(bundle: &[u8]) -> Result<(Envelope, Vec<u8>), Flaw> {
    let bundle: Bundle = serde_json::from_slice(bundle)
        .map_err(|_| Flaw::Unreadable("the bundle is not what cosign writes"))?;
    if bundle.media_type != BUNDLE_TYPE {
        return Err(Flaw::Unreadable("the bundle is of another version"));
    }
    let envelope = bundle
        .dsse_envelope
        .ok_or(Flaw::Unreadable("the bundle has no statement"))?;
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|_| Flaw::Unreadable("the statement is no base64"))?;
    Ok((envelope, payload))
}

fn check_payload(envelope: &Envelope, payload: &[u8], digest: &Digest) -> Result<(), Flaw> {
    let unreadable = || Flaw::Unreadable("the statement is not what cosign signs");
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(unreadable());
    }
    let statement: Statement = serde_json::from_slice(payload).map_err(|_| unreadable())?;
    if statement.kind != STATEMENT_TYPE {
        return Err(unreadable());
    }
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(Flaw::Unreadable(
            "the statement is no signature of an artifact",
        ));
    }
    let is_subject = |subject: &Subject| subject.digest.sha256.as_deref() == Some(&*digest.hex());
    match statement.subject.iter().any(is_subject) {
        true => Ok(()),
        false => Err(Flaw::OtherArtifact),
    }
}

/// What is signed of a payload (DSSE, "Signature Definition": PAE).
fn authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

/// A bundle with the key's signature of this digest.
pub fn sign(digest: &Digest, key: &PrivateKey) -> Result<Vec<u8>, SignError> {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "digest": { "sha256": digest.hex() } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {},
    });
    envelope(PAYLOAD_TYPE, statement.to_string().as_bytes(), key)
        .map(|bundle| bundle.to_string().into_bytes())
}

fn envelope(payload_type: &str, payload: &[u8], key: &PrivateKey) -> Result<Value, SignError> {
    let signature = key.sign(&authentication_encoding(payload_type, payload))?;
    let envelope = Envelope {
        payload: STANDARD.encode(payload),
        payload_type: payload_type.to_owned(),
        signatures: vec![EnvelopeSignature {
            sig: STANDARD.encode(signature),
        }],
    };
    Ok(json!({
        "mediaType": BUNDLE_TYPE,
        // As cosign hints at a key: the hash of its DER.
        "verificationMaterial": { "publicKey": { "hint": STANDARD.encode(key.public().name.id.bytes()) } },
        "dsseEnvelope": envelope,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::verify::tests::{bytes, digest, keys, private};

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // protocol.md, "Test Vectors".
        let encoded = authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(
            encoded,
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_cosign_signed_is_signed() {
        for kind in ["p256", "p384", "rsa"] {
            let bundle = bytes(&format!("{kind}.bundle.json"));
            let found = keys(&["other", kind]);
            let key = check(&bundle, &found, &digest()).expect(kind);
            assert_eq!(key.name, found[1].name);
            let refused = check(&bundle, &keys(&["other"]), &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{kind}");
            let refused = check(&bundle, &[], &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{kind}");
        }
    }

    #[test]
    fn a_byte_of_the_statement_or_its_type_that_differs_is_noticed() {
        let bundle: Value = serde_json::from_slice(&bytes("p256.bundle.json")).unwrap();
        let text = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let payload = STANDARD.decode(text).unwrap();
        let keys = keys(&["p256"]);
        let refused = |bundle: &Value| check(bundle.to_string().as_bytes(), &keys, &digest()).err();
        assert_eq!(refused(&bundle), None);
        for position in 0..payload.len() {
            let mut payload = payload.clone();
            payload[position] ^= 1;
            let mut bundle = bundle.clone();
            bundle["dsseEnvelope"]["payload"] = STANDARD.encode(payload).into();
            assert_eq!(refused(&bundle), Some(Flaw::OtherKey), "{position}");
        }
        let mut other = bundle.clone();
        other["dsseEnvelope"]["payloadType"] = "application/json".into();
        assert_eq!(refused(&other), Some(Flaw::OtherKey));
        let mut none = bundle.clone();
        none["dsseEnvelope"]["signatures"] = json!([]);
        assert_eq!(refused(&none), Some(Flaw::OtherKey));
        let mut second = bundle.clone();
        let signatures = second["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        signatures.insert(0, json!({ "sig": "AAAA", "keyid": "x" }));
        assert_eq!(refused(&second), None);
        let refused = check(
            &bytes("p256.bundle.json"),
            &keys,
            &Digest::of(b"another manifest"),
        );
        assert_eq!(refused.err(), Some(Flaw::OtherArtifact));
    }

    #[test]
    fn the_right_key_under_the_wrong_words_is_no_signature() {
        let key = private("other");
        let keys = [key.public().clone()];
        let refused = |bundle: &Value| check(bundle.to_string().as_bytes(), &keys, &digest()).err();
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": [{ "digest": { "sha512": "00" } }, { "digest": { "sha256": digest().hex() } }],
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        });
        let sign = |kind: &str, statement: &Value| {
            envelope(kind, statement.to_string().as_bytes(), &key).unwrap()
        };
        assert_eq!(refused(&sign(PAYLOAD_TYPE, &statement)), None);
        let unreadable = Some(Flaw::Unreadable("the statement is not what cosign signs"));
        assert_eq!(refused(&sign("application/json", &statement)), unreadable);
        assert_eq!(refused(&sign(PAYLOAD_TYPE, &json!([]))), unreadable);
        for (name, value, flaw) in [
            (
                "_type",
                json!("https://in-toto.io/Statement/v0.1"),
                unreadable.clone(),
            ),
            ("subject", json!([]), Some(Flaw::OtherArtifact)),
            (
                "subject",
                json!([{ "digest": {} }]),
                Some(Flaw::OtherArtifact),
            ),
            (
                "subject",
                json!([{ "digest": { "sha256": Digest::of(b"").hex() } }]),
                Some(Flaw::OtherArtifact),
            ),
            (
                "predicateType",
                json!("https://slsa.dev/provenance/v1"),
                Some(Flaw::Unreadable(
                    "the statement is no signature of an artifact",
                )),
            ),
        ] {
            let mut statement = statement.clone();
            statement[name] = value;
            assert_eq!(
                refused(&sign(PAYLOAD_TYPE, &statement)),
                flaw,
                "{statement}"
            );
        }

        let good = sign(PAYLOAD_TYPE, &statement);
        let mut other = good.clone();
        other["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
        assert_eq!(
            refused(&other),
            Some(Flaw::Unreadable("the bundle is of another version"))
        );
        let mut blob = good;
        blob.as_object_mut().unwrap().remove("dsseEnvelope");
        assert_eq!(
            refused(&blob),
            Some(Flaw::Unreadable("the bundle has no statement"))
        );
        assert!(check(b"{", &keys, &digest()).is_err());
    }

    #[test]
    fn what_is_signed_here_is_signed() {
        for kind in ["p256", "p384", "rsa", "ed25519", "other"] {
            let key = private(kind);
            let bundle = sign(&digest(), &key).unwrap();
            assert!(check(&bundle, &keys(&[kind]), &digest()).is_ok(), "{kind}");
        }
    }
}
