//! A store in a file of this host's own.
//!
//! One thread a store writes: it takes the changes that wait, makes them in one transaction, and answers
//! when that is on the disk. So a change costs the disk's write barrier (from a tenth of a millisecond to
//! some ten), and changes that come at once share one. Reads run beside it, on tokio's blocking threads.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, Table,
    TableDefinition, WriteTransaction,
};
use sandglass_manifest::ByteSize;
use tokio::sync::{mpsc, oneshot};

use crate::supervise::Supervisor;

use super::bucket::{Change, Failure, KEY_COST, MAX_KEYS, MAX_VALUE, Outcome, Page, page};

/// (tenant, key) to (place in the order of listing, value). redb keeps the length of each part and
/// compares them one after the other, so no key reaches into another tenant's.
const VALUES: TableDefinition<(&str, &str), (u64, &[u8])> = TableDefinition::new("values");

/// (tenant, place) to key.
const ORDER: TableDefinition<(&str, u64), &str> = TableDefinition::new("order");

/// Tenant to (what it uses of its quota, the last place given).
const TENANTS: TableDefinition<&str, (u64, u64)> = TableDefinition::new("tenants");

/// Bytes of the file that redb keeps in memory; its own default is a gigabyte.
const CACHE: usize = 16 << 20;

/// Changes that one transaction makes, and that wait for it.
const GROUP: usize = 64;

/// An open file.
pub(super) struct Embedded {
    database: Arc<Database>,
    /// Only taken when the store is dropped.
    writer: Option<(mpsc::Sender<Job>, JoinHandle<()>)>,
}

/// A change that waits to be made.
struct Job {
    tenant: Arc<str>,
    quota: ByteSize,
    change: Change,
    reply: oneshot::Sender<Result<Outcome, Failure>>,
}

impl Embedded {
    /// Opens the file, or makes it: for its owner alone. An error says what to do.
    pub(super) async fn open(name: &str, path: &Path) -> Result<Self, String> {
        let path = path.to_owned();
        let database = tokio::task::spawn_blocking(move || open(&path))
            .await
            .map_err(|_| "it is damaged; restore it, or remove it".to_owned())??;
        Self::start(name, database)
    }

    /// A store in memory, which ends with the host.
    pub(super) fn in_memory(name: &str) -> Result<Self, String> {
        let database = Database::builder()
            // What it would keep is in memory already.
            .set_cache_size(0)
            .create_with_backend(InMemoryBackend::new())
            .map_err(|error| error.to_string())?;
        make_tables(&database).map_err(|error| error.to_string())?;
        Self::start(name, database)
    }

    fn start(name: &str, database: Database) -> Result<Self, String> {
        let database = Arc::new(database);
        let (jobs, mut waiting) = mpsc::channel(GROUP);
        let task = format!("store {name}");
        let thread = std::thread::Builder::new()
            .name(task.clone())
            .spawn({
                let database = Arc::clone(&database);
                move || Supervisor::get().keep_thread(task, || write(&database, &mut waiting))
            })
            .map_err(|error| format!("no thread to write it: {error}"))?;
        Ok(Self {
            database,
            writer: Some((jobs, thread)),
        })
    }

    /// The values of the keys, or `None` if they are too much together.
    pub(super) async fn get(
        &self,
        tenant: &Arc<str>,
        keys: Vec<String>,
    ) -> Result<Option<Vec<Option<Vec<u8>>>>, Failure> {
        let tenant = Arc::clone(tenant);
        self.read(move |transaction| {
            let table = transaction.open_table(VALUES)?;
            let mut room = MAX_VALUE.get();
            let mut values = Vec::with_capacity(keys.len());
            for key in &keys {
                let value = match table.get((&*tenant, key.as_str()))? {
                    None => None,
                    Some(found) => {
                        let (_, value) = found.value();
                        let Some(left) = room.checked_sub(value.len() as u64) else {
                            return Ok(None);
                        };
                        room = left;
                        Some(value.to_vec())
                    }
                };
                values.push(value);
            }
            Ok(Some(values))
        })
        .await
    }

    pub(super) async fn exists(&self, tenant: &Arc<str>, key: String) -> Result<bool, Failure> {
        let tenant = Arc::clone(tenant);
        self.read(move |transaction| {
            let table = transaction.open_table(VALUES)?;
            Ok(table.get((&*tenant, key.as_str()))?.is_some())
        })
        .await
    }

    pub(super) async fn list(&self, tenant: &Arc<str>, after: u64) -> Result<Page, Failure> {
        let tenant = Arc::clone(tenant);
        self.read(move |transaction| {
            let table = transaction.open_table(ORDER)?;
            let first = (&*tenant, after.saturating_add(1));
            let last = (&*tenant, u64::MAX);
            let mut entries = Vec::new();
            for entry in table.range(first..=last)?.take(MAX_KEYS + 1) {
                let (place, key) = entry?;
                entries.push((key.value().to_owned(), place.value().1));
            }
            Ok(page(entries))
        })
        .await
    }

    /// Makes the change; once this returns, it is on the disk.
    pub(super) async fn change(
        &self,
        tenant: &Arc<str>,
        quota: ByteSize,
        change: Change,
    ) -> Result<Outcome, Failure> {
        let stopped =
            || Failure::Broken("a fault of the host broke the change off; try again".to_owned());
        let (reply, answer) = oneshot::channel();
        let job = Job {
            tenant: Arc::clone(tenant),
            quota,
            change,
            reply,
        };
        let (jobs, _) = self.writer.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let database = Arc::clone(&self.database);
        tokio::task::spawn_blocking(move || read(&database.begin_read()?))
            .await
            .map_err(|error| Failure::Broken(error.to_string()))?
            .map_err(|error| broken(&error))
    }
}

impl Drop for Embedded {
    /// Waits for the changes under way, so that the file is closed in order and opens quickly again.
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.writer.take() {
            drop(jobs);
            // A panic of that thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn open(path: &Path) -> Result<Database, String> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| format!("{error}; name a file in a folder that the host can write to"))?;
    let database = Database::builder()
        .set_cache_size(CACHE)
        .create_file(file)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                "it is in use, by another host or another store; give each a file of its own"
                    .to_owned()
            }
            error => {
                format!("it is no store, or damaged ({error}); name another file, or restore it")
            }
        })?;
    make_tables(&database)
        .map_err(|error| format!("it cannot be written: {error}; name another file"))?;
    Ok(database)
}

/// A read finds no table that no write has made.
fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    transaction.open_table(ORDER)?;
    transaction.open_table(TENANTS)?;
    Ok(transaction.commit()?)
}

/// Makes changes until nobody can ask for more.
fn write(database: &Database, waiting: &mut mpsc::Receiver<Job>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = waiting.try_recv()
        {
            group.push(job);
        }
        // Nobody waits for an answer whose call was cancelled.
        match commit(database, &group) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    let _ = job.reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                for job in group {
                    let _ = job.reply.send(Err(broken(&error)));
                }
            }
        }
    }
}

/// Makes the changes, one after the other, in one transaction.
fn commit(database: &Database, group: &[Job]) -> Result<Vec<Outcome>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let mut space = Space::open(&transaction, &job.tenant)?;
        let outcome = space.make(&job.change, job.quota)?;
        space.close()?;
        outcomes.push(outcome);
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn broken(error: &redb::Error) -> Failure {
    Failure::Broken(match error {
        redb::Error::PreviousIo => "an earlier write failed: restart the host".to_owned(),
        error => error.to_string(),
    })
}

/// One tenant's part of the tables, while a change is made.
struct Space<'t> {
    tenant: &'t str,
    values: Table<'t, (&'static str, &'static str), (u64, &'static [u8])>,
    order: Table<'t, (&'static str, u64), &'static str>,
    tenants: Table<'t, &'static str, (u64, u64)>,
    /// Bytes of keys and values, and what the keys cost.
    used: u64,
    /// The last place that was given.
    last: u64,
}

impl<'t> Space<'t> {
    fn open(transaction: &'t WriteTransaction, tenant: &'t str) -> Result<Self, redb::Error> {
        let tenants = transaction.open_table(TENANTS)?;
        let (used, last) = tenants.get(tenant)?.map_or((0, 0), |entry| entry.value());
        Ok(Self {
            tenant,
            values: transaction.open_table(VALUES)?,
            order: transaction.open_table(ORDER)?,
            tenants,
            used,
            last,
        })
    }

    fn close(mut self) -> Result<(), redb::Error> {
        self.tenants.insert(self.tenant, (self.used, self.last))?;
        Ok(())
    }

    fn make(&mut self, change: &Change, quota: ByteSize) -> Result<Outcome, redb::Error> {
        match change {
            Change::Set(entries) => {
                let entries = entries.iter().map(|(key, value)| (&**key, &**value));
                self.set(entries, quota)
            }
            Change::Delete(keys) => {
                for key in keys {
                    self.delete(key)?;
                }
                Ok(Outcome::Done)
            }
            Change::Increment { key, delta } => {
                let value = self.values.get((self.tenant, key.as_str()))?;
                let Some(number) = value.map_or(Some(0), |entry| number(entry.value().1)) else {
                    return Ok(Outcome::NotANumber);
                };
                let Some(sum) = number.checked_add(*delta) else {
                    return Ok(Outcome::Overflow);
                };
                let text = sum.to_string();
                Ok(match self.set([(&**key, text.as_bytes())], quota)? {
                    Outcome::Done => Outcome::Counted(sum),
                    refused => refused,
                })
            }
            Change::Insert { key, value, most } => {
                let first = (self.tenant, 0);
                let last = (self.tenant, u64::MAX);
                if self.order.range(first..=last)?.take(*most).count() == *most {
                    return Ok(Outcome::Crowded);
                }
                if self.values.get((self.tenant, key.as_str()))?.is_some() {
                    return Ok(Outcome::Differs);
                }
                self.set([(&**key, &**value)], quota)
            }
            Change::Swap { key, old, new } => {
                let value = self.values.get((self.tenant, key.as_str()))?;
                if value.is_none_or(|entry| entry.value().1 != old) {
                    return Ok(Outcome::Differs);
                }
                match new {
                    Some(new) => self.set([(&**key, &**new)], quota),
                    None => self.delete(key).map(|()| Outcome::Done),
                }
            }
        }
    }

    /// What brings a tenant over its quota is refused; what makes it smaller never is, even if it is
    /// over because the quota was lowered.
    fn set<'e>(
        &mut self,
        entries: impl IntoIterator<Item = (&'e str, &'e [u8])> + Clone,
        quota: ByteSize,
    ) -> Result<Outcome, redb::Error> {
        let (mut added, mut freed) = (0, 0);
        for (key, value) in entries.clone() {
            added += size(key, value);
            if let Some(old) = self.values.get((self.tenant, key))? {
                freed += size(key, old.value().1);
            }
        }
        let used = (self.used + added).saturating_sub(freed);
        if used > quota.get() && used > self.used {
            return Ok(Outcome::Full);
        }
        self.used = used;
        for (key, value) in entries {
            let known = self.values.get((self.tenant, key))?;
            let known = known.map(|entry| entry.value().0);
            let place = match known {
                Some(place) => place,
                None => {
                    self.last += 1;
                    self.order.insert((self.tenant, self.last), key)?;
                    self.last
                }
            };
            self.values.insert((self.tenant, key), (place, value))?;
        }
        Ok(Outcome::Done)
    }

    fn delete(&mut self, key: &str) -> Result<(), redb::Error> {
        let removed = self.values.remove((self.tenant, key))?;
        let removed = removed.map(|entry| {
            let (place, value) = entry.value();
            (place, size(key, value))
        });
        if let Some((place, size)) = removed {
            self.order.remove((self.tenant, place))?;
            self.used = self.used.saturating_sub(size);
        }
        Ok(())
    }
}

/// What a key and its value take of a quota.
fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + KEY_COST
}

/// The number that these bytes are in decimal, without a sign or leading zeros.
fn number(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number >= 0 && number.to_string().as_bytes() == text).then_some(number)
}
