//! The guest's side: `wasi:keyvalue` at a call's state.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

use self::bindings::wasi::keyvalue::{atomics, batch, store};
use super::super::trail::Trail;
use super::KeyValue;
use super::bucket::{Bucket, BucketError};
use crate::sandbox::meter::Bill;

/// Characters of a store's name that a denial keeps: a guest chooses them.
const SHOWN_NAME: usize = 64;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/deps/keyvalue",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": super::super::bucket::Bucket,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => super::Error,
        },
    });
}

/// A call's grant, with what belongs to the call.
pub(in crate::sandbox) struct KeyValueView<'a> {
    pub(in crate::sandbox) granted: &'a KeyValue,
    pub(in crate::sandbox) table: &'a mut ResourceTable,
    pub(in crate::sandbox) trail: &'a mut Trail,
    pub(in crate::sandbox) bill: &'a Bill,
}

/// Links the interfaces of `wasi:keyvalue`.
pub(in crate::sandbox) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> KeyValueView<'_>,
) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasKeyValue>(linker, view)?;
    atomics::add_to_linker::<_, HasKeyValue>(linker, view)?;
    batch::add_to_linker::<_, HasKeyValue>(linker, view)
}

struct HasKeyValue;

impl HasData for HasKeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// What a guest is answered instead of a result.
pub enum Error {
    /// No such store, or none for this tool: the guest is not told which.
    Denied,
    /// The store's own words.
    Bucket(BucketError),
    /// A handle that is none, or one too many: a trap.
    Table(ResourceTableError),
}

impl From<BucketError> for Error {
    fn from(error: BucketError) -> Self {
        Self::Bucket(error)
    }
}

impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Table(error)
    }
}

impl KeyValueView<'_> {
    /// The bucket, for a function that was given so many bytes.
    fn bucket(
        &self,
        handle: &Resource<Bucket>,
        given: usize,
    ) -> Result<Bucket, ResourceTableError> {
        self.bill.bytes(given);
        self.table.get(handle).cloned()
    }
}

/// Bytes of texts.
fn size(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

impl store::Host for KeyValueView<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        self.bill.bytes(identifier.len());
        let Some(bucket) = self.granted.open(&identifier) else {
            let shown: String = identifier.chars().take(SHOWN_NAME).collect();
            self.trail.denied(format!("key-value store {shown:?}"));
            return Err(Error::Denied);
        };
        Ok(self.table.push(bucket)?)
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<store::Error> {
        match error {
            Error::Denied => Ok(store::Error::AccessDenied),
            Error::Bucket(error) => Ok(store::Error::Other(error.to_string())),
            Error::Table(error) => Err(error.into()),
        }
    }
}

impl store::HostBucket for KeyValueView<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Error> {
        let value = self.bucket(&bucket, key.len())?.get(key).await?;
        self.bill.bytes(value.as_ref().map_or(0, Vec::len));
        Ok(value)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Error> {
        let bucket = self.bucket(&bucket, key.len() + value.len())?;
        Ok(bucket.set(vec![(key, value)]).await?)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Error> {
        Ok(self.bucket(&bucket, key.len())?.delete(vec![key]).await?)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Error> {
        Ok(self.bucket(&bucket, key.len())?.exists(key).await?)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Error> {
        let page = self.bucket(&bucket, 0)?.list(cursor).await?;
        self.bill.bytes(size(&page.keys));
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.cursor,
        })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Result<u64, Error> {
        Ok(self
            .bucket(&bucket, key.len())?
            .increment(key, delta)
            .await?)
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        let bucket = self.bucket(&bucket, size(&keys))?;
        let values = bucket.get_many(keys.clone()).await?;
        self.bill.bytes(values.iter().flatten().map(Vec::len).sum());
        let pairs = keys.into_iter().zip(values);
        Ok(pairs
            .map(|(key, value)| value.map(|value| (key, value)))
            .collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        let bytes = key_values
            .iter()
            .map(|(key, value)| key.len() + value.len());
        Ok(self.bucket(&bucket, bytes.sum())?.set(key_values).await?)
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<(), Error> {
        Ok(self.bucket(&bucket, size(&keys))?.delete(keys).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sandglass_manifest::{Store, StoreKind};

    use super::store::Host;
    use super::*;
    use crate::sandbox::capability::keyvalue::Stores;

    #[tokio::test]
    async fn a_store_that_is_not_granted_and_one_that_is_not_there_are_denied_alike() {
        let folder = tempfile::tempdir().unwrap();
        let store = |name: &str| {
            let path = folder.path().join(name);
            let store = Store {
                kind: StoreKind::Embedded { path: path.into() },
                quota: Store::QUOTA,
            };
            (name.parse().unwrap(), store)
        };
        let stores = BTreeMap::from([store("mine"), store("theirs")]);
        let stores = Stores::open(&stores).await.unwrap();
        let mut view = KeyValueView {
            granted: &stores.grant("t", &["mine".parse().unwrap()]).unwrap(),
            table: &mut ResourceTable::new(),
            trail: &mut Trail::default(),
            bill: &Bill::default(),
        };
        let long = "x".repeat(1_000);
        for name in ["theirs", "none", "", &long] {
            let error = view.open(name.to_owned()).await.err().unwrap();
            let told = view.convert_error(error).unwrap();
            assert!(matches!(told, store::Error::AccessDenied), "{name}");
        }
        assert!(view.open("mine".to_owned()).await.is_ok());
        let denials: Vec<_> = view.trail.denials().collect();
        let shortened = format!("key-value store {:?}", "x".repeat(SHOWN_NAME));
        let theirs = r#"key-value store "theirs""#;
        let none = r#"key-value store "none""#;
        assert_eq!(denials, [r#"key-value store """#, none, theirs, &shortened]);
    }
}
