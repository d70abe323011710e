//! Legacy sessions: bounded in number, expiring, and ending their calls with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Sessions at once. Each costs some tens of kilobytes, so that all of them fit beside
/// the tools into a small container.
const MAX_SESSIONS: usize = 2_000;

/// A session that nothing was heard of for so long is closed; its client has to initialize again.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// rmcp's sessions in memory, with a token for each that is cancelled when it ends.
pub struct Sessions {
    local: LocalSessionManager,
    open: Mutex<HashMap<SessionId, Session>>,
}

/// What is kept of an open session beside rmcp's own state.
#[derive(Clone)]
pub struct Session {
    /// Cancelled when the session ends: by DELETE, or by expiry.
    pub end: CancellationToken,
    /// Told when the client resumes a stream that it had lost. Whoever writes an
    /// answer holds it too, which tells a busy session from an idle one.
    pub resumed: Arc<Notify>,
    used: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        local.session_config.sse_retry = None;
        Self {
            local,
            open: Mutex::default(),
        }
    }
}

impl Sessions {
    /// Makes room for one more: where there are too many, the one that was not used for
    /// longest and has no call in flight is closed. False where all have one.
    pub async fn make_room(&self) -> bool {
        let oldest = {
            let open = self.open();
            if open.len() < MAX_SESSIONS {
                return true;
            }
            open.iter()
                .filter(|(_, session)| Arc::strong_count(&session.resumed) == 1)
                .min_by_key(|(_, session)| session.used)
                .map(|(id, _)| id.clone())
        };
        let Some(oldest) = oldest else { return false };
        tracing::debug!("too many sessions: the one that was idle for longest is closed");
        self.close_session(&oldest).await.is_ok()
    }

    /// The open session of this id, which is used now.
    pub fn get(&self, id: &str) -> Option<Session> {
        let mut open = self.open();
        let session = open.get_mut(id)?;
        session.used = Instant::now();
        Some(session.clone())
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Result<T> = std::result::Result<T, LocalSessionManagerError>;

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport)> {
        let (id, transport) = self.local.create_session().await?;
        let session = Session {
            end: CancellationToken::new(),
            resumed: Arc::default(),
            used: Instant::now(),
        };
        self.open().insert(id.clone(), session);
        Ok((id, transport))
    }

    // Called for DELETE, and by rmcp when a session's worker has ended for another reason.
    async fn close_session(&self, id: &SessionId) -> Result<()> {
        if let Some(session) = self.open().remove(id) {
            session.end.cancel();
        }
        self.local.close_session(id).await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool> {
        self.local.has_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.local.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<()> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.local.resume(id, last_event_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_sessions_closes_idle_ones_and_locks_nobody_out() {
        let sessions = Sessions::default();
        let (busy, _) = sessions.create_session().await.unwrap();
        let _call = sessions.get(&busy).unwrap();
        let (idle, _) = sessions.create_session().await.unwrap();
        for _ in 2..MAX_SESSIONS {
            sessions.create_session().await.unwrap();
        }
        assert!(sessions.make_room().await);
        assert!(sessions.get(&busy).is_some(), "it has a call in flight");
        assert!(sessions.get(&idle).is_none(), "it was idle for longest");
        assert_eq!(sessions.open().len(), MAX_SESSIONS - 1);
    }
}
