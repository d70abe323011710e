//! Configuration, and the store that is granted.

use crate::bindings::wasi::config::store as config;
use crate::bindings::wasi::keyvalue::store::{Bucket, open};
use crate::bindings::wasi::keyvalue::{atomics, batch};
use crate::{Function, Round, each, text};

/// The store's name.
const STORE: &str = "store";

/// As many keys as one host call takes.
const KEYS: usize = 1_000;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:config/store#get", |_| each(|| config::get("LARGE"))),
    ("wasi:config/store#get of a long key", |size| {
        let key = text(size);
        each(move || config::get(&key))
    }),
    ("wasi:config/store#get-all", |_| each(config::get_all)),
    ("wasi:keyvalue/store#open", |_| each(|| open(STORE))),
    ("wasi:keyvalue/store#open a long name", |size| {
        let name = text(size);
        each(move || open(&name))
    }),
    ("wasi:keyvalue/store#[method]bucket.get", |size| {
        with_bucket(move |bucket| {
            let key = "get";
            bucket.set(key, &vec![0; size]).ok()?;
            each(move || bucket.get(key))
        })
    }),
    ("wasi:keyvalue/store#[method]bucket.set", |size| {
        with_bucket(move |bucket| {
            let value = vec![0; size];
            each(move || bucket.set("set", &value))
        })
    }),
    ("wasi:keyvalue/store#[method]bucket.delete", |size| {
        with_bucket(move |bucket| {
            let key = text(size);
            each(move || bucket.delete(&key))
        })
    }),
    ("wasi:keyvalue/store#[method]bucket.exists", |size| {
        with_bucket(move |bucket| {
            let key = text(size);
            each(move || bucket.exists(&key))
        })
    }),
    ("wasi:keyvalue/store#[method]bucket.list-keys", |_| {
        with_bucket(|bucket| {
            batch::set_many(&bucket, &pairs("list", 0)).ok()?;
            each(move || bucket.list_keys(None))
        })
    }),
    ("wasi:keyvalue/atomics#increment", |_| {
        with_bucket(|bucket| each(move || atomics::increment(&bucket, "increment", 1)))
    }),
    ("wasi:keyvalue/batch#get-many", |size| {
        with_bucket(move |bucket| {
            let pairs = pairs("many", size / KEYS);
            batch::set_many(&bucket, &pairs).ok()?;
            let keys: Vec<String> = pairs.into_iter().map(|(key, _)| key).collect();
            each(move || batch::get_many(&bucket, &keys))
        })
    }),
    ("wasi:keyvalue/batch#set-many", |size| {
        with_bucket(move |bucket| {
            let pairs = pairs("set", size / KEYS);
            each(move || batch::set_many(&bucket, &pairs))
        })
    }),
    ("wasi:keyvalue/batch#delete-many", |_| {
        with_bucket(|bucket| {
            let keys: Vec<String> = (0..KEYS).map(|n| format!("none {n}")).collect();
            each(move || batch::delete_many(&bucket, &keys))
        })
    }),
];

fn with_bucket(prepare: impl FnOnce(Bucket) -> Option<Round>) -> Option<Round> {
    prepare(open(STORE).ok()?)
}

/// As many keys as can be, with values of so many bytes.
fn pairs(prefix: &str, size: usize) -> Vec<(String, Vec<u8>)> {
    (0..KEYS)
        .map(|n| (format!("{prefix} {n}"), vec![0; size]))
        .collect()
}
