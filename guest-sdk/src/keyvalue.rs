//! Key-value stores that the operator grants: what a tool keeps from one call
//! to the next.
//!
//! ```
//! use sandglass_sdk::{keyvalue::{self, Store}, tool};
//!
//! /// Notes a city for later.
//! #[tool]
//! fn remember(city: String) -> Result<(), keyvalue::Error> {
//!     Store::open("places")?.set("city", city)
//! }
//! ```
//!
//! In native tests each thread, and so each test, has stores of its own: every
//! name opens one, and it is empty at first.

#[cfg(target_arch = "wasm32")]
use crate::bindings::keyvalue::wasi::keyvalue::{atomics, store as host};
#[cfg(not(target_arch = "wasm32"))]
use host as atomics;

/// A store, opened by its name in the host's manifest.
#[derive(Debug)]
pub struct Store {
    name: String,
    bucket: host::Bucket,
}

/// Why a store did not do what was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The operator grants no store of this name.
    #[error(
        "the store `{0}` is not granted: define it in the manifest, `stores: {{ {0}: {{ kind: embedded, path: {0}.redb }} }}`, \
         and grant it at this tool's source, `allow: {{ keyvalue: [{0}] }}`"
    )]
    NotGranted(String),
    /// The host could not do it; it says why, and of which store where that matters.
    #[error("{reason}")]
    Failed {
        /// The store's name.
        store: String,
        /// The host's words.
        reason: String,
    },
}

/// ```
/// use sandglass_sdk::keyvalue::Store;
///
/// let store = Store::open("places")?;
/// store.set("city", "Paris")?;
/// assert_eq!(store.get("city")?.as_deref(), Some(&b"Paris"[..]));
/// assert!(store.exists("city")?);
/// assert_eq!(store.keys()?, ["city"]);
/// store.delete("city")?;
/// assert_eq!(store.get("city")?, None);
/// # Ok::<(), sandglass_sdk::keyvalue::Error>(())
/// ```
impl Store {
    /// Opens the store of this name.
    ///
    /// # Errors
    /// There is no such store, or this tool may not use it.
    pub fn open(name: &str) -> Result<Self, Error> {
        match host::open(name) {
            Ok(bucket) => Ok(Self {
                name: name.to_owned(),
                bucket,
            }),
            Err(error) => Err(Error::of(name, error)),
        }
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// The host could not read it.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.told(self.bucket.get(key))
    }

    /// Sets the value of a key; an earlier one is replaced.
    ///
    /// # Errors
    /// The host could not write it: for example, the store is full.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.told(self.bucket.set(key, value.as_ref()))
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// The host could not write.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.told(self.bucket.delete(key))
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// The host could not read.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.told(self.bucket.exists(key))
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// The host could not read.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.told(self.bucket.list_keys(cursor))?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort_unstable();
                return Ok(keys);
            }
        }
    }

    /// Adds to a number, which is kept as decimal text, and gives the new one; a key that is not there counts as 0. No
    /// other call comes in between.
    ///
    /// ```
    /// use sandglass_sdk::keyvalue::Store;
    ///
    /// let store = Store::open("counters")?;
    /// assert_eq!(store.increment("visits", 2)?, 2);
    /// assert_eq!(store.increment("visits", 1)?, 3);
    /// assert_eq!(store.get("visits")?.as_deref(), Some(&b"3"[..]));
    /// # Ok::<(), sandglass_sdk::keyvalue::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is there is no such number, or the host could not write.
    pub fn increment(&self, key: &str, by: u64) -> Result<u64, Error> {
        self.told(atomics::increment(&self.bucket, key, by))
    }

    fn told<T>(&self, answer: Result<T, host::Error>) -> Result<T, Error> {
        answer.map_err(|error| Error::of(&self.name, error))
    }
}

impl Error {
    fn of(store: &str, error: host::Error) -> Self {
        match error {
            host::Error::NoSuchStore | host::Error::AccessDenied => {
                Self::NotGranted(store.to_owned())
            }
            host::Error::Other(reason) => Self::Failed {
                store: store.to_owned(),
                reason,
            },
        }
    }
}

/// What a tool finds outside a component: stores in the thread's own memory,
/// with the functions of the host's.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use std::{cell::RefCell, collections::BTreeMap};

    pub use crate::bindings::keyvalue::wasi::keyvalue::store::{Error, KeyResponse};

    type Values = BTreeMap<String, Vec<u8>>;

    thread_local! {
        static STORES: RefCell<BTreeMap<String, Values>> = const { RefCell::new(BTreeMap::new()) };
    }

    #[derive(Debug)]
    pub struct Bucket(String);

    pub fn open(name: &str) -> Result<Bucket, Error> {
        Ok(Bucket(name.to_owned()))
    }

    pub fn increment(bucket: &Bucket, key: &str, by: u64) -> Result<u64, Error> {
        let old = bucket.get(key)?.unwrap_or_else(|| b"0".to_vec());
        let sum = str::from_utf8(&old)
            .ok()
            .and_then(|old| old.parse::<u64>().ok()?.checked_add(by))
            .ok_or_else(|| Error::Other(format!("`{key}` is no number that can grow")))?;
        bucket.set(key, sum.to_string().as_bytes())?;
        Ok(sum)
    }

    impl Bucket {
        pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            self.with(|values| values.get(key).cloned())
        }

        pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
            self.with(|values| {
                values.insert(key.to_owned(), value.to_owned());
            })
        }

        pub fn delete(&self, key: &str) -> Result<(), Error> {
            self.with(|values| {
                values.remove(key);
            })
        }

        pub fn exists(&self, key: &str) -> Result<bool, Error> {
            self.with(|values| values.contains_key(key))
        }

        /// One key a page, so that whoever lists has to turn pages.
        pub fn list_keys(&self, cursor: Option<u64>) -> Result<KeyResponse, Error> {
            let place = cursor.unwrap_or_default();
            let skipped = usize::try_from(place).unwrap_or(usize::MAX);
            self.with(|values| KeyResponse {
                keys: values.keys().skip(skipped).take(1).cloned().collect(),
                cursor: (values.len() > skipped + 1).then_some(place + 1),
            })
        }

        fn with<T>(&self, use_it: impl FnOnce(&mut Values) -> T) -> Result<T, Error> {
            STORES.with_borrow_mut(|stores| Ok(use_it(stores.entry(self.0.clone()).or_default())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Store, host};

    #[test]
    fn what_is_set_is_there_until_it_is_deleted() {
        let store = Store::open("a").unwrap();
        assert_eq!(store.get("k"), Ok(None));
        store.set("k", "1").unwrap();
        store.set("k", b"2").unwrap();
        assert_eq!(Store::open("a").unwrap().get("k"), Ok(Some(b"2".to_vec())));
        assert_eq!(store.exists("k"), Ok(true));
        assert_eq!(Store::open("b").unwrap().exists("k"), Ok(false));
        store.delete("k").unwrap();
        store.delete("k").unwrap();
        assert_eq!(store.exists("k"), Ok(false));
    }

    #[test]
    fn keys_are_listed_over_all_pages() {
        let store = Store::open("a").unwrap();
        assert_eq!(store.keys(), Ok(Vec::new()));
        for key in ["c", "a", "b"] {
            store.set(key, "").unwrap();
        }
        assert_eq!(store.keys().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_store_that_is_not_granted_says_what_to_write() {
        for refusal in [host::Error::NoSuchStore, host::Error::AccessDenied] {
            assert_eq!(
                Error::of("cache", refusal).to_string(),
                "the store `cache` is not granted: define it in the manifest, \
                 `stores: { cache: { kind: embedded, path: cache.redb } }`, \
                 and grant it at this tool's source, `allow: { keyvalue: [cache] }`"
            );
        }
        assert_eq!(
            Error::of(
                "cache",
                host::Error::Other("the store `cache` is full: quota 1MiB".to_owned())
            )
            .to_string(),
            "the store `cache` is full: quota 1MiB"
        );
    }
}
