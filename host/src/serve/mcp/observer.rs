//! Progress and log messages of a running call, on their way to the client.

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Observer, Severity};

/// Notifications that wait for the client. A client that reads too slowly misses
/// some of them; the guest never waits for it.
const CAPACITY: usize = 256;

/// Something to tell the client while the call runs.
pub enum Notice {
    /// How far the call is.
    Progress(ProgressNotificationParam),
    /// A log message.
    Log(LoggingMessageNotificationParam),
}

/// The end that the running call writes to.
pub struct Teller {
    sender: mpsc::Sender<Notice>,
    progress: Option<ProgressToken>,
    level: Option<LoggingLevel>,
    cancelled: CancellationToken,
}

/// A teller for a caller that wants progress under this token, and log messages
/// from this level on; and the notices that come out of it.
pub fn channel(
    progress: Option<ProgressToken>,
    level: Option<LoggingLevel>,
    cancelled: CancellationToken,
) -> (Teller, mpsc::Receiver<Notice>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let teller = Teller {
        sender,
        progress,
        level,
        cancelled,
    };
    (teller, receiver)
}

impl Notice {
    /// Sends it to the client. One that can't be sent is lost with the client's stream.
    pub async fn send(self, peer: &Peer<RoleServer>) {
        let sent = match self {
            Self::Progress(progress) => peer.notify_progress(progress).await,
            Self::Log(message) => peer.notify_logging_message(message).await,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a notification did not reach the client");
        }
    }
}

impl Observer for Teller {
    fn log(&self, severity: Severity, logger: Option<&str>, data: &str) {
        let level = level(severity);
        if self.level.is_none_or(|wanted| rank(level) < rank(wanted)) {
            return;
        }
        let data = serde_json::from_str(data).unwrap_or_default();
        let mut message = LoggingMessageNotificationParam::new(level, data);
        message.logger = logger.map(str::to_owned);
        _ = self.sender.try_send(Notice::Log(message));
    }

    fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.progress else { return };
        let mut notice = ProgressNotificationParam::new(token.clone(), progress);
        notice.total = total;
        notice.message = message.map(str::to_owned);
        _ = self.sender.try_send(Notice::Progress(notice));
    }

    fn cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

fn level(severity: Severity) -> LoggingLevel {
    match severity {
        Severity::Debug => LoggingLevel::Debug,
        Severity::Info => LoggingLevel::Info,
        Severity::Notice => LoggingLevel::Notice,
        Severity::Warning => LoggingLevel::Warning,
        Severity::Error => LoggingLevel::Error,
        Severity::Critical => LoggingLevel::Critical,
        Severity::Alert => LoggingLevel::Alert,
        Severity::Emergency => LoggingLevel::Emergency,
    }
}

/// RFC 5424's order, least severe first.
fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
