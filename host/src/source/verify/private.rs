//! Private keys: cosign's encrypted ones, and plain PKCS#8.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use sandglass_text::Line;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::key::{KeyError, PublicKey, read_pem};

/// The password of an encrypted key, as cosign has it.
pub const PASSWORD: &str = "COSIGN_PASSWORD";

/// The work that a key's file may ask for before it is known to be one: what cosign writes (N = 2^16, r = 8, p = 1), or
/// wrote once with N = 2^15; that is 64 MiB of memory.
const MAX_LOG_N: u32 = 16;
const BLOCK_SIZE: u32 = 8;
const PARALLELISM: u32 = 1;

/// A private key, with its public one. It has no `Debug`.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// The key could not sign.
#[derive(Debug, thiserror::Error)]
#[error("the key cannot sign: make another")]
pub struct SignError;

impl PrivateKey {
    /// Reads a key from a file. `password` is that of an encrypted one; an empty one is a password too.
    pub fn read(file: &Path, password: Option<&str>) -> Result<Self, KeyError> {
        let pem = read_pem(file)?;
        match pem.tag() {
            "PRIVATE KEY" => Self::of_pkcs8(file, pem.contents()),
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let password = password
                    .ok_or_else(|| KeyError::new(file, format!("is encrypted: set {PASSWORD}")))?;
                let pkcs8 = decrypt(pem.contents(), password.as_bytes())
                    .map_err(|reason| KeyError::new(file, reason))?;
                Self::of_pkcs8(file, &pkcs8)
            }
            tag => {
                let reason = format!(
                    "is a `{}`: name a private key as `cosign generate-key-pair` writes it, or PKCS#8 (`openssl genpkey`)",
                    Line::name(tag)
                );
                Err(KeyError::new(file, reason))
            }
        }
    }

    fn of_pkcs8(file: &Path, der: &[u8]) -> Result<Self, KeyError> {
        let refused = || {
            KeyError::new(
                file,
                "is of no kind that is accepted: ECDSA (P-256, P-384, P-521), RSA (2048 bits or more) and Ed25519 are",
            )
        };
        let pair = Pair::of_pkcs8(der).ok_or_else(refused)?;
        let public = pair
            .public_der()
            .and_then(|der| PublicKey::of_der(file, &der))
            .ok_or_else(refused)?;
        Ok(Self { pair, public })
    }

    /// Its public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message, as cosign does by a key of this kind.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map(|()| signature)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
        .map_err(|_| SignError)
    }
}

impl Pair {
    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let ecdsa = [
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &ECDSA_P384_SHA384_ASN1_SIGNING,
            &ECDSA_P521_SHA512_ASN1_SIGNING,
        ]
        .into_iter()
        .find_map(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der).ok());
        if let Some(pair) = ecdsa {
            return Some(Self::Ecdsa(pair));
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Some(Self::Rsa(Box::new(pair)));
        }
        // As openssl writes it, without the public key.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        Some(Self::Ed25519(pair))
    }

    fn public_der(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        }
        .ok()?;
        Some(der.as_ref().to_vec())
    }
}

/// What cosign writes of a key (github.com/secure-systems-lab/go-securesystemslib, encrypted).
#[derive(Deserialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: KdfParameters,
    salt: String,
}

#[derive(Deserialize)]
struct KdfParameters {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn decrypt(encrypted: &[u8], password: &[u8]) -> Result<Vec<u8>, &'static str> {
    const UNKNOWN: &str = "is encrypted in a way that cosign does not write: make it anew with `cosign generate-key-pair`";
    let Encrypted {
        kdf,
        cipher,
        ciphertext,
    } = serde_json::from_slice(encrypted).map_err(|_| UNKNOWN)?;
    let KdfParameters { n, r, p } = kdf.params;
    let log_n = n.checked_ilog2().unwrap_or_default();
    if kdf.name != "scrypt"
        || cipher.name != "nacl/secretbox"
        || !n.is_power_of_two()
        || log_n > MAX_LOG_N
        || (r, p) != (BLOCK_SIZE, PARALLELISM)
    {
        return Err(UNKNOWN);
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| UNKNOWN);
    let salt = decode(&kdf.salt)?;
    let nonce: [u8; 24] = decode(&cipher.nonce)?.try_into().map_err(|_| UNKNOWN)?;
    let log_n = u8::try_from(log_n).map_err(|_| UNKNOWN)?;
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|_| UNKNOWN)?;
    let mut key = [0; 32];
    scrypt::scrypt(password, &salt, &parameters, &mut key).map_err(|_| UNKNOWN)?;
    open_box(&key, &nonce, &decode(&ciphertext)?)
        .ok_or("cannot be decrypted: COSIGN_PASSWORD is wrong, or the file is damaged")
}

/// NaCl's `crypto_secretbox_open`, XSalsa20 and Poly1305: the tag stands before the text, and its key is the beginning of the
/// key stream (D. J. Bernstein, "Cryptography in NaCl", section 9). The crate for it would have half of the tree built anew.
fn open_box(key: &[u8; 32], nonce: &[u8; 24], sealed: &[u8]) -> Option<Vec<u8>> {
    let (tag, text) = sealed.split_first_chunk::<16>()?;
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = [0; 32];
    stream.apply_keystream(&mut tag_key);
    let expected = Poly1305::new(&tag_key.into()).compute_unpadded(text);
    if !bool::from(expected.as_slice().ct_eq(tag)) {
        return None;
    }
    let mut text = text.to_vec();
    stream.apply_keystream(&mut text);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::verify::tests::{fixture, keys, write};

    #[test]
    fn keys_of_all_kinds_are_read_and_sign() {
        for kind in ["p256", "p384", "rsa", "ed25519"] {
            let key = PrivateKey::read(&fixture(&format!("{kind}.key")), Some("secret")).unwrap();
            let public = &keys(&[kind])[0];
            assert_eq!(key.public().name.id, public.name.id, "{kind}");
            assert!(public.has_signed(b"message", &key.sign(b"message").unwrap()));
            assert!(!public.has_signed(b"massage", &key.sign(b"message").unwrap()));
        }
        // PKCS#8, from openssl.
        let key = PrivateKey::read(&fixture("other.key"), None).unwrap();
        assert_eq!(key.public().name.id, keys(&["other"])[0].name.id);
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let encrypted = std::fs::read_to_string(fixture("p256.key")).unwrap();
        let public = std::fs::read_to_string(fixture("p256.pub")).unwrap();
        let read = |text: &str, password| {
            let file = write(text);
            let read = PrivateKey::read(file.path(), password);
            read.err().expect("no key").to_string()
        };
        for (text, password, part) in [
            (&encrypted, None, "set COSIGN_PASSWORD"),
            (&encrypted, Some(""), "COSIGN_PASSWORD is wrong"),
            (&encrypted, Some("Secret"), "COSIGN_PASSWORD is wrong"),
            (&public, None, "is a `PUBLIC KEY`"),
        ] {
            let error = read(text, password);
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("Secret"), "{error}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_more_work_than_a_key_takes() {
        let pem = read_pem(&fixture("p256.key")).unwrap();
        let text = String::from_utf8(pem.contents().to_vec()).unwrap();
        for (from, to) in [
            ("\"N\":65536", "\"N\":1073741824"),
            ("\"N\":65536", "\"N\":0"),
            ("\"r\":8", "\"r\":8000000"),
            ("\"p\":1", "\"p\":1000000"),
            ("scrypt", "pbkdf2"),
            ("nacl/secretbox", "none"),
        ] {
            assert!(text.contains(from), "{text}");
            let changed = text.replace(from, to);
            let file = write(&pem::encode(&pem::Pem::new(pem.tag(), changed)));
            let error = PrivateKey::read(file.path(), Some("secret"))
                .err()
                .expect(to);
            assert!(error.to_string().contains("does not write"), "{error}");
        }
    }
}
