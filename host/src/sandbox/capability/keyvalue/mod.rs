//! Key-value stores: `wasi:keyvalue`, kept in a file of this host or in a Redis server.
//!
//! A store is opened once, when the host starts. Each tenant has a key space and a quota of its own in
//! it; a source's tools open the stores that the manifest grants it, by name, and see their tenant's keys.

mod bucket;
mod embedded;
mod host;
mod records;
mod redis;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use sandglass_manifest::{ByteSize, ManifestError, Store, StoreKind, StoreName};

use bucket::{Backend, Bucket, OpenStore};
use embedded::Embedded;
use redis::Redis;

use super::secret::Value;

pub use bucket::BucketError;
pub use records::Records;

pub(in crate::sandbox) use host::{KeyValueView, add_to_linker};

/// The manifest's stores, open.
#[derive(Debug, Clone, Default)]
pub struct Stores(BTreeMap<StoreName, Arc<OpenStore>>);

/// The stores that one source's tools may open. The default is none.
#[derive(Debug, Clone, Default)]
pub struct KeyValue(Arc<BTreeMap<String, Bucket>>);

/// A grant names a store that is not there.
#[derive(Debug, thiserror::Error)]
#[error("the store `{0}` is not defined: add it to the manifest's `stores`")]
pub struct UnknownStore(String);

/// The host has nowhere to keep its own records.
#[derive(Debug, thiserror::Error)]
pub enum NoRecords {
    /// In no store of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownStore),
    /// Nor in memory.
    #[error("no store in memory: {0}")]
    Memory(String),
}

impl Stores {
    /// Opens the stores. A Redis server that does not answer is only warned of: it is tried again at each use.
    ///
    /// # Errors
    /// A file that cannot be opened, a URL that is none, a secret that is not there. No text holds a secret.
    pub async fn open(stores: &BTreeMap<StoreName, Store>) -> Result<Self, ManifestError> {
        let mut open = BTreeMap::new();
        for (name, store) in stores {
            let backend = match &store.kind {
                StoreKind::Embedded { path } => {
                    let embedded = Embedded::open(name.as_str(), path).await;
                    Backend::Embedded(embedded.map_err(|problem| {
                        let shown = path.display();
                        path.error(format!(
                            "stores.{name}.path: {shown} cannot be opened: {problem}"
                        ))
                    })?)
                }
                StoreKind::Redis { url } => {
                    let field = format!("stores.{name}.url");
                    let value = Value::read(url, &field)?;
                    let redis = Redis::new(name.as_str(), &value.0)
                        .map_err(|problem| url.error(format!("{field}: {problem}")))?;
                    Backend::Redis(Box::new(redis))
                }
            };
            let store = OpenStore::new(name.as_str(), store.quota, backend);
            store.probe().await;
            open.insert(name.clone(), Arc::new(store));
        }
        Ok(Self(open))
    }

    /// Stores of these names and quotas that are empty, in memory: nothing of theirs is opened, read or kept.
    ///
    /// # Errors
    /// No memory for one.
    pub fn empty(stores: &BTreeMap<StoreName, Store>) -> Result<Self, NoRecords> {
        let empty = |(name, store): (&StoreName, &Store)| {
            let store = in_memory(name.as_str(), store.quota)?;
            Ok((name.clone(), Arc::new(store)))
        };
        stores.iter().map(empty).collect::<Result<_, _>>().map(Self)
    }

    /// What the host keeps itself in the store of this name; without a name, in memory, so much of each tenant's.
    ///
    /// # Errors
    /// A name that is none of the stores', or no memory for one.
    pub fn records(
        &self,
        name: Option<&StoreName>,
        kind: &'static str,
        in_memory_quota: ByteSize,
    ) -> Result<Records, NoRecords> {
        let store = match name {
            Some(name) => {
                let store = self.0.get(name);
                Arc::clone(store.ok_or_else(|| UnknownStore(name.as_str().to_owned()))?)
            }
            None => Arc::new(in_memory(kind, in_memory_quota)?),
        };
        Ok(Records::new(store, kind))
    }

    /// What the tools of one of this tenant's sources may open.
    ///
    /// # Errors
    /// A name that is none of the stores'.
    pub fn grant(&self, tenant: &str, names: &[StoreName]) -> Result<KeyValue, UnknownStore> {
        let tenant: Arc<str> = tenant.into();
        let grant = |name: &StoreName| {
            let Some(store) = self.0.get(name) else {
                return Err(UnknownStore(name.as_str().to_owned()));
            };
            let bucket = Bucket::new(Arc::clone(store), Arc::clone(&tenant));
            Ok((name.as_str().to_owned(), bucket))
        };
        let buckets: Result<_, _> = names.iter().map(grant).collect();
        Ok(KeyValue(Arc::new(buckets?)))
    }
}

fn in_memory(name: &str, quota: ByteSize) -> Result<OpenStore, NoRecords> {
    let embedded = Embedded::in_memory(name).map_err(NoRecords::Memory)?;
    Ok(OpenStore::new(name, quota, Backend::Embedded(embedded)))
}

impl KeyValue {
    /// The tenant's keys in the store of this name, if it is granted.
    fn open(&self, name: &str) -> Option<Bucket> {
        self.0.get(name).cloned()
    }
}
