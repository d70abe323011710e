//! What the host itself keeps in a store: no guest can open it, whatever it is granted.

use std::sync::Arc;
use std::time::Duration;

use super::bucket::{Bucket, BucketError, OpenStore};

/// The host's records of one kind in a store: a tenant has a key space of their own for them, with a quota of their own.
#[derive(Debug, Clone)]
pub struct Records {
    store: Arc<OpenStore>,
    kind: &'static str,
}

impl Records {
    /// Of this kind.
    pub(super) fn new(store: Arc<OpenStore>, kind: &'static str) -> Self {
        Self { store, kind }
    }

    /// Whether other hosts can read and change them too.
    pub fn are_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// The store's clock, since 1970: the same for all hosts that share it.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn now(&self) -> Result<Duration, BucketError> {
        self.store.now().await
    }

    /// The keys of a tenant's records, in the order in which they were inserted: the first thousand.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn keys(&self, tenant: &str) -> Result<Vec<String>, BucketError> {
        Ok(self.of(tenant).list(None).await?.keys)
    }

    /// A record.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn get(&self, tenant: &str, key: &str) -> Result<Option<Vec<u8>>, BucketError> {
        self.of(tenant).get(key.to_owned()).await
    }

    /// Adds a record; whether the tenant had fewer than `most`, and none of this key.
    ///
    /// # Errors
    /// A store that fails, or is full.
    pub async fn insert(
        &self,
        tenant: &str,
        key: &str,
        value: Vec<u8>,
        most: usize,
    ) -> Result<bool, BucketError> {
        self.of(tenant).insert(key.to_owned(), value, most).await
    }

    /// Changes a record, or removes it; whether it still was the old one.
    ///
    /// # Errors
    /// A store that fails, or is full.
    pub async fn swap(
        &self,
        tenant: &str,
        key: &str,
        old: Vec<u8>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, BucketError> {
        self.of(tenant).swap(key.to_owned(), old, new).await
    }

    /// Removes records.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn delete(&self, tenant: &str, keys: Vec<String>) -> Result<(), BucketError> {
        self.of(tenant).delete(keys).await
    }

    /// No tenant's name has a `/`: so no guest's bucket is this one.
    fn of(&self, tenant: &str) -> Bucket {
        let space = format!("{}/{tenant}", self.kind);
        Bucket::new(Arc::clone(&self.store), space.into())
    }
}
