//! Bearer tokens as a manifest knows them.

use sha2::{Digest, Sha256};

/// What a manifest has of a token, in hexadecimal digits.
pub fn sha256(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}
