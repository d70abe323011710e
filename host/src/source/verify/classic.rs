//! The format of cosign before version 3: "simple signing" (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md).
//!
//! The payload is a layer of the artifact at the tag `sha256-<hex>.sig`; its signature is an annotation of the layer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandglass_manifest::{Digest, OciReference};
use serde::Deserialize;
use serde_json::json;

use super::{Flaw, PublicKey};

/// The type of a layer with a payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation with the signature, in base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// What a payload says that it is.
const KIND: &str = "cosign container image signature";

/// The parts of a payload that count. Where the artifact lay when it was signed does not: artifacts are copied with their signatures.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(rename = "type")]
    kind: String,
    image: Image,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The key that signed this digest by this payload. What the payload says is only looked at once it is known who says it.
pub fn check<'k>(
    payload: &[u8],
    signature: &str,
    keys: &'k [PublicKey],
    digest: &Digest,
) -> Result<&'k PublicKey, Flaw> {
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| Flaw::Unreadable("the signature is no base64"))?;
    let key = keys
        .iter()
        .find(|key| key.has_signed(payload, &signature))
        .ok_or(Flaw::OtherKey)?;
    let payload: Payload = serde_json::from_slice(payload)
        .map_err(|_| Flaw::Unreadable("the payload is not what cosign signs"))?;
    if payload.critical.kind != KIND {
        return Err(Flaw::Unreadable(
            "the payload is no signature of an artifact",
        ));
    }
    if payload.critical.image.docker_manifest_digest != digest.to_string() {
        return Err(Flaw::OtherArtifact);
    }
    Ok(key)
}

/// What is signed to sign a digest.
pub fn payload(reference: &OciReference, digest: &Digest) -> Vec<u8> {
    let place = format!("{}/{}", reference.registry(), reference.repository());
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": place },
            "image": { "docker-manifest-digest": digest },
            "type": KIND,
        },
        "optional": null,
    });
    payload.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::verify::tests::{bytes, digest, keys, text};

    /// What cosign made for each kind of key.
    fn signed(kind: &str) -> (Vec<u8>, String) {
        let signature = text(&format!("{kind}.classic.sig"));
        (
            bytes(&format!("{kind}.classic.payload")),
            signature.trim().to_owned(),
        )
    }

    #[test]
    fn what_cosign_signed_is_signed() {
        for kind in ["p256", "p384", "rsa", "ed25519"] {
            let (payload, signature) = signed(kind);
            let found = keys(&["other", kind]);
            let key = check(&payload, &signature, &found, &digest()).expect(kind);
            assert_eq!(key.name, found[1].name);
            let others = keys(&["other"]);
            let refused = check(&payload, &signature, &others, &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{kind}");
            let refused = check(&payload, &signature, &[], &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{kind}");
        }
    }

    #[test]
    fn what_older_versions_signed_with_a_large_curve_is_signed() {
        let payload = bytes("p384.classic.payload");
        let signature = text("p384.sha256.sig");
        assert!(check(&payload, &signature, &keys(&["p384"]), &digest()).is_ok());
    }

    #[test]
    fn a_byte_that_differs_is_noticed() {
        let (payload, signature) = signed("p256");
        for position in 0..payload.len() {
            let mut payload = payload.clone();
            payload[position] ^= 1;
            let refused = check(&payload, &signature, &keys(&["p256"]), &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{position}");
        }
        let decoded = STANDARD.decode(&signature).unwrap();
        for position in 0..decoded.len() {
            let mut signature = decoded.clone();
            signature[position] ^= 1;
            let signature = STANDARD.encode(signature);
            let refused = check(&payload, &signature, &keys(&["p256"]), &digest()).err();
            assert_eq!(refused, Some(Flaw::OtherKey), "{position}");
        }
        for signature in ["", "!", &signature[..8], &signature[1..]] {
            assert!(check(&payload, signature, &keys(&["p256"]), &digest()).is_err());
        }
    }

    #[test]
    fn the_right_key_under_the_wrong_words_is_no_signature() {
        let (payload, signature) = signed("p256");
        let other = Digest::of(b"another manifest");
        let refused = check(&payload, &signature, &keys(&["p256"]), &other).err();
        assert_eq!(refused, Some(Flaw::OtherArtifact));

        let key = crate::source::verify::tests::private("other");
        let keys = [key.public().clone()];
        let reference = "ghcr.io/acme/time:1".parse().unwrap();
        let good = String::from_utf8(super::payload(&reference, &digest())).unwrap();
        let sign = |payload: &str| STANDARD.encode(key.sign(payload.as_bytes()).unwrap());
        assert!(check(good.as_bytes(), &sign(&good), &keys, &digest()).is_ok());
        for (payload, flaw) in [
            (good.replace("sha256:", "sha512:"), Flaw::OtherArtifact),
            (good.replace("sha256:", "SHA256:"), Flaw::OtherArtifact),
            (
                good.replace(KIND, "cosign attestation"),
                Flaw::Unreadable("the payload is no signature of an artifact"),
            ),
            (
                good.replace("docker-manifest-digest", "digest"),
                Flaw::Unreadable("the payload is not what cosign signs"),
            ),
            (
                digest().to_string(),
                Flaw::Unreadable("the payload is not what cosign signs"),
            ),
            (
                String::new(),
                Flaw::Unreadable("the payload is not what cosign signs"),
            ),
        ] {
            let refused = check(payload.as_bytes(), &sign(&payload), &keys, &digest()).err();
            assert_eq!(refused, Some(flaw), "{payload}");
        }
    }
}
