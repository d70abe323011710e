//! The legacy sessions of a host: bounded in number, and expiring.
//!
//! A session that is closed to make room, or since nothing was heard of it, is made again when its client comes back:
//! its id says how ([`sealed_id`](super::sealed_id)). One that its client has ended is gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::InitializeRequestParams;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio_util::sync::CancellationToken;

use super::changes::Newsroom;
use super::sealed_id::SealedIds;
use super::session::{Places, Session};
use crate::capacity;
use crate::invoke::TenantId;
use crate::serve::requester::Requester;

/// The least that a tenant's share is, however many tenants there are.
const MIN_SHARE: usize = 100;

/// Where a tenant has too many sessions, this part of its share is closed at once: to look for them takes a while.
const CLOSED_AT_ONCE: usize = 64;

/// Streams at once that may be resumed, of calls that go on, and as many of answers that were sent. Each tenant has an
/// equal share.
const MAX_PLACES: usize = 256;

/// The least that a tenant's share of these is.
const MIN_PLACES: usize = 16;

/// A session that nothing was heard of for so long is closed.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Ended sessions of a tenant that are remembered, so that they stay ended.
const MAX_ENDED: usize = 10_000;

/// The sessions of all tenants.
pub struct Sessions {
    newsroom: Newsroom,
    /// Sessions of one tenant at once.
    share: usize,
    /// Streams of one tenant that may be resumed.
    places: usize,
    ids: SealedIds,
    /// Ends all of them.
    end: CancellationToken,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    sessions: HashMap<SessionId, Entry>,
    of_tenant: HashMap<TenantId, Share>,
}

struct Entry {
    session: Arc<Session>,
    used: Instant,
}

/// What a tenant has.
struct Share {
    sessions: usize,
    places: Arc<Places>,
    ended: Ended,
}

/// The sessions that their clients have ended.
#[derive(Default)]
struct Ended {
    all: HashSet<SessionId>,
    in_order: VecDeque<SessionId>,
}

impl Ended {
    fn add(&mut self, id: &str) {
        let id = SessionId::from(id);
        if self.all.insert(Arc::clone(&id)) {
            self.in_order.push_back(id);
        }
        if self.in_order.len() > MAX_ENDED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

impl Open {
    fn share(&mut self, tenant: &TenantId, places: usize) -> &mut Share {
        self.of_tenant
            .entry(tenant.clone())
            .or_insert_with(|| Share {
                sessions: 0,
                places: Arc::new(Places::new(places)),
                ended: Ended::default(),
            })
    }

    fn has_ended(&self, id: &str, tenant: &TenantId) -> bool {
        let share = self.of_tenant.get(tenant);
        share.is_some_and(|share| share.ended.all.contains(id))
    }

    fn remove(&mut self, id: &str) {
        let Some(Entry { session, .. }) = self.sessions.remove(id) else {
            return;
        };
        session.end.cancel();
        if let Some(share) = self.of_tenant.get_mut(&session.owner.tenant) {
            share.sessions -= 1;
        }
    }

    /// Closes those of a tenant that were not used for longest, at most so many, and none with a call in flight.
    /// Those with an open stream come last.
    fn close_oldest(&mut self, tenant: &TenantId, most: usize) {
        let own = self
            .sessions
            .iter()
            .filter(|(_, entry)| entry.session.owner.tenant == *tenant && !entry.session.is_busy());
        let mut idle: Vec<_> = own
            .map(|(id, entry)| (entry.session.is_in_use(), entry.used, Arc::clone(id)))
            .collect();
        idle.sort_unstable();
        for (_, _, id) in idle.into_iter().take(most) {
            self.remove(&id);
        }
    }
}

impl Sessions {
    /// None so far, for so many tenants. They end with `end`.
    pub fn new(newsroom: Newsroom, ids: SealedIds, tenants: usize, end: CancellationToken) -> Self {
        Self {
            // Each tenant has an equal share of its own.
            share: (capacity::sessions() / tenants).max(MIN_SHARE),
            places: (MAX_PLACES / tenants).max(MIN_PLACES),
            newsroom,
            ids,
            end,
            open: Mutex::default(),
        }
    }

    /// A session for who said this in its handshake, and its id; none where the tenant has too many that are busy.
    pub fn create(
        &self,
        client: InitializeRequestParams,
        owner: &Requester,
    ) -> Option<(SessionId, Arc<Session>)> {
        let id = self.ids.seal(&client, owner);
        let session = self.insert(Arc::clone(&id), client, owner)?;
        Some((id, session))
    }

    /// The session of this id, which is used now; made again where this host has it no more or has never had it. There
    /// is none for another caller or tenant than it was made for.
    pub fn get(&self, id: &str, asks: &Requester) -> Option<Arc<Session>> {
        {
            let mut open = self.open();
            if let Some(entry) = open.sessions.get_mut(id) {
                if !entry.session.owner.is_same(asks) {
                    return None;
                }
                entry.used = Instant::now();
                return Some(Arc::clone(&entry.session));
            }
            if open.has_ended(id, &asks.tenant) {
                return None;
            }
        }
        let client = self.ids.open(id, asks)?;
        self.insert(id.into(), client, asks)
    }

    /// Its client ends it. False where there is none for who asks.
    pub fn end(&self, id: &str, asks: &Requester) -> bool {
        let mut open = self.open();
        let is_its = match open.sessions.get(id) {
            Some(entry) => entry.session.owner.is_same(asks),
            None => !open.has_ended(id, &asks.tenant) && self.ids.open(id, asks).is_some(),
        };
        if is_its {
            open.remove(id);
            open.share(&asks.tenant, self.places).ended.add(id);
        }
        is_its
    }

    fn insert(
        &self,
        id: SessionId,
        client: InitializeRequestParams,
        owner: &Requester,
    ) -> Option<Arc<Session>> {
        let mut open = self.open();
        let open = &mut *open;
        // Another request may have made it meanwhile.
        if let Some(entry) = open.sessions.get(&id) {
            return Some(Arc::clone(&entry.session));
        }
        let count = |open: &Open| {
            let share = open.of_tenant.get(&owner.tenant);
            share.map_or(0, |share| share.sessions)
        };
        if count(open) >= self.share {
            tracing::debug!("too many sessions: those that were idle for longest are closed");
            let part = (self.share / CLOSED_AT_ONCE).max(1);
            open.close_oldest(&owner.tenant, part);
            if count(open) >= self.share {
                return None;
            }
        }
        let share = open.share(&owner.tenant, self.places);
        share.sessions += 1;
        let session = Arc::new(Session::new(
            owner.clone(),
            client,
            self.newsroom.news(&owner.tenant),
            self.end.child_token(),
            Arc::clone(&share.places),
        ));
        let entry = Entry {
            session: Arc::clone(&session),
            used: Instant::now(),
        };
        open.sessions.insert(id, entry);
        Some(session)
    }

    /// Closes those that nothing was heard of for too long, from time to time.
    pub async fn expire(self: Arc<Self>) -> Infallible {
        let mut clock = tokio::time::interval(IDLE / 60);
        loop {
            clock.tick().await;
            let mut open = self.open();
            let idle = open
                .sessions
                .iter()
                .filter(|(_, entry)| entry.used.elapsed() > IDLE && !entry.session.is_in_use());
            let idle: Vec<_> = idle.map(|(id, _)| Arc::clone(id)).collect();
            for id in idle {
                open.remove(&id);
            }
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rmcp::model::{ClientCapabilities, Implementation};

    use crate::invoke::{Caller, StateKey};

    fn of(tenant: &str) -> Requester {
        Requester {
            tenant: tenant.into(),
            caller: Caller::Anonymous,
        }
    }

    fn create(sessions: &Sessions, owner: &Requester) -> (SessionId, Arc<Session>) {
        let client = InitializeRequestParams::new(
            ClientCapabilities::default(),
            Implementation::new("test", "1"),
        );
        sessions.create(client, owner).unwrap()
    }

    fn sessions(tenants: usize) -> Sessions {
        let ids = SealedIds::new(StateKey::random().codec());
        Sessions::new(Newsroom::default(), ids, tenants, CancellationToken::new())
    }

    #[tokio::test]
    async fn a_flood_of_sessions_closes_the_tenants_own_idle_ones_and_locks_nobody_out() {
        let tenants = capacity::sessions() / MIN_SHARE;
        let sessions = sessions(tenants);
        let (acme, zoo) = (of("acme"), of("zoo"));
        let (_, zoos) = create(&sessions, &zoo);
        let (_, listening) = create(&sessions, &acme);
        let _stream = Arc::clone(&listening).listen(None);
        let (_, idle) = create(&sessions, &acme);
        for _ in 2..=MIN_SHARE {
            create(&sessions, &acme);
        }
        assert!(idle.end.is_cancelled(), "it was idle for longest");
        assert!(!listening.end.is_cancelled(), "it has an open stream");
        assert!(!zoos.end.is_cancelled(), "it is another tenant's");
        assert_eq!(sessions.open().of_tenant[&acme.tenant].sessions, MIN_SHARE);
    }

    #[tokio::test]
    async fn a_session_is_its_owners_alone() {
        let sessions = sessions(2);
        let (id, _) = create(&sessions, &of("acme"));
        let local = Requester {
            caller: Caller::Local,
            ..of("acme")
        };
        for other in [&of("zoo"), &local] {
            assert!(sessions.get(&id, other).is_none());
            assert!(!sessions.end(&id, other));
        }
        assert!(sessions.get(&id, &of("acme")).is_some());
    }

    #[tokio::test]
    async fn a_forgotten_session_comes_back_and_an_ended_one_does_not() {
        let (sessions, acme) = (sessions(1), of("acme"));
        let (id, session) = create(&sessions, &acme);
        sessions.open().remove(&id);
        assert!(session.end.is_cancelled());
        let again = sessions.get(&id, &acme).unwrap();
        assert_eq!(again.client, session.client);
        assert!(sessions.end(&id, &acme));
        assert!(again.end.is_cancelled());
        assert!(sessions.get(&id, &acme).is_none());
        assert!(!sessions.end(&id, &acme), "it ends once");
    }

    #[tokio::test]
    async fn a_flood_of_ended_sessions_brings_back_no_other_tenants() {
        let (sessions, acme, zoo) = (sessions(2), of("acme"), of("zoo"));
        let (ended, _) = create(&sessions, &zoo);
        assert!(sessions.end(&ended, &zoo));
        for _ in 0..=MAX_ENDED {
            let (id, _) = create(&sessions, &acme);
            sessions.end(&id, &acme);
        }
        assert!(sessions.get(&ended, &zoo).is_none());
    }
}
