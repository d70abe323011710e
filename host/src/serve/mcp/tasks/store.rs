//! Where tasks are kept, and what becomes of those that nobody goes on with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::KEPT;
use super::id::TaskId;
use super::record::{Lease, Record, Stage};
use crate::invoke::TenantId;
use crate::sandbox::{BucketError, Records};

/// Tasks of one tenant that are kept at once. One more takes the place of the oldest that has ended.
const MAX_TASKS: usize = 256;

/// How long a host that shares its store may be silent about a task that it runs.
const LEASE: Duration = Duration::from_secs(10);

/// The tasks of all tenants.
pub(super) struct TaskStore {
    records: Records,
    /// This process.
    host: String,
    held: Held,
}

/// What this process runs, or is about to run: how many say so, and what ends it.
type Held = Arc<Mutex<HashMap<TaskId, (usize, CancellationToken)>>>;

/// A task, and what it must still be to be changed.
#[derive(Clone)]
pub(super) struct Kept {
    pub record: Record,
    bytes: Vec<u8>,
}

/// Why a task is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unkept {
    #[error("Too many tasks: {MAX_TASKS} are running; try again later, or cancel some")]
    TooMany,
    #[error("The call cannot become a task now: {0}")]
    Store(#[from] BucketError),
}

impl TaskStore {
    pub fn new(records: Records) -> Self {
        Self {
            records,
            host: TaskId::new().to_string(),
            held: Held::default(),
        }
    }

    /// Whether a tenant could have one more: nothing is forgotten for a call that may be none.
    pub async fn check_room(&self, tenant: &TenantId) -> Result<(), Unkept> {
        let live = self.forget_old(tenant).await?;
        if live.len() < MAX_TASKS || self.oldest_ended(tenant, &live).await?.is_some() {
            return Ok(());
        }
        Err(Unkept::TooMany)
    }

    /// Forgets the tasks whose time is over; the others in the order in which they began.
    pub async fn forget_old(&self, tenant: &TenantId) -> Result<Vec<TaskId>, BucketError> {
        let mut live = Vec::new();
        let mut over = Vec::new();
        for key in self.records.keys(tenant.as_str()).await? {
            match TaskId::parse(&key) {
                Some(id) if id.age() < KEPT => live.push(id),
                _ => over.push(key),
            }
        }
        if !over.is_empty() {
            self.records.delete(tenant.as_str(), over).await?;
        }
        Ok(live)
    }

    async fn oldest_ended(
        &self,
        tenant: &TenantId,
        live: &[TaskId],
    ) -> Result<Option<TaskId>, BucketError> {
        for id in live {
            let kept = self.load(tenant, id).await?;
            if kept.is_some_and(|kept| kept.record.stage.has_ended()) {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }

    /// Forgets the oldest that has ended; whether there was one.
    async fn evict(&self, tenant: &TenantId) -> Result<bool, BucketError> {
        let live = self.forget_old(tenant).await?;
        let Some(oldest) = self.oldest_ended(tenant, &live).await? else {
            return Ok(false);
        };
        let oldest = vec![oldest.to_string()];
        self.records.delete(tenant.as_str(), oldest).await?;
        Ok(true)
    }

    /// Keeps a new task.
    pub async fn insert(
        &self,
        tenant: &TenantId,
        id: &TaskId,
        record: Record,
    ) -> Result<Kept, Unkept> {
        let bytes = record.to_bytes();
        loop {
            let insert =
                self.records
                    .insert(tenant.as_str(), id.as_str(), bytes.clone(), MAX_TASKS);
            match insert.await {
                Ok(true) => return Ok(Kept { record, bytes }),
                Ok(false) if self.evict(tenant).await? => {}
                Ok(false) => return Err(Unkept::TooMany),
                Err(full) => self.make_way(tenant, full).await?,
            }
        }
    }

    /// Changes a task; none where it has changed meanwhile.
    pub async fn replace(
        &self,
        tenant: &TenantId,
        id: &TaskId,
        kept: &Kept,
        record: Record,
    ) -> Result<Option<Kept>, BucketError> {
        loop {
            match self.swap(tenant, id, kept, &record).await {
                Err(full) => self.make_way(tenant, full).await?,
                swapped => return swapped,
            }
        }
    }

    async fn swap(
        &self,
        tenant: &TenantId,
        id: &TaskId,
        kept: &Kept,
        record: &Record,
    ) -> Result<Option<Kept>, BucketError> {
        let bytes = record.to_bytes();
        let (old, new) = (kept.bytes.clone(), Some(bytes.clone()));
        let swap = self.records.swap(tenant.as_str(), id.as_str(), old, new);
        let record = record.clone();
        Ok(swap.await?.then_some(Kept { record, bytes }))
    }

    /// Where the error is that the store is full, one task less; the error where there is none to forget.
    async fn make_way(&self, tenant: &TenantId, error: BucketError) -> Result<(), BucketError> {
        match error {
            BucketError::Full { .. } if self.evict(tenant).await? => Ok(()),
            error => Err(error),
        }
    }

    /// A task. One that nobody goes on with has failed.
    pub async fn load(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<Kept>, BucketError> {
        loop {
            let Some(kept) = self.read(tenant, id).await? else {
                return Ok(None);
            };
            let Some(reason) = self.abandoned(id, &kept.record.stage).await? else {
                return Ok(Some(kept));
            };
            let failed = kept.record.at(Stage::failed_for(reason));
            if let Some(kept) = self.swap(tenant, id, &kept, &failed).await? {
                return Ok(Some(kept));
            }
        }
    }

    async fn read(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<Kept>, BucketError> {
        if id.age() >= KEPT {
            return Ok(None);
        }
        let bytes = self.records.get(tenant.as_str(), id.as_str()).await?;
        Ok(bytes.and_then(|bytes| {
            let record = Record::read(&bytes)?;
            Some(Kept { record, bytes })
        }))
    }

    /// Why nobody goes on with a task, if that is so.
    async fn abandoned(
        &self,
        id: &TaskId,
        stage: &Stage,
    ) -> Result<Option<&'static str>, BucketError> {
        Ok(match stage {
            Stage::Working(lease) if lease.host == self.host => {
                (!lock(&self.held).contains_key(id)).then_some("The host that ran it has failed")
            }
            // A store that is one host's alone was another's before.
            Stage::Working(lease) => {
                let ended = !self.records.are_shared() || lease.until < self.records.now().await?;
                ended.then_some("The host that ran it ended; make the call again")
            }
            Stage::Waiting(waiting) => waiting.is_over().then_some("Nobody answered in time"),
            Stage::Completed(_) | Stage::Failed(_) | Stage::Cancelled => None,
        })
    }

    /// The task as it is now, if this host still runs it.
    pub async fn own(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<Kept>, BucketError> {
        let kept = self.read(tenant, id).await?;
        Ok(kept.filter(
            |kept| matches!(&kept.record.stage, Stage::Working(lease) if lease.host == self.host),
        ))
    }

    /// What says that this host runs a task, from now on for a while.
    pub async fn working(&self) -> Result<Stage, BucketError> {
        Ok(Stage::Working(Lease {
            host: self.host.clone(),
            until: self.records.now().await? + LEASE,
        }))
    }

    /// Whether others must hear again and again that a task runs.
    pub fn is_shared(&self) -> bool {
        self.records.are_shared()
    }

    /// Tells everybody in this process that it runs a task: before the store says so, until it says so no more.
    pub fn hold(&self, id: &TaskId) -> Hold {
        let mut held = lock(&self.held);
        let (count, end) = held.entry(id.clone()).or_default();
        *count += 1;
        Hold {
            held: Arc::clone(&self.held),
            id: id.clone(),
            end: end.clone(),
        }
    }

    /// Ends what this process runs of a task.
    pub fn stop(&self, id: &TaskId) {
        if let Some((_, end)) = lock(&self.held).get(id) {
            end.cancel();
        }
    }
}

fn lock(held: &Held) -> MutexGuard<'_, HashMap<TaskId, (usize, CancellationToken)>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that this process runs a task.
pub(super) struct Hold {
    held: Held,
    id: TaskId,
    /// When it is to end.
    pub end: CancellationToken,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some((count, _)) = held.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::invoke::{CallTool, Caller, InputRequired};
    use crate::sandbox::{Askable, Stores};
    use serde_json::{Map, Value};

    fn store() -> TaskStore {
        TaskStore::new(
            Stores::default()
                .records(None, "tasks", sandglass_manifest::Store::QUOTA)
                .unwrap(),
        )
    }

    /// The id of a task that began so long ago.
    fn id(ago: Duration) -> TaskId {
        let began = super::super::record::now() - ago;
        let id = TaskId::new();
        let (_, random) = id.as_str().split_at(12);
        TaskId::parse(&format!("{:012x}{random}", began.as_millis())).unwrap()
    }

    fn ended() -> Record {
        Record::new(&Caller::Local, None, Stage::Cancelled)
    }

    async fn working(store: &TaskStore) -> Record {
        Record::new(&Caller::Local, None, store.working().await.unwrap())
    }

    fn failure(kept: Option<Kept>) -> Option<String> {
        match kept?.record.stage {
            Stage::Failed(error) => Some(error["message"].as_str()?.to_owned()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_task_is_kept_for_its_time() {
        let (store, tenant) = (store(), TenantId::default());
        let minute = Duration::from_secs(60);
        let (old, young) = (id(KEPT), id(KEPT - minute));
        for id in [&old, &young] {
            store.insert(&tenant, id, ended()).await.unwrap();
        }
        assert!(store.load(&tenant, &old).await.unwrap().is_none());
        assert!(store.load(&tenant, &young).await.unwrap().is_some());
        let live = store.forget_old(&tenant).await.unwrap();
        assert_eq!(live, std::slice::from_ref(&young));
        let keys = store.records.keys(tenant.as_str()).await.unwrap();
        assert_eq!(keys, [young.as_str()]);
    }

    #[tokio::test]
    async fn a_task_that_nobody_runs_has_failed() {
        let (store, tenant) = (store(), TenantId::default());
        let id = TaskId::new();
        let (hold, second) = (store.hold(&id), store.hold(&id));
        let record = working(&store).await;
        store.insert(&tenant, &id, record).await.unwrap();
        drop(second);
        assert_eq!(failure(store.load(&tenant, &id).await.unwrap()), None);
        store.stop(&id);
        assert!(hold.end.is_cancelled());
        drop(hold);
        let failed = failure(store.load(&tenant, &id).await.unwrap());
        assert_eq!(failed.as_deref(), Some("The host that ran it has failed"));
        // The next process with this store has run nothing of it.
        let id = TaskId::new();
        let _hold = store.hold(&id);
        let record = working(&store).await;
        store.insert(&tenant, &id, record).await.unwrap();
        let next = TaskStore::new(store.records.clone());
        let failed = failure(next.load(&tenant, &id).await.unwrap());
        assert!(failed.is_some_and(|reason| reason.contains("ended")));
        assert!(store.own(&tenant, &id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_task_waits_so_long_for_answers() {
        let (store, tenant) = (store(), TenantId::default());
        let call = CallTool {
            name: "pay".to_owned(),
            arguments: Map::new(),
            meta: None,
        };
        let required = InputRequired {
            questions: Vec::new(),
            state: String::new(),
            returned: false,
        };
        let asking = ended().asking(call, Askable::default(), required).unwrap();
        let mut over: Value = serde_json::from_slice(&asking.to_bytes()).unwrap();
        over["stage"]["waiting"]["until"]["secs"] = 0.into();
        let over = Record::read(&serde_json::to_vec(&over).unwrap()).unwrap();
        for (record, expected) in [(asking, None), (over, Some("Nobody answered in time"))] {
            let id = TaskId::new();
            store.insert(&tenant, &id, record).await.unwrap();
            let failed = failure(store.load(&tenant, &id).await.unwrap());
            assert_eq!(failed.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn what_has_changed_meanwhile_is_not_changed() {
        let (store, tenant, id) = (store(), TenantId::default(), TaskId::new());
        let _hold = store.hold(&id);
        let record = working(&store).await;
        let first = store.insert(&tenant, &id, record).await.unwrap();
        let cancelled = first.record.at(Stage::Cancelled);
        let late = first.record.at(Stage::failed_for("late"));
        let swapped = store.replace(&tenant, &id, &first, cancelled).await;
        assert!(swapped.unwrap().is_some());
        let swapped = store.replace(&tenant, &id, &first, late).await;
        assert!(swapped.unwrap().is_none());
    }

    #[tokio::test]
    async fn where_the_store_is_full_the_oldest_that_has_ended_goes() {
        let (store, tenant) = (store(), TenantId::default());
        let megabytes = |count: usize| {
            let text = "x".repeat(count << 20);
            Record::new(&Caller::Local, None, Stage::failed_for(text))
        };
        let mut ids = vec![TaskId::new()];
        let _hold = store.hold(&ids[0]);
        let record = working(&store).await;
        store.insert(&tenant, &ids[0], record).await.unwrap();
        // The quota is 64 MiB.
        for _ in 0..5 {
            let id = TaskId::new();
            store.insert(&tenant, &id, megabytes(15)).await.unwrap();
            ids.push(id);
        }
        ids.remove(1);
        assert_eq!(store.forget_old(&tenant).await.unwrap(), ids);
        let larger = store.insert(&tenant, &TaskId::new(), megabytes(17)).await;
        assert!(matches!(
            larger.err(),
            Some(Unkept::Store(BucketError::ValueTooLarge(_)))
        ));
    }
}
