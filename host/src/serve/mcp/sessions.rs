//! Legacy sessions: bounded in number, expiring, and ending their calls with them.
//!
//! A session that is closed to make room, or since nothing was heard of it, is made again when its client comes back:
//! its id says how ([`sealed_id`](super::sealed_id)). One that its client has ended is gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, InitializeRequestParams, ServerJsonRpcMessage};
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, SessionId, SessionManager, SessionState, SessionStore, SessionStoreError,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::sealed_id::SealedIds;
use crate::invoke::TenantId;
use crate::serve::requester::Requester;

/// Sessions at once. Each costs some tens of kilobytes, so that all of them fit beside
/// the tools into a small container. Each tenant has an equal share of its own.
const MAX_SESSIONS: usize = 2_000;

/// The least that a tenant's share is, however many tenants there are.
const MIN_SHARE: usize = 100;

/// A session that nothing was heard of for so long is closed; its client has to initialize again.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Ended sessions that are remembered, so that they stay ended.
const MAX_ENDED: usize = 10_000;

/// rmcp's sessions in memory, with a token for each that is cancelled when it ends.
pub struct Sessions {
    local: LocalSessionManager,
    /// Sessions of one tenant at once.
    share: usize,
    ids: SealedIds,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    sessions: HashMap<SessionId, Session>,
    of_tenant: HashMap<TenantId, usize>,
    ended: Ended,
}

/// The sessions that their clients have ended.
#[derive(Default)]
struct Ended {
    all: HashSet<SessionId>,
    in_order: VecDeque<SessionId>,
}

impl Ended {
    fn add(&mut self, id: &SessionId) {
        if self.all.insert(id.clone()) {
            self.in_order.push_back(id.clone());
        }
        if self.in_order.len() > MAX_ENDED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

/// What is kept of an open session beside rmcp's own state.
#[derive(Clone)]
pub struct Session {
    /// Cancelled when the session ends: by DELETE, or by expiry.
    pub end: CancellationToken,
    /// Told when the client resumes a stream that it had lost. Whoever writes an
    /// answer holds it too, which tells a busy session from an idle one.
    pub resumed: Arc<Notify>,
    owner: Requester,
    used: Instant,
}

tokio::task_local! {
    /// Who sent the request that rmcp is handling: it makes sessions and servers without telling for whom.
    pub static REQUESTER: Requester;
    /// What an `initialize` says that is being handled.
    pub static HANDSHAKE: InitializeRequestParams;
}

/// Who sent the request that is being handled.
pub fn requester() -> std::io::Result<Requester> {
    REQUESTER
        .try_with(Requester::clone)
        .map_err(std::io::Error::other)
}

impl Open {
    fn insert(&mut self, id: SessionId, session: Session) {
        *self
            .of_tenant
            .entry(session.owner.tenant.clone())
            .or_default() += 1;
        self.sessions.insert(id, session);
    }

    fn remove(&mut self, id: &str) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        if let Some(count) = self.of_tenant.get_mut(&session.owner.tenant) {
            *count -= 1;
        }
        Some(session)
    }
}

impl Sessions {
    /// None so far, for so many tenants.
    pub fn new(tenants: usize, ids: SealedIds) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        local.session_config.sse_retry = None;
        Self {
            local,
            share: (MAX_SESSIONS / tenants).max(MIN_SHARE),
            ids,
            open: Mutex::default(),
        }
    }

    /// Makes room for one more of a tenant: where it has too many, the one of its own that was not
    /// used for longest and has no call in flight is closed. False where all have one.
    pub async fn make_room(&self, tenant: &TenantId) -> bool {
        let oldest = {
            let open = self.open();
            if open
                .of_tenant
                .get(tenant)
                .is_none_or(|count| *count < self.share)
            {
                return true;
            }
            open.sessions
                .iter()
                .filter(|(_, session)| session.owner.tenant == *tenant)
                .filter(|(_, session)| Arc::strong_count(&session.resumed) == 1)
                .min_by_key(|(_, session)| session.used)
                .map(|(id, _)| id.clone())
        };
        let Some(oldest) = oldest else { return false };
        tracing::debug!("too many sessions: the one that was idle for longest is closed");
        self.close_session(&oldest).await.is_ok()
    }

    /// The open session of this id, which is used now. There is none for another caller or tenant than it was made for.
    pub fn get(&self, id: &str, requester: &Requester) -> Option<Session> {
        let mut open = self.open();
        let session = open.sessions.get_mut(id)?;
        if !session.owner.is_same(requester) {
            return None;
        }
        session.used = Instant::now();
        Some(session.clone())
    }

    /// Whether there is no open session of this id, but one can be made again for who asks.
    pub fn can_restore(&self, id: &str, requester: &Requester) -> bool {
        let is_ended = self.open().ended.all.contains(id);
        !is_ended && self.ids.open(id, requester).is_some()
    }

    /// Its client has ended it.
    pub fn end(&self, id: &str) {
        self.open().ended.add(&id.into());
    }

    /// Makes a session of this id.
    async fn make(
        &self,
        id: SessionId,
        owner: Requester,
    ) -> Result<Option<<Self as SessionManager>::Transport>> {
        let made = self.local.restore_session(id.clone()).await?;
        let RestoreOutcome::Restored(transport) = made else {
            return Ok(None);
        };
        let session = Session {
            end: CancellationToken::new(),
            resumed: Arc::default(),
            owner,
            used: Instant::now(),
        };
        self.open().insert(id, session);
        Ok(Some(transport))
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a session cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// It is not known whose it would be.
    #[error("nobody asks: {0}")]
    Nobody(#[from] std::io::Error),
    /// rmcp's.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

type Result<T> = std::result::Result<T, SessionsError>;

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport)> {
        let owner = requester()?;
        let id = HANDSHAKE
            .try_with(|params| self.ids.seal(params, &owner))
            .map_err(std::io::Error::other)?;
        let made = self.make(id.clone(), owner).await?;
        let transport = made.ok_or_else(|| std::io::Error::other("an id was made twice"))?;
        Ok((id, transport))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>> {
        let owner = requester()?;
        Ok(match self.make(id, owner).await? {
            Some(transport) => RestoreOutcome::Restored(transport),
            None => RestoreOutcome::AlreadyPresent,
        })
    }

    // Called for DELETE, and by rmcp when a session's worker has ended for another reason.
    async fn close_session(&self, id: &SessionId) -> Result<()> {
        if let Some(session) = self.open().remove(id) {
            session.end.cancel();
        }
        Ok(self.local.close_session(id).await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool> {
        Ok(self.local.has_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<()> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}

/// Sessions are stored in their ids.
#[async_trait::async_trait]
impl SessionStore for SealedIds {
    async fn load(&self, id: &str) -> std::result::Result<Option<SessionState>, SessionStoreError> {
        Ok(self.open(id, &requester()?).map(SessionState::new))
    }

    async fn store(&self, _: &str, _: &SessionState) -> std::result::Result<(), SessionStoreError> {
        Ok(())
    }

    async fn delete(&self, _: &str) -> std::result::Result<(), SessionStoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::invoke::Caller;

    fn of(tenant: &str) -> Requester {
        Requester {
            tenant: tenant.into(),
            caller: Caller::Anonymous,
        }
    }

    async fn create(sessions: &Sessions, owner: &Requester) -> SessionId {
        let params = InitializeRequestParams::new(
            rmcp::model::ClientCapabilities::default(),
            rmcp::model::Implementation::new("test", "1"),
        );
        let made = HANDSHAKE.scope(params, sessions.create_session());
        REQUESTER.scope(owner.clone(), made).await.unwrap().0
    }

    fn sessions(tenants: usize) -> Sessions {
        Sessions::new(
            tenants,
            SealedIds::new(crate::invoke::StateKey::random().codec()),
        )
    }

    #[tokio::test]
    async fn a_flood_of_sessions_closes_the_tenants_own_idle_ones_and_locks_nobody_out() {
        let sessions = sessions(2);
        let (acme, zoo) = (of("acme"), of("zoo"));
        let zoos = create(&sessions, &zoo).await;
        let busy = create(&sessions, &acme).await;
        let _call = sessions.get(&busy, &acme).unwrap();
        let idle = create(&sessions, &acme).await;
        for _ in 2..MAX_SESSIONS / 2 {
            create(&sessions, &acme).await;
        }
        assert!(sessions.make_room(&acme.tenant).await);
        assert!(
            sessions.get(&busy, &acme).is_some(),
            "it has a call in flight"
        );
        assert!(
            sessions.get(&idle, &acme).is_none(),
            "it was idle for longest"
        );
        assert!(
            sessions.get(&zoos, &zoo).is_some(),
            "it is another tenant's"
        );
        assert_eq!(
            sessions.open().of_tenant[&acme.tenant],
            MAX_SESSIONS / 2 - 1
        );
    }

    #[tokio::test]
    async fn a_session_is_its_owners_alone() {
        let sessions = sessions(2);
        let id = create(&sessions, &of("acme")).await;
        assert!(sessions.get(&id, &of("zoo")).is_none());
        let local = Requester {
            caller: Caller::Local,
            ..of("acme")
        };
        assert!(sessions.get(&id, &local).is_none());
        assert!(sessions.get(&id, &of("acme")).is_some());
    }

    #[tokio::test]
    async fn nobodys_session_is_not_made() {
        assert!(sessions(1).create_session().await.is_err());
    }
}
