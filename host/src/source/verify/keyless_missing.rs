//! In place of `keyless.rs` where this program is built without it: no identity can be had.

use std::fmt;

use sandglass_manifest::{Digest, Keyless};

use super::{Flaw, KeyError, NO_KEYLESS, SignerName};

/// An identity whose signatures count: there is none.
#[derive(Clone)]
pub enum Identity {}

impl Identity {
    /// Refuses.
    pub fn read(wanted: &Keyless) -> Result<Self, KeyError> {
        Err(KeyError::of_trust_root(
            &wanted.trust_root,
            format!("is not used: {NO_KEYLESS}"),
        ))
    }

    /// Never called.
    pub fn is(&self, _: &SignerName) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn check(&self, _: &[u8], _: &Digest) -> Result<SignerName, Flaw> {
        match *self {}
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
