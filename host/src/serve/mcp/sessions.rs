//! Legacy sessions: bounded in number, expiring, and ending their calls with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Sessions at once. Each costs a few kilobytes and two tasks.
const MAX_SESSIONS: usize = 10_000;

/// A session that nothing was heard of for so long is closed; its client has to initialize again.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// rmcp's sessions in memory, with a token for each that is cancelled when it ends.
pub struct Sessions {
    local: LocalSessionManager,
    open: Mutex<HashMap<SessionId, Session>>,
}

/// What is kept of an open session beside rmcp's own state.
#[derive(Clone, Default)]
pub struct Session {
    /// Cancelled when the session ends: by DELETE, or by expiry.
    pub end: CancellationToken,
    /// Told when the client resumes a stream that it had lost.
    pub resumed: Arc<Notify>,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        Self {
            local,
            open: Mutex::default(),
        }
    }
}

impl Sessions {
    /// Whether one more would be too many.
    pub fn is_full(&self) -> bool {
        self.open().len() >= MAX_SESSIONS
    }

    /// The open session of this id.
    pub fn get(&self, id: &str) -> Option<Session> {
        self.open().get(id).cloned()
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
        self.open().insert(id.clone(), Session::default());
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
