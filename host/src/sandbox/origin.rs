//! Where a call's clock and randomness begin, so that it can be run again from its start and come to the same; and how they go
//! on after each round of answers, so that nobody knows beforehand what follows an answer.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng, TryRng};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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

    /// What follows from an origin, and from what has become of it.
    fn seed(&self, origin: &Origin, then: &[u8]) -> [u8; 32] {
        let mut hmac = Hmac::clone(&self.0);
        hmac.update(&origin.nonce);
        hmac.update(then);
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
    pub(super) fn insecure_seed(&self, secret: &Secret) -> u128 {
        let mut seed = [0; 16];
        seed.copy_from_slice(&secret.seed(self, b"insecure seed")[..16]);
        u128::from_le_bytes(seed)
    }

    /// Where the call begins that is made with answers to the questions which the call from here has returned. Its randomness is
    /// another for other answers.
    pub fn after(&self, answers: &[u8]) -> Self {
        let mut nonce = [0; 16];
        let hash = Sha256::new_with_prefix(self.nonce).chain_update(answers);
        nonce.copy_from_slice(&hash.finalize()[..16]);
        Self {
            nonce,
            began: SystemTime::now(),
        }
    }
}

/// What has become of a call since it began: the rounds of answers that it has come past in this run.
#[derive(Debug, Clone, Default)]
pub(super) struct Course(Arc<Rounds>);

#[derive(Debug, Default)]
struct Rounds {
    /// How many there are.
    passed: AtomicUsize,
    last: Mutex<Option<Last>>,
}

/// The last round that was come past.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// SHA-256 of all answers up to its.
    answers: [u8; 32],
    /// When it was answered: what the clock showed at its end.
    answered: SystemTime,
    at: Instant,
}

impl Course {
    /// The guest comes past a round with these answers.
    pub(super) fn pass(&self, answers: &[u8], answered: SystemTime) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.map_or([0; 32], |last| last.answers);
        let hash = Sha256::new_with_prefix(before).chain_update(answers);
        *last = Some(Last {
            answers: hash.finalize().into(),
            answered,
            at: Instant::now(),
        });
        self.0.passed.fetch_add(1, Ordering::Release);
    }

    fn passed(&self) -> usize {
        self.0.passed.load(Ordering::Acquire)
    }

    fn last(&self) -> Option<Last> {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
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
    course: Course,
    secret: Secret,
    stream: u64,
    generator: Option<Box<Generator>>,
}

/// What numbers come from until the next round of answers.
struct Generator {
    /// Rounds before it.
    passed: usize,
    numbers: ChaCha20Rng,
}

impl Random {
    /// One of several independent streams of a call.
    pub(super) fn new(
        origin: &Origin,
        course: &Course,
        secret: &Secret,
        stream: u64,
        bill: Bill,
    ) -> Self {
        Self {
            bill,
            origin: origin.clone(),
            course: course.clone(),
            secret: secret.clone(),
            stream,
            generator: None,
        }
    }

    fn generator(&mut self) -> &mut ChaCha20Rng {
        let passed = self.course.passed();
        let current = self.generator.take();
        let current = current.filter(|generator| generator.passed == passed);
        let generator = current.unwrap_or_else(|| {
            let last = self.course.last();
            let answers = last.as_ref().map_or(&[][..], |last| &last.answers);
            let mut numbers = ChaCha20Rng::from_seed(self.secret.seed(&self.origin, answers));
            numbers.set_stream(self.stream);
            Box::new(Generator { passed, numbers })
        });
        &mut self.generator.insert(generator).numbers
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

/// A call's wall clock. From its beginning it shows the time of the first run, and from each answer on the time since that came.
pub(super) struct Clock {
    began: SystemTime,
    since: Instant,
    course: Course,
}

impl Clock {
    pub(super) fn new(origin: &Origin, course: &Course) -> Self {
        Self {
            began: origin.began,
            since: Instant::now(),
            course: course.clone(),
        }
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let last = self.course.last();
        let (shown, at) = last.map_or((self.began, self.since), |last| (last.answered, last.at));
        let now = shown + at.elapsed();
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
            let course = Course::default();
            Random::new(origin, &course, secret, stream, Bill::default()).next_u64()
        };
        let number = first(&origin, &secret, 0);
        assert_eq!(number, first(&origin, &secret, 0));
        assert_ne!(number, first(&origin, &secret, 1));
        assert_ne!(number, first(&origin, &foreign, 0));
        assert_ne!(number, first(&other, &secret, 0));
        let seed = origin.insecure_seed(&secret);
        assert_eq!(seed, origin.insecure_seed(&secret));
        assert_ne!(seed, origin.insecure_seed(&foreign));
    }

    #[test]
    fn what_follows_an_answer_is_the_same_for_the_same_answers_alone() {
        let (origin, secret) = (Origin::default(), Secret::new(b"secret"));
        let draw = |rounds: &[&str]| -> Vec<u64> {
            let course = Course::default();
            let mut random = Random::new(&origin, &course, &secret, 0, Bill::default());
            let mut drawn = vec![random.next_u64()];
            for answers in rounds {
                course.pass(answers.as_bytes(), SystemTime::now());
                drawn.push(random.next_u64());
            }
            drawn
        };
        let known = draw(&["heads", "yes"]);
        assert_eq!(known, draw(&["heads", "yes"]));
        let other = draw(&["tails", "yes"]);
        assert_eq!(known[0], other[0], "what came before is repeated");
        assert_ne!(known[1], other[1]);
        assert_ne!(known[2], other[2], "all answers so far count");
        assert_ne!(draw(&["a", "b"])[2], draw(&["ab", ""])[2]);
        // A stream that is begun only after the answers is theirs too.
        let late = |answers: &[u8]| {
            let course = Course::default();
            course.pass(answers, SystemTime::now());
            Random::new(&origin, &course, &secret, 1, Bill::default()).next_u64()
        };
        assert_ne!(late(b"heads"), late(b"tails"));
    }

    #[test]
    fn a_call_that_goes_on_with_returned_answers_has_randomness_of_its_own() {
        let (origin, secret) = (Origin::default(), Secret::new(b"secret"));
        let seed = |origin: &Origin| secret.seed(origin, &[]);
        let (heads, tails) = (origin.after(b"heads"), origin.after(b"tails"));
        assert_ne!(seed(&heads), seed(&tails));
        assert_ne!(seed(&heads), seed(&origin));
        assert_eq!(seed(&heads), seed(&origin.after(b"heads")));
    }

    #[test]
    fn the_clock_shows_the_first_runs_time_and_then_that_of_the_answer() {
        let hour = Duration::from_secs(3_600);
        let mut origin = Origin::default();
        origin.began -= hour;
        let course = Course::default();
        let clock = Clock::new(&origin, &course);
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(clock.now() + hour / 2 < now());
        let answered = SystemTime::now() - hour / 4;
        course.pass(b"", answered);
        let shown = clock.now() + hour / 4;
        assert!(shown <= now() && shown + hour / 8 > now());
    }
}
