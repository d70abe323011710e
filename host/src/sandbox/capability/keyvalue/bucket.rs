//! One tenant's keys in one store: what `wasi:keyvalue` calls a bucket.
//!
//! Here are the bounds and the errors that do not depend on where a store keeps its values. What a guest
//! is told names the store and the bound; why a store failed is for the log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandglass_manifest::ByteSize;

use super::embedded::Embedded;
use super::redis::Redis;

/// The longest key.
pub(super) const MAX_KEY: ByteSize = ByteSize::kib(1);

/// The largest value, and the most that one read gives: the host holds it until the guest has it.
pub(super) const MAX_VALUE: ByteSize = ByteSize::mib(16);

/// Bytes that a key takes of its tenant's quota beside its own and those of its value: what a store keeps for each, on the
/// disk or in memory. That of a short key is 70 to 250, by the kind of store and the length of the tenant's name.
pub(super) const KEY_COST: u64 = 256;

/// Keys of one batch or one page.
pub(super) const MAX_KEYS: usize = 1_000;

/// A store that is open, with the quota that each tenant has in it.
pub(super) struct OpenStore {
    name: Box<str>,
    quota: ByteSize,
    backend: Backend,
    /// Whether the last use failed for a reason of the store's own: the log hears of changes only.
    failing: AtomicBool,
}

/// Where a store keeps its values.
pub(super) enum Backend {
    Embedded(Embedded),
    Redis(Box<Redis>),
}

/// One tenant's keys in one store.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<OpenStore>,
    tenant: Arc<str>,
}

/// A change, made whole or not at all.
#[derive(Debug)]
pub(super) enum Change {
    /// Sets each key to its value.
    Set(BTreeMap<String, Vec<u8>>),
    /// Removes the keys that are there.
    Delete(Vec<String>),
    /// Adds to a number in decimal; a key that is not there counts as zero.
    Increment { key: String, delta: i64 },
    /// Sets a key that is not there yet, where fewer than `most` are.
    Insert {
        key: String,
        value: Vec<u8>,
        most: usize,
    },
    /// Sets a key to a new value, or removes it, if it still has the old one.
    Swap {
        key: String,
        old: Vec<u8>,
        new: Option<Vec<u8>>,
    },
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is made.
    Done,
    /// It is made, and the number is this now.
    Counted(i64),
    /// It is not made: the key has another value.
    Differs,
    /// It is not made: there are as many keys as there may be.
    Crowded,
    /// It would bring the tenant over its quota.
    Full,
    /// The value is not a number from 0 to [`i64::MAX`] in decimal.
    NotANumber,
    /// The number would be over [`i64::MAX`].
    Overflow,
}

/// Keys in the order in which they were first set. `cursor` is there if more follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    pub(super) cursor: Option<u64>,
}

/// Why a store itself failed, in words for the operator.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not there, or does not answer in time.
    Unreachable(String),
    /// It is there and cannot do it.
    Broken(String),
}

/// Why a bucket did not do what a guest asked, in words for the tool's author.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// A bound of keys.
    #[error("the key has {0} bytes, the longest may have {MAX_KEY}")]
    KeyTooLong(usize),
    /// A bound of values.
    #[error("the value has {0} bytes, the largest may have {MAX_VALUE}")]
    ValueTooLarge(usize),
    /// A bound of batches.
    #[error("{0} keys at once, there may be {MAX_KEYS}")]
    TooManyKeys(usize),
    /// A bound of batches.
    #[error("the values together are over {MAX_VALUE}: get fewer at once")]
    TooMuch,
    /// The tenant's quota.
    #[error("the store `{store}` is full: quota {quota}")]
    Full {
        /// The store's name.
        store: Box<str>,
        /// What one tenant can keep in it.
        quota: ByteSize,
    },
    /// What cannot be counted up.
    #[error(
        "the value of the key is not a number from 0 to {} in decimal",
        i64::MAX
    )]
    NotANumber,
    /// What cannot be counted up further.
    #[error("the number would be over {}", i64::MAX)]
    Overflow,
    /// It is not there, or does not answer in time.
    #[error("the store `{0}` cannot be reached")]
    Unreachable(Box<str>),
    /// It is there and cannot do it.
    #[error("the store `{0}` failed: the host's log says more")]
    Broken(Box<str>),
}

impl OpenStore {
    pub(super) fn new(name: &str, quota: ByteSize, backend: Backend) -> Self {
        Self {
            name: name.into(),
            quota,
            backend,
            failing: AtomicBool::new(false),
        }
    }

    /// Whether several hosts can have it open at once.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Redis(_))
    }

    /// The store's own clock, since 1970: the same for all hosts that share it.
    pub(super) async fn now(&self) -> Result<Duration, BucketError> {
        match &self.backend {
            // A clock from before 1970 is as wrong as 1970.
            Backend::Embedded(_) => Ok(SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()),
            Backend::Redis(redis) => self.told(redis.now().await),
        }
    }

    /// Warns in the log if the store cannot be reached.
    pub(super) async fn probe(&self) {
        if let Backend::Redis(redis) = &self.backend {
            // What is wrong is in the log, and each use says it again.
            let _ = self.told(redis.ping().await);
        }
    }

    /// From what the operator needs to know to what the guest may know.
    fn told<T>(&self, answer: Result<T, Failure>) -> Result<T, BucketError> {
        let was_failing = self.failing.swap(answer.is_err(), Ordering::Relaxed);
        let name = &self.name;
        answer
            .inspect(|_| {
                if was_failing {
                    tracing::info!(store = %name, "the store works again");
                }
            })
            .map_err(|failure| {
                let (reason, error) = match failure {
                    Failure::Unreachable(reason) => {
                        (reason, BucketError::Unreachable(name.clone()))
                    }
                    Failure::Broken(reason) => (reason, BucketError::Broken(name.clone())),
                };
                if !was_failing {
                    tracing::warn!(store = %name, reason, "{error}");
                }
                error
            })
    }
}

impl Bucket {
    pub(super) fn new(store: Arc<OpenStore>, tenant: Arc<str>) -> Self {
        Self { store, tenant }
    }

    /// The value of a key.
    pub(super) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, BucketError> {
        let mut values = self.get_many(vec![key]).await?;
        Ok(values.pop().flatten())
    }

    /// The values of the keys, in their order.
    pub(super) async fn get_many(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, BucketError> {
        check_count(keys.len())?;
        check_keys(&keys)?;
        let values = match &self.store.backend {
            Backend::Embedded(embedded) => embedded.get(&self.tenant, keys).await,
            Backend::Redis(redis) => redis.get(&self.tenant, keys).await,
        };
        self.store.told(values)?.ok_or(BucketError::TooMuch)
    }

    /// Whether the key has a value.
    pub(super) async fn exists(&self, key: String) -> Result<bool, BucketError> {
        check_key(&key)?;
        let exists = match &self.store.backend {
            Backend::Embedded(embedded) => embedded.exists(&self.tenant, key).await,
            Backend::Redis(redis) => redis.exists(&self.tenant, key).await,
        };
        self.store.told(exists)
    }

    /// The keys that follow a page's cursor. A key that is there all the while is on one page, once,
    /// whatever happens to others between two pages.
    pub(super) async fn list(&self, cursor: Option<u64>) -> Result<Page, BucketError> {
        let after = cursor.unwrap_or(0);
        let page = match &self.store.backend {
            Backend::Embedded(embedded) => embedded.list(&self.tenant, after).await,
            Backend::Redis(redis) => redis.list(&self.tenant, after).await,
        };
        self.store.told(page)
    }

    /// Sets the keys to their values, all or none; of a key that is given twice, the last value counts.
    pub(super) async fn set(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), BucketError> {
        check_count(entries.len())?;
        for (key, value) in &entries {
            check_key(key)?;
            check_value(value)?;
        }
        let change = Change::Set(entries.into_iter().collect());
        self.change(change).await.map(drop)
    }

    /// Removes the keys that are there.
    pub(super) async fn delete(&self, keys: Vec<String>) -> Result<(), BucketError> {
        check_count(keys.len())?;
        check_keys(&keys)?;
        self.change(Change::Delete(keys)).await.map(drop)
    }

    /// Adds to the number at the key, kept in decimal; the new number.
    pub(super) async fn increment(&self, key: String, delta: u64) -> Result<u64, BucketError> {
        check_key(&key)?;
        let delta = i64::try_from(delta).map_err(|_| BucketError::Overflow)?;
        match self.change(Change::Increment { key, delta }).await? {
            Outcome::Counted(number) => Ok(number.unsigned_abs()),
            _ => Ok(0),
        }
    }

    /// Sets a key that is not there yet; whether fewer than `most` were.
    pub(super) async fn insert(
        &self,
        key: String,
        value: Vec<u8>,
        most: usize,
    ) -> Result<bool, BucketError> {
        check_key(&key)?;
        check_value(&value)?;
        let outcome = self.change(Change::Insert { key, value, most }).await?;
        Ok(outcome == Outcome::Done)
    }

    /// Sets a key to a new value, or removes it, if it still has the old one; whether it had.
    pub(super) async fn swap(
        &self,
        key: String,
        old: Vec<u8>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, BucketError> {
        check_key(&key)?;
        new.as_deref().map_or(Ok(()), check_value)?;
        let outcome = self.change(Change::Swap { key, old, new }).await?;
        Ok(outcome == Outcome::Done)
    }

    /// What became of a change, where it is no error.
    async fn change(&self, change: Change) -> Result<Outcome, BucketError> {
        let quota = self.store.quota;
        let outcome = match &self.store.backend {
            Backend::Embedded(embedded) => embedded.change(&self.tenant, quota, change).await,
            Backend::Redis(redis) => redis.change(&self.tenant, quota, change).await,
        };
        match self.store.told(outcome)? {
            outcome @ (Outcome::Done
            | Outcome::Counted(_)
            | Outcome::Differs
            | Outcome::Crowded) => Ok(outcome),
            Outcome::Full => Err(BucketError::Full {
                store: self.store.name.clone(),
                quota,
            }),
            Outcome::NotANumber => Err(BucketError::NotANumber),
            Outcome::Overflow => Err(BucketError::Overflow),
        }
    }
}

fn check_key(key: &str) -> Result<(), BucketError> {
    if key.len() as u64 > MAX_KEY.get() {
        return Err(BucketError::KeyTooLong(key.len()));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), BucketError> {
    if value.len() as u64 > MAX_VALUE.get() {
        return Err(BucketError::ValueTooLarge(value.len()));
    }
    Ok(())
}

fn check_keys(keys: &[String]) -> Result<(), BucketError> {
    keys.iter().try_for_each(|key| check_key(key))
}

fn check_count(count: usize) -> Result<(), BucketError> {
    if count > MAX_KEYS {
        return Err(BucketError::TooManyKeys(count));
    }
    Ok(())
}

/// A page of these keys, each with its place; one more than fits says that more follow.
pub(super) fn page(mut entries: Vec<(String, u64)>) -> Page {
    let more = entries.len() > MAX_KEYS;
    entries.truncate(MAX_KEYS);
    let last = entries.last().map(|(_, place)| *place);
    Page {
        keys: entries.into_iter().map(|(key, _)| key).collect(),
        cursor: last.filter(|_| more),
    }
}

impl fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.backend {
            Backend::Embedded(_) => "embedded",
            Backend::Redis(_) => "redis",
        };
        f.debug_struct("OpenStore")
            .field("name", &self.name)
            .field("kind", &kind)
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("store", &self.store.name)
            .field("tenant", &self.tenant)
            .finish()
    }
}
