//! Where a call's clock and randomness begin, so that it can be run again from its start and come to the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng, TryRng};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wasmtime_wasi::HostWallClock;

use super::meter::Bill;

/// Told apart from other uses of the same key.
const PURPOSE: &[u8] = b"sandglass/random/1";

/// Turns what is known of a call into randomness that nobody can foretell who does not have it.
#[derive(Clone)]
pub struct Secret(Arc<Hmac<Sha256>>);

impl Secret {
    /// From a key of any length.
    pub fn new(key: &[u8]) -> Self {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
        hmac.update(PURPOSE);
        Self(Arc::new(hmac))
    }

    fn seed(&self, origin: &Origin) -> [u8; 32] {
        let mut hmac = Hmac::clone(&self.0);
        hmac.update(&origin.nonce);
        hmac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a call begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// What its randomness is made of, together with the [`Secret`].
    nonce: [u8; 16],
    /// What its clock shows first.
    began: SystemTime,
}

impl Default for Origin {
    /// Here and now.
    fn default() -> Self {
        let mut nonce = [0; 16];
        fill_nonce(&mut nonce);
        Self {
            nonce,
            began: SystemTime::now(),
        }
    }
}

impl Origin {
    /// What guests begin their hash tables with.
    pub(super) fn insecure_seed(&self) -> u128 {
        u128::from_le_bytes(self.nonce)
    }
}

thread_local! {
    static NONCES: std::cell::RefCell<ChaCha20Rng> = std::cell::RefCell::new({
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).expect("the system gives randomness");
        ChaCha20Rng::from_seed(seed)
    });
}

fn fill_nonce(bytes: &mut [u8]) {
    NONCES.with_borrow_mut(|nonces| nonces.fill_bytes(bytes));
}

/// Fuel for each number of up to 64 bits: WASI draws bytes one by one.
const DRAWN: u64 = 8;

/// A call's randomness; it costs nothing until it is used.
pub(super) struct Random {
    bill: Bill,
    origin: Origin,
    secret: Secret,
    stream: u64,
    generator: Option<Box<ChaCha20Rng>>,
}

impl Random {
    /// One of several independent streams of a call.
    pub(super) fn new(origin: &Origin, secret: &Secret, stream: u64, bill: Bill) -> Self {
        Self {
            bill,
            origin: origin.clone(),
            secret: secret.clone(),
            stream,
            generator: None,
        }
    }

    fn generator(&mut self) -> &mut ChaCha20Rng {
        self.generator.get_or_insert_with(|| {
            let mut generator = ChaCha20Rng::from_seed(self.secret.seed(&self.origin));
            generator.set_stream(self.stream);
            Box::new(generator)
        })
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.bill.charge(DRAWN);
        Ok(self.generator().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.bill.charge(DRAWN);
        Ok(self.generator().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.bill.bytes(bytes.len());
        self.generator().fill_bytes(bytes);
        Ok(())
    }
}

/// A call's wall clock.
pub(super) struct Clock {
    began: SystemTime,
    since: Instant,
}

impl Clock {
    pub(super) fn new(origin: &Origin) -> Self {
        Self {
            began: origin.began,
            since: Instant::now(),
        }
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let now = self.began + self.since.elapsed();
        now.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_origin_gives_the_same_randomness_to_who_has_the_secret_only() {
        let (origin, other) = (Origin::default(), Origin::default());
        let (secret, foreign) = (Secret::new(b"secret"), Secret::new(b"foreign"));
        let first = |origin: &Origin, secret: &Secret, stream| {
            Random::new(origin, secret, stream, Bill::default()).next_u64()
        };
        let number = first(&origin, &secret, 0);
        assert_eq!(number, first(&origin, &secret, 0));
        assert_ne!(number, first(&origin, &secret, 1));
        assert_ne!(number, first(&origin, &foreign, 0));
        assert_ne!(number, first(&other, &secret, 0));
    }
}
