//! What holds for every kind of store, and what for one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use sandglass_manifest::{
    ByteSize, ManifestError, SecretRef, Store, StoreKind, StoreName, TextOrSecret,
};
use tempfile::TempDir;

use super::Stores;
use super::bucket::{Bucket, BucketError, KEY_COST, MAX_KEYS, MAX_VALUE};

/// Names and keys with everything that could end, join or widen a name of the store's own.
const HOSTILE: [&str; 14] = [
    "",
    "a",
    "b",
    "ab",
    "a:",
    "a:values",
    "1:a",
    "a}",
    "{a}",
    "*",
    "a\0b",
    "\u{10ffff}",
    "../a",
    "a\r\nDEL a",
];

/// Where stores lie that a test opens, and opens again.
struct Place {
    folder: TempDir,
    server: Option<Server>,
}

/// A Redis server on a socket of its own, without a disk.
struct Server(Child);

impl Server {
    fn start(program: &std::ffi::OsStr, folder: &Path) -> Self {
        let mut child = Command::new(program)
            .current_dir(folder)
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("SANDGLASS_REDIS_SERVER is a program");
        let output = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("eady to accept connections"));
        assert!(ready, "the Redis server does not start");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait().map(drop)).ok();
    }
}

fn redis_server() -> OsString {
    const VARIABLE: &str = "SANDGLASS_REDIS_SERVER";
    std::env::var_os(VARIABLE).unwrap_or_else(|| {
        panic!("{VARIABLE} is not set: run `cargo xtask test`, which has a server")
    })
}

impl Place {
    fn embedded() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: None,
        }
    }

    fn redis() -> Self {
        let mut place = Self::embedded();
        place.server = Some(Server::start(&redis_server(), place.folder.path()));
        place
    }

    fn kind(&self, name: &StoreName) -> StoreKind {
        let folder = self.folder.path();
        match self.server {
            None => StoreKind::Embedded {
                path: folder.join(name.as_str()).into(),
            },
            Some(_) => StoreKind::Redis {
                url: TextOrSecret::Text(format!("unix://{}/redis.sock", folder.display())).into(),
            },
        }
    }

    /// Two stores, `cache` and `other`.
    async fn open(&self, quota: ByteSize) -> Stores {
        let names = [name("cache"), name("other")];
        let stores = names.map(|name| {
            let kind = self.kind(&name);
            (name, Store { kind, quota })
        });
        Stores::open(&stores.into()).await.unwrap()
    }

    /// A tenant's keys in `cache`.
    async fn bucket(&self, quota: ByteSize) -> Bucket {
        bucket(&self.open(quota).await, "t")
    }
}

fn name(name: &str) -> StoreName {
    name.parse().unwrap()
}

fn bucket(stores: &Stores, tenant: &str) -> Bucket {
    let granted = stores.grant(tenant, &[name("cache")]).unwrap();
    granted.open("cache").unwrap()
}

async fn set(bucket: &Bucket, key: &str, value: impl AsRef<[u8]>) -> Result<(), BucketError> {
    let value = value.as_ref().to_vec();
    bucket.set(vec![(key.to_owned(), value)]).await
}

async fn get(bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
    bucket.get(key.to_owned()).await.unwrap()
}

async fn delete(bucket: &Bucket, key: &str) {
    bucket.delete(vec![key.to_owned()]).await.unwrap();
}

/// All keys, page by page.
async fn keys(bucket: &Bucket) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list(cursor).await.unwrap();
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return keys;
        }
    }
}

/// A quota for so many keys, with so many bytes of them and their values.
fn room(keys: u64, bytes: u64) -> ByteSize {
    ByteSize::bytes(keys * KEY_COST + bytes)
}

fn full(quota: ByteSize) -> Result<(), BucketError> {
    Err(BucketError::Full {
        store: "cache".into(),
        quota,
    })
}

/// Makes a test of each property for each kind of store.
macro_rules! properties {
    ($($property:ident,)*) => {
        mod embedded {
            $(#[tokio::test]
            async fn $property() {
                super::$property(super::Place::embedded()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $property() {
                super::$property(super::Place::redis()).await;
            })*
        }
    };
}

properties! {
    a_key_has_the_value_that_was_set_last,
    tenants_and_stores_have_keys_of_their_own,
    a_quota_counts_each_byte_of_keys_and_values,
    a_quota_counts_what_a_key_costs,
    a_batch_is_set_whole_or_not_at_all,
    a_lowered_quota_lets_a_tenant_shrink,
    increments_count_into_the_quota,
    a_key_that_stays_is_listed_once_while_others_change,
    increments_at_once_are_all_counted,
    what_is_no_number_is_not_incremented,
    keys_values_and_batches_are_bounded,
    values_outlive_the_host,
    a_key_is_inserted_once_and_among_so_many,
    a_value_is_swapped_by_those_who_know_it,
    the_hosts_own_records_are_no_guests,
}

async fn a_key_has_the_value_that_was_set_last(place: Place) {
    let bucket = place.bucket(Store::QUOTA).await;
    assert_eq!(bucket.get_many(vec![]).await, Ok(vec![]));
    assert_eq!(get(&bucket, "k").await, None);
    let bytes: Vec<u8> = (0..=255).collect();
    for value in [&b"1"[..], b"", &bytes, b"2"] {
        set(&bucket, "k", value).await.unwrap();
        assert_eq!(get(&bucket, "k").await.as_deref(), Some(value));
        assert_eq!(bucket.exists("k".to_owned()).await, Ok(true));
    }
    bucket.set(vec![]).await.unwrap();
    let twice = [("l", "first"), ("l", "last")];
    let twice = twice.map(|(key, value)| (key.to_owned(), value.into()));
    bucket.set(twice.to_vec()).await.unwrap();
    let asked = ["l", "none", "k", "l"].map(str::to_owned).to_vec();
    let last = Some(b"last".to_vec());
    assert_eq!(
        bucket.get_many(asked.clone()).await,
        Ok(vec![last.clone(), None, Some(b"2".to_vec()), last])
    );
    bucket.delete(asked).await.unwrap();
    delete(&bucket, "k").await;
    assert_eq!(bucket.exists("k".to_owned()).await, Ok(false));
    assert_eq!(keys(&bucket).await, Vec::<String>::new());
}

async fn tenants_and_stores_have_keys_of_their_own(place: Place) {
    let stores = place.open(Store::QUOTA).await;
    let names = [name("cache"), name("other")];
    let mut buckets = Vec::new();
    for tenant in HOSTILE {
        let granted = stores.grant(tenant, &names).unwrap();
        for store in ["cache", "other"] {
            buckets.push((format!("{store} {tenant}"), granted.open(store).unwrap()));
        }
    }
    for (own, bucket) in &buckets {
        assert_eq!(keys(bucket).await, Vec::<String>::new(), "{own:?}");
        let entries = HOSTILE.map(|key| (key.to_owned(), format!("{own} {key}").into_bytes()));
        bucket.set(entries.to_vec()).await.unwrap();
    }
    let all: BTreeSet<_> = HOSTILE.map(str::to_owned).into();
    for (own, bucket) in &buckets {
        assert_eq!(BTreeSet::from_iter(keys(bucket).await), all, "{own:?}");
        for key in HOSTILE {
            let value = get(bucket, key).await;
            assert_eq!(value, Some(format!("{own} {key}").into_bytes()));
        }
    }
    let (_, first) = &buckets[0];
    first.delete(all.iter().cloned().collect()).await.unwrap();
    for (own, bucket) in &buckets[1..] {
        assert_eq!(keys(bucket).await.len(), HOSTILE.len(), "{own:?}");
    }
}

async fn a_quota_counts_each_byte_of_keys_and_values(place: Place) {
    let quota = room(2, 100);
    let stores = place.open(quota).await;
    let bucket = self::bucket(&stores, "t");
    assert_eq!(set(&bucket, "", "").await, Ok(()));
    assert_eq!(set(&bucket, "four", [0; 97]).await, full(quota));
    assert_eq!(set(&bucket, "four", [0; 96]).await, Ok(()));
    assert_eq!(set(&bucket, "", "1").await, full(quota));
    assert_eq!(get(&bucket, "four").await, Some(vec![0; 96]));
    // An overwrite counts by the difference, whichever way.
    assert_eq!(set(&bucket, "four", [1; 96]).await, Ok(()));
    assert_eq!(set(&bucket, "four", [2; 95]).await, Ok(()));
    assert_eq!(set(&bucket, "", "12").await, full(quota));
    assert_eq!(set(&bucket, "", "1").await, Ok(()));
    // What is deleted makes room once, however often it is deleted.
    for _ in 0..3 {
        delete(&bucket, "four").await;
    }
    assert_eq!(set(&bucket, "more", [3; 96]).await, full(quota));
    assert_eq!(set(&bucket, "more", [3; 95]).await, Ok(()));
    // Another tenant has a quota of its own.
    let other = self::bucket(&stores, "u");
    assert_eq!(set(&other, "", "").await, Ok(()));
    assert_eq!(set(&other, "four", [0; 97]).await, full(quota));
    assert_eq!(set(&other, "four", [0; 96]).await, Ok(()));
    assert_eq!(
        full(ByteSize::kib(1)).unwrap_err().to_string(),
        "the store `cache` is full: quota 1KiB"
    );
}

async fn a_quota_counts_what_a_key_costs(place: Place) {
    let quota = ByteSize::kib(16);
    let bucket = place.bucket(quota).await;
    let fit = quota.get() / (KEY_COST + 3);
    for number in 0..fit {
        assert_eq!(set(&bucket, &format!("{number:03}"), "").await, Ok(()));
    }
    let increment = bucket.increment("n".to_owned(), 1).await;
    assert_eq!(increment.map(drop), full(quota));
    let insert = bucket.insert("abc".to_owned(), vec![], MAX_KEYS).await;
    assert_eq!(insert.map(drop), full(quota));
    assert_eq!(set(&bucket, "abc", "").await, full(quota));
    assert_eq!(set(&bucket, "000", "").await, Ok(()), "it is there already");
    delete(&bucket, "000").await;
    assert_eq!(set(&bucket, "abc", "").await, Ok(()));
    assert_eq!(keys(&bucket).await.len() as u64, fit);
}

async fn a_batch_is_set_whole_or_not_at_all(place: Place) {
    let quota = room(4, 10);
    let bucket = place.bucket(quota).await;
    set(&bucket, "a", "1").await.unwrap();
    let batch = |entries: &[(&str, &str)]| {
        let entries = entries.iter();
        entries
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>()
    };
    let over = batch(&[("a", "2"), ("b", "2"), ("c", "2"), ("dd", "333")]);
    assert_eq!(bucket.set(over).await, full(quota));
    assert_eq!(keys(&bucket).await, ["a"]);
    assert_eq!(get(&bucket, "a").await, Some(b"1".to_vec()));
    let fits = batch(&[("c", "2"), ("a", "2"), ("b", "2"), ("dd", "22")]);
    assert_eq!(bucket.set(fits).await, Ok(()));
    assert_eq!(set(&bucket, "e", "").await, full(quota));
}

async fn a_lowered_quota_lets_a_tenant_shrink(place: Place) {
    let bucket = place.bucket(room(2, 100)).await;
    set(&bucket, "a", [0; 49]).await.unwrap();
    set(&bucket, "b", [0; 49]).await.unwrap();
    drop(bucket);
    let quota = room(1, 50);
    let bucket = place.bucket(quota).await;
    assert_eq!(set(&bucket, "a", [0; 50]).await, full(quota));
    assert_eq!(set(&bucket, "a", [1; 49]).await, Ok(()));
    assert_eq!(set(&bucket, "a", [0; 48]).await, Ok(()));
    delete(&bucket, "b").await;
    assert_eq!(set(&bucket, "a", [0; 49]).await, Ok(()));
    assert_eq!(set(&bucket, "a", [0; 50]).await, full(quota));
}

async fn increments_count_into_the_quota(place: Place) {
    let quota = room(1, 3);
    let bucket = place.bucket(quota).await;
    let increment = async |key: &str, delta| bucket.increment(key.to_owned(), delta).await;
    assert_eq!(increment("n", 9).await, Ok(9));
    assert_eq!(increment("n", 90).await, Ok(99));
    assert_eq!(increment("n", 1).await.map(drop), full(quota));
    assert_eq!(get(&bucket, "n").await, Some(b"99".to_vec()));
    assert_eq!(increment("m", 1).await.map(drop), full(quota));
    assert_eq!(keys(&bucket).await, ["n"]);
    assert_eq!(set(&bucket, "n", "0").await, Ok(()));
    delete(&bucket, "n").await;
    assert_eq!(increment("m", 1).await, Ok(1));
}

async fn a_key_is_inserted_once_and_among_so_many(place: Place) {
    let quota = room(2, 10);
    let bucket = place.bucket(quota).await;
    let insert = async |key: &str, value: &str, most| {
        bucket.insert(key.to_owned(), value.into(), most).await
    };
    assert_eq!(insert("a", "1", 0).await, Ok(false));
    assert_eq!(insert("a", "1", 2).await, Ok(true));
    assert_eq!(insert("a", "2", 2).await, Ok(false));
    assert_eq!(get(&bucket, "a").await, Some(b"1".to_vec()));
    assert_eq!(insert("b", "12345678", 2).await.map(drop), full(quota));
    assert_eq!(insert("b", "1234567", 2).await, Ok(true));
    assert_eq!(insert("", "", 2).await, Ok(false));
    assert_eq!(insert("", "", 3).await.map(drop), full(quota));
    delete(&bucket, "a").await;
    assert_eq!(insert("", "", 2).await, Ok(true));
    assert_eq!(keys(&bucket).await, ["b", ""]);
}

async fn a_value_is_swapped_by_those_who_know_it(place: Place) {
    let quota = room(1, 4);
    let bucket = place.bucket(quota).await;
    let swap = async |old: &str, new: Option<&str>| {
        let new = new.map(|new| new.as_bytes().to_vec());
        bucket.swap("k".to_owned(), old.into(), new).await
    };
    assert_eq!(swap("", Some("1")).await, Ok(false));
    assert_eq!(swap("", None).await, Ok(false));
    set(&bucket, "k", "\0").await.unwrap();
    assert_eq!(swap("1", Some("2")).await, Ok(false));
    assert_eq!(swap("\0", Some("1234")).await.map(drop), full(quota));
    assert_eq!(get(&bucket, "k").await, Some(b"\0".to_vec()));
    assert_eq!(swap("\0", Some("")).await, Ok(true));
    assert_eq!(swap("", Some("123")).await, Ok(true));
    assert_eq!(swap("12", None).await, Ok(false));
    assert_eq!(swap("123", None).await, Ok(true));
    assert_eq!(keys(&bucket).await, Vec::<String>::new());
    // What is swapped counts, and what is removed counts no more.
    assert_eq!(set(&bucket, "l", "123").await, Ok(()));
    assert_eq!(set(&bucket, "m", "").await, full(quota));
}

async fn the_hosts_own_records_are_no_guests(place: Place) {
    let stores = place.open(room(1, 10)).await;
    let records = stores
        .records(Some(&name("cache")), "tasks", Store::QUOTA)
        .unwrap();
    let insert = async |key: &str| records.insert("t", key, vec![0; 9], 9).await;
    assert_eq!(insert("k").await, Ok(true));
    assert!(insert("l").await.is_err(), "they have a quota");
    let guests = bucket(&stores, "t");
    assert_eq!(keys(&guests).await, Vec::<String>::new());
    set(&guests, "k", [1; 9]).await.unwrap();
    assert_eq!(records.get("t", "k").await, Ok(Some(vec![0; 9])));
    assert_eq!(records.get("u", "k").await, Ok(None));
    assert!(records.now().await.unwrap().as_secs() > 1_700_000_000);
    assert_eq!(records.are_shared(), place.server.is_some());
    assert!(
        stores
            .records(Some(&name("none")), "tasks", Store::QUOTA)
            .is_err()
    );
}

#[tokio::test]
async fn records_are_kept_in_memory_where_there_is_no_store() {
    let records = Stores::default()
        .records(None, "tasks", Store::QUOTA)
        .unwrap();
    let insert = |key: &'static str| records.insert("t", key, vec![1], 9);
    assert_eq!(insert("b").await, Ok(true));
    assert_eq!(insert("a").await, Ok(true));
    assert_eq!(records.keys("t").await.unwrap(), ["b", "a"]);
    assert_eq!(records.swap("t", "a", vec![1], None).await, Ok(true));
    records.delete("t", vec!["b".to_owned()]).await.unwrap();
    assert_eq!(records.get("t", "b").await, Ok(None));
    assert!(!records.are_shared());
}

async fn a_key_that_stays_is_listed_once_while_others_change(place: Place) {
    let stores = place.open(Store::QUOTA).await;
    let bucket = self::bucket(&stores, "t");
    let key = |i: usize| format!("key {i}");
    for batch in 0..5 {
        let batch = (batch * 500..(batch + 1) * 500).map(|i| (key(i), vec![0]));
        bucket.set(batch.collect()).await.unwrap();
    }
    let first = bucket.list(None).await.unwrap();
    assert_eq!(first.keys.len(), MAX_KEYS);
    // Of those that were listed and of those that were not: some go, others are set anew.
    let gone: Vec<_> = (0..2_500).step_by(7).map(key).collect();
    bucket.delete(gone.clone()).await.unwrap();
    let anew = (1..2_500).step_by(7).map(|i| (key(i), vec![1, 2]));
    bucket.set(anew.collect()).await.unwrap();
    set(&bucket, "new", "").await.unwrap();
    let mut listed = first.keys;
    let mut cursor = first.cursor;
    while cursor.is_some() {
        let page = bucket.list(cursor).await.unwrap();
        assert!(page.keys.len() <= MAX_KEYS);
        listed.extend(page.keys);
        cursor = page.cursor;
    }
    let mut counts = BTreeMap::new();
    for key in listed {
        *counts.entry(key).or_insert(0) += 1;
    }
    assert!(counts.values().all(|count| *count == 1));
    for i in (0..2_500).filter(|i| i % 7 != 0) {
        assert!(counts.contains_key(&key(i)), "{i}");
    }
    assert_eq!(keys(&bucket).await.len(), 2_501 - gone.len());
    for beyond in [1 << 53, u64::MAX - 1, u64::MAX] {
        let page = bucket.list(Some(beyond)).await.unwrap();
        assert_eq!((page.keys.len(), page.cursor), (0, None), "{beyond}");
    }
    // A page that is just full is the last one.
    let bucket = self::bucket(&stores, "u");
    let batch = (0..MAX_KEYS).map(|i| (key(i), vec![]));
    bucket.set(batch.collect()).await.unwrap();
    assert_eq!(bucket.list(None).await.unwrap().cursor, None);
}

async fn increments_at_once_are_all_counted(place: Place) {
    let bucket = place.bucket(Store::QUOTA).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bucket = bucket.clone();
        tasks.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..25 {
                seen.push(bucket.increment("n".to_owned(), 1).await.unwrap());
            }
            seen
        });
    }
    let seen: BTreeSet<u64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen, (1..=200).collect(), "each was seen by one");
    assert_eq!(get(&bucket, "n").await, Some(b"200".to_vec()));
}

async fn what_is_no_number_is_not_incremented(place: Place) {
    let bucket = place.bucket(Store::QUOTA).await;
    let increment = async |delta| bucket.increment("n".to_owned(), delta).await;
    let most = i64::MAX as u64;
    for text in [
        "",
        "a",
        "-1",
        "-0",
        "+1",
        "01",
        " 1",
        "1.0",
        "9223372036854775808",
    ] {
        set(&bucket, "n", text).await.unwrap();
        assert_eq!(increment(1).await, Err(BucketError::NotANumber), "{text:?}");
        assert_eq!(get(&bucket, "n").await, Some(text.into()));
    }
    set(&bucket, "n", "0").await.unwrap();
    assert_eq!(increment(u64::MAX).await, Err(BucketError::Overflow));
    assert_eq!(increment(most - 1).await, Ok(most - 1));
    assert_eq!(increment(2).await, Err(BucketError::Overflow));
    assert_eq!(increment(1).await, Ok(most));
    assert_eq!(increment(0).await, Ok(most));
    assert_eq!(get(&bucket, "n").await, Some(most.to_string().into_bytes()));
}

async fn keys_values_and_batches_are_bounded(place: Place) {
    let bucket = place.bucket(Store::QUOTA).await;
    let longest = "k".repeat(1_024);
    set(&bucket, &longest, "").await.unwrap();
    let long = longest.clone() + "k";
    let refused = BucketError::KeyTooLong(1_025);
    assert_eq!(set(&bucket, &long, "").await.as_ref(), Err(&refused));
    assert_eq!(bucket.get(long.clone()).await.as_ref(), Err(&refused));
    assert_eq!(bucket.exists(long.clone()).await.as_ref(), Err(&refused));
    assert_eq!(
        bucket.increment(long.clone(), 1).await.as_ref(),
        Err(&refused)
    );
    assert_eq!(bucket.delete(vec![long]).await.as_ref(), Err(&refused));

    let largest = vec![0; MAX_VALUE.get() as usize];
    set(&bucket, "v", &largest).await.unwrap();
    assert_eq!(
        get(&bucket, "v").await.map(|v| v.len()),
        Some(largest.len())
    );
    let refused = BucketError::ValueTooLarge(largest.len() + 1);
    let large = [largest, vec![0]].concat();
    assert_eq!(set(&bucket, "v", large).await, Err(refused));
    // A few values, or one a few times, are as much for the host as a large one.
    set(&bucket, "w", "1").await.unwrap();
    for asked in [["v", "v"], ["v", "w"]] {
        let asked = asked.map(str::to_owned).to_vec();
        assert_eq!(bucket.get_many(asked).await, Err(BucketError::TooMuch));
    }

    let many: Vec<_> = (0..=MAX_KEYS).map(|i| i.to_string()).collect();
    let refused = BucketError::TooManyKeys(MAX_KEYS + 1);
    assert_eq!(bucket.get_many(many.clone()).await.as_ref(), Err(&refused));
    assert_eq!(bucket.delete(many.clone()).await.as_ref(), Err(&refused));
    let entries: Vec<_> = many.iter().map(|key| (key.clone(), vec![])).collect();
    assert_eq!(bucket.set(entries).await.as_ref(), Err(&refused));
    let values = bucket.get_many(many[1..].to_vec()).await.unwrap();
    assert_eq!(values.len(), MAX_KEYS);
}

async fn values_outlive_the_host(place: Place) {
    let quota = room(4, 10);
    for round in 1..=3 {
        let bucket = place.bucket(quota).await;
        assert_eq!(bucket.increment("n".to_owned(), 1).await, Ok(round));
        assert_eq!(keys(&bucket).await.len(), round as usize);
        set(&bucket, &round.to_string(), "v").await.unwrap();
        let large = vec![0; quota.get() as usize];
        assert_eq!(set(&bucket, "large", large).await, full(quota));
    }
}

async fn open_one(kind: StoreKind) -> Result<Stores, ManifestError> {
    let quota = Store::QUOTA;
    Stores::open(&[(name("cache"), Store { kind, quota })].into()).await
}

async fn problem(kind: StoreKind) -> String {
    open_one(kind).await.unwrap_err().to_string()
}

fn redis_at(url: impl Into<String>) -> StoreKind {
    StoreKind::Redis {
        url: TextOrSecret::Text(url.into()).into(),
    }
}

#[tokio::test]
async fn only_granted_stores_open_and_only_defined_ones_are_granted() {
    let place = Place::embedded();
    let stores = place.open(Store::QUOTA).await;
    let granted = stores.grant("t", &[name("cache")]).unwrap();
    assert!(granted.open("cache").is_some());
    assert!(granted.open("other").is_none());
    assert!(super::KeyValue::default().open("cache").is_none());
    assert_eq!(
        stores.grant("t", &[name("none")]).unwrap_err().to_string(),
        "the store `none` is not defined: add it to the manifest's `stores`"
    );
}

#[tokio::test]
async fn a_file_is_for_one_store_of_one_host() {
    let place = Place::embedded();
    let path = place.folder.path().join("file");
    let kind = StoreKind::Embedded {
        path: path.clone().into(),
    };
    let first = open_one(kind.clone()).await.unwrap();
    assert_eq!(
        problem(kind.clone()).await,
        format!(
            "stores.cache.path: {} cannot be opened: it is in use, by another host or another store; give each a file of its own",
            path.display()
        )
    );
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is its owner's alone");
    drop(first);
    open_one(kind).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_store_stays_as_it_is() {
    let place = Place::embedded();
    let path = place.folder.path().join("file");
    let text = "something else\n".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    let embedded = |path: &Path| StoreKind::Embedded {
        path: path.to_owned().into(),
    };
    let told = problem(embedded(&path)).await;
    assert!(told.contains("cannot be opened: it is no store"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let path = place.folder.path().join("no/folder");
    let told = problem(embedded(&path)).await;
    assert!(told.contains("No such file or directory"), "{told}");
}

#[tokio::test]
async fn a_bad_url_is_not_quoted_and_a_missing_secret_is_named() {
    for url in [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "hunter2",
    ] {
        let told = problem(redis_at(url)).await;
        assert!(told.contains("write redis://host:6379/0"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let secret = |secret| StoreKind::Redis {
        url: TextOrSecret::Secret { secret }.into(),
    };
    let told = problem(secret(SecretRef::Env("SANDGLASS_NOT_SET".to_owned()))).await;
    assert!(told.contains("SANDGLASS_NOT_SET"), "{told}");
    let told = problem(secret(SecretRef::File("/nowhere/url".into()))).await;
    assert!(told.contains("/nowhere/url cannot be read"), "{told}");
}

#[tokio::test]
async fn a_server_that_is_away_fails_each_use_until_it_is_back() {
    let mut place = Place::redis();
    let away = || Err(BucketError::Unreachable("cache".into()));
    let bucket = place.bucket(Store::QUOTA).await;
    set(&bucket, "k", "1").await.unwrap();
    for _ in 0..2 {
        place.server = None;
        for _ in 0..3 {
            assert_eq!(set(&bucket, "k", "2").await, away());
        }
        place.server = Some(Server::start(&redis_server(), place.folder.path()));
        set(&bucket, "k", "3").await.unwrap();
    }
    assert_eq!(
        away().unwrap_err().to_string(),
        "the store `cache` cannot be reached"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let place = Place::embedded();
    let path = place.folder.path().join("silent.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let begin = Instant::now();
    let stores = open_one(redis_at(format!("unix://{}", path.display())))
        .await
        .unwrap();
    let bucket = bucket(&stores, "t");
    let answer = bucket.get("k".to_owned()).await;
    assert_eq!(answer, Err(BucketError::Unreachable("cache".into())));
    assert!(begin.elapsed().as_secs() < 2, "the clock stands still");
    drop(listener);
}

#[tokio::test]
async fn a_wrong_password_is_no_error_of_the_start_and_is_not_told() {
    let place = Place::redis();
    let socket = place.folder.path().join("redis.sock");
    let url = format!("unix://{}?pass=hunter2", socket.display());
    let stores = open_one(redis_at(url)).await.unwrap();
    assert!(!format!("{stores:?}").contains("hunter2"));
    let answer = bucket(&stores, "t").get("k".to_owned()).await;
    assert_eq!(answer, Err(BucketError::Unreachable("cache".into())));
}
