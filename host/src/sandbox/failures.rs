//! Components that could not be compiled, by digest: a source that is looked at again does not have its component compiled each
//! time to fail once more. For this process alone, whose engine and limits stay what they are.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::compile::CompileError;
use super::compiled::LoadError;
use crate::source::Digest;

/// The most that are kept in mind; then the oldest is forgotten. Each has some kilobytes of text at most.
const MOST: usize = 1_000;

/// After so long, what a machine that was busy or short of memory may have caused is tried again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// What failed, in the order in which it did.
#[derive(Default)]
pub(super) struct Failures(Mutex<VecDeque<Failure>>);

struct Failure {
    digest: Digest,
    error: LoadError,
    /// None where it would fail whenever it is tried.
    passes: Option<Instant>,
}

impl Failures {
    /// Why a component cannot be loaded, if that is known.
    pub fn of(&self, digest: &Digest) -> Option<LoadError> {
        self.of_at(digest, Instant::now())
    }

    /// Keeps a failure in mind that trying again would not mend by itself.
    pub fn keep(&self, digest: &Digest, error: &LoadError) {
        self.keep_at(digest, error, Instant::now());
    }

    /// Forgets those whose reason may have passed.
    pub fn forget_passing(&self) {
        self.failures().retain(|failure| failure.passes.is_none());
    }

    fn of_at(&self, digest: &Digest, now: Instant) -> Option<LoadError> {
        let mut failures = self.failures();
        failures.retain(|failure| failure.passes.is_none_or(|passes| now < passes));
        let failure = failures.iter().find(|failure| failure.digest == *digest);
        failure.map(|failure| failure.error.clone())
    }

    fn keep_at(&self, digest: &Digest, error: &LoadError, now: Instant) {
        let passes = match error {
            // Of the process that compiles, or of this one, and not of the component.
            LoadError::Compile(CompileError::Io(_)) | LoadError::TooManyFiles { .. } => return,
            LoadError::Compile(CompileError::TooSlow | CompileError::Ended { .. }) => {
                Some(now + AGAIN)
            }
            _ => None,
        };
        let mut failures = self.failures();
        failures.retain(|failure| failure.digest != *digest);
        if failures.len() == MOST {
            failures.pop_front();
        }
        failures.push_back(Failure {
            digest: digest.clone(),
            error: error.clone(),
            passes,
        });
    }

    fn failures(&self) -> MutexGuard<'_, VecDeque<Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    fn invalid() -> LoadError {
        CompileError::Invalid("it is damaged".to_owned()).into()
    }

    #[test]
    fn what_is_wrong_with_a_component_is_kept_and_the_oldest_forgotten() {
        let failures = Failures::default();
        for number in 0..=MOST {
            failures.keep(&digest(number), &invalid());
        }
        assert!(failures.of(&digest(0)).is_none());
        let kept = failures.of(&digest(1)).expect("it is kept");
        assert!(kept.to_string().contains("it is damaged"), "{kept}");
        // One that fails again is not there twice.
        failures.keep(&digest(1), &invalid());
        assert_eq!(failures.failures().len(), MOST);
        assert!(failures.of(&digest(2)).is_some());
        failures.forget_passing();
        assert!(failures.of(&digest(2)).is_some());
    }

    #[test]
    fn what_may_pass_is_tried_again_after_a_while_or_when_somebody_says_so() {
        let now = Instant::now();
        let failures = Failures::default();
        let ended = CompileError::Ended {
            reason: "signal: 9".to_owned(),
        };
        for error in [CompileError::TooSlow, ended] {
            failures.keep_at(&digest(1), &error.into(), now);
            assert!(failures.of_at(&digest(1), now).is_some());
            let almost = now + AGAIN - Duration::from_secs(1);
            assert!(failures.of_at(&digest(1), almost).is_some());
            assert!(failures.of_at(&digest(1), now + AGAIN).is_none());
        }
        failures.keep(&digest(1), &CompileError::TooSlow.into());
        failures.forget_passing();
        assert!(failures.of(&digest(1)).is_none());
    }

    #[test]
    fn what_is_the_hosts_own_trouble_is_not_kept() {
        let failures = Failures::default();
        let no_process = CompileError::from(std::io::Error::other("no process"));
        for error in [no_process.into(), LoadError::TooManyFiles { limit: 1 }] {
            failures.keep(&digest(1), &error);
            assert!(failures.of(&digest(1)).is_none(), "{error}");
        }
    }
}
