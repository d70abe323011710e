//! Tokens that were checked already, by their hashes: the next request with one costs no signature check.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::jwt::Checked;
use crate::invoke::Known;

/// Tokens that are kept.
const MAX_TOKENS: usize = 10_000;

/// The tokens, with the index of each one's issuer.
#[derive(Default)]
pub struct Verified(Mutex<HashMap<[u8; 32], (usize, Checked)>>);

impl Verified {
    /// Whose token has this hash, if it was checked with the keys that its issuer has now, and has not expired.
    pub fn get(&self, sha256: &[u8; 32], generation: impl Fn(usize) -> u64) -> Option<Arc<Known>> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (issuer, checked) = tokens.get(sha256)?;
        let counts =
            is_live(checked, SystemTime::now()) && generation(*issuer) == checked.generation;
        counts.then(|| Arc::clone(&checked.known))
    }

    /// Keeps a token. Where there are too many, expired ones go first.
    pub fn insert(&self, sha256: [u8; 32], issuer: usize, checked: Checked) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MAX_TOKENS {
            let now = SystemTime::now();
            tokens.retain(|_, (_, checked)| is_live(checked, now));
        }
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(sha256, (issuer, checked));
    }
}

fn is_live(checked: &Checked, now: SystemTime) -> bool {
    checked.known.expires.is_none_or(|expires| now < expires)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use crate::invoke::TenantId;

    fn checked(expires: SystemTime) -> Checked {
        Checked {
            known: Arc::new(Known {
                name: "ann".to_owned(),
                issuer: None,
                tenant: TenantId::default(),
                scopes: vec![],
                expires: Some(expires),
            }),
            generation: 7,
        }
    }

    fn in_a_minute() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_token_counts_until_it_expires_or_the_keys_change() {
        let verified = Verified::default();
        verified.insert([1; 32], 0, checked(in_a_minute()));
        assert!(verified.get(&[1; 32], |_| 7).is_some());
        assert!(
            verified.get(&[1; 32], |_| 8).is_none(),
            "the issuer has other keys"
        );
        assert!(verified.get(&[2; 32], |_| 7).is_none());
        verified.insert([1; 32], 0, checked(SystemTime::now()));
        assert!(verified.get(&[1; 32], |_| 7).is_none(), "it has expired");
    }

    #[test]
    fn there_are_never_too_many() {
        let verified = Verified::default();
        for number in 0..=MAX_TOKENS {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            verified.insert(hash, 0, checked(in_a_minute()));
        }
        assert!(verified.0.lock().unwrap().len() <= MAX_TOKENS);
    }
}
