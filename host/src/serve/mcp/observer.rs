//! Progress and log messages of a running call, on their way to the client.

use std::sync::Arc;

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Observer, Severity};

/// Notifications that wait for the client. A client that reads too slowly misses
/// some of them; the guest never waits for it.
const CAPACITY: usize = 256;

/// Bytes of notifications that wait for the client. Log messages wait as the texts that they are: as values they could
/// take many times as much.
const ROOM: usize = 256 << 10;

/// Bytes of one: it becomes a value, which takes many times as much, when it is sent. Larger ones are in the host's log alone, cut.
const LARGEST: usize = 64 << 10;

/// Bytes that a notification takes beside its texts.
const NOTICE: usize = 256;

/// Something to tell the client while the call runs.
pub struct Notice {
    told: Told,
    /// What it takes of the room, until it is sent.
    _room: OwnedSemaphorePermit,
}

enum Told {
    /// How far the call is.
    Progress(ProgressNotificationParam),
    /// A log message.
    Log {
        level: LoggingLevel,
        logger: Option<String>,
        /// JSON text.
        data: String,
    },
}

/// The end that the running call writes to.
pub struct Teller {
    sender: mpsc::Sender<Notice>,
    room: Arc<Semaphore>,
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
        room: Arc::new(Semaphore::new(ROOM)),
        progress,
        level,
        cancelled,
    };
    (teller, receiver)
}

impl Notice {
    /// Sends it to the client. One that can't be sent is lost with the client's stream.
    pub async fn send(self, peer: &Peer<RoleServer>) {
        let sent = match self.told {
            Told::Progress(progress) => peer.notify_progress(progress).await,
            Told::Log {
                level,
                logger,
                data,
            } => {
                let data = serde_json::from_str(&data).unwrap_or_default();
                let mut message = LoggingMessageNotificationParam::new(level, data);
                message.logger = logger;
                peer.notify_logging_message(message).await
            }
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a notification did not reach the client");
        }
    }
}

impl Teller {
    /// Tells it where there is room.
    fn tell(&self, bytes: usize, told: impl FnOnce() -> Told) {
        if bytes > LARGEST {
            return;
        }
        let bytes = u32::try_from(bytes + NOTICE).unwrap_or(u32::MAX);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) {
            _ = self.sender.try_send(Notice {
                told: told(),
                _room: room,
            });
        }
    }
}

impl Observer for Teller {
    fn log(&self, severity: Severity, logger: Option<&str>, data: &str) {
        let level = level(severity);
        if self.level.is_none_or(|wanted| rank(level) < rank(wanted)) {
            return;
        }
        let bytes = data.len() + logger.map_or(0, str::len);
        self.tell(bytes, || Told::Log {
            level,
            logger: logger.map(str::to_owned),
            data: data.to_owned(),
        });
    }

    fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.progress else { return };
        self.tell(message.map_or(0, str::len), || {
            let mut notice = ProgressNotificationParam::new(token.clone(), progress);
            notice.total = total;
            notice.message = message.map(str::to_owned);
            Told::Progress(notice)
        });
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
