//! The audit: one JSON record a call, to a file or to stdout.
//!
//! Calls put their records into a bounded queue and go on; a thread of its own writes them. So a
//! disk that stalls holds up nobody: what finds no room in the queue is counted, and the next record
//! that does is preceded by one that says how many are missing.
//!
//! - [`record`]: what is written of a call.
//! - `file`: the file that is written to, and its rotation.

mod file;
mod record;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use sandglass_manifest::{Audit as Settings, AuditTarget, ManifestError};
use sha2::Sha256;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use crate::supervise::Supervisor;
use file::RotatingFile;
pub use record::{Moment, Record};

/// Records that wait to be written: about a megabyte of them.
const QUEUE: usize = 4_096;

/// Where calls put their records.
pub struct Audit {
    queue: Sender<Message>,
    losses: Arc<Losses>,
    key: Hmac<Sha256>,
}

/// The audit can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file.
    #[error(transparent)]
    File(#[from] ManifestError),
    /// No randomness, no thread.
    #[error("audit: {0}")]
    System(#[from] io::Error),
}

enum Message {
    Record {
        /// Records before this one that found no room.
        lost: u64,
        record: Box<Record>,
    },
    /// Answered when all before it is where it belongs.
    Flush(oneshot::Sender<()>),
}

/// Records that were not written.
#[derive(Default)]
struct Losses {
    /// Since the start.
    total: AtomicU64,
    /// Those that no record speaks of yet.
    untold: AtomicU64,
}

impl Losses {
    fn add(&self, records: u64) {
        self.total.fetch_add(records, Ordering::Relaxed);
        self.untold.fetch_add(records, Ordering::Relaxed);
    }
}

impl Audit {
    /// Opens the target and starts the thread. `key`: that of the arguments' HMAC, else one is made for this run.
    pub fn start(settings: &Settings, key: Option<&[u8]>) -> Result<Self, AuditError> {
        let sink = match &settings.to {
            AuditTarget::Stdout => Sink::Stream(Box::new(io::stdout())),
            AuditTarget::File {
                path,
                max_size,
                keep,
            } => {
                let failed = |error| {
                    let shown = path.display();
                    path.error(format!("audit.path: the file {shown} cannot be written: {error}; make its folder, or name another"))
                };
                if file::is_special(path) {
                    // Opening a pipe waits for its reader: that is for the thread.
                    Sink::Special(path.to_path_buf())
                } else {
                    let file = RotatingFile::open(path.to_path_buf(), max_size.get(), keep.get());
                    Sink::File(file.map_err(failed)?)
                }
            }
        };
        let key = match key {
            Some(key) => Hmac::new_from_slice(key),
            None => Hmac::new_from_slice(&random_key()?),
        };
        let (queue, records) = mpsc::channel(QUEUE);
        let losses = Arc::new(Losses::default());
        let mut writer = Writer {
            sink,
            losses: Arc::clone(&losses),
            in_hand: 0,
            failing: false,
        };
        let mut records = records;
        let write = move || Supervisor::get().keep_thread("audit", || writer.run(&mut records));
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(write)?;
        Ok(Self {
            queue,
            losses,
            key: key.expect("HMAC takes keys of any length (RFC 2104)"),
        })
    }

    /// What stands for a call's arguments in its record: the HMAC-SHA256 of their JSON text.
    pub fn hash(&self, arguments: &str) -> [u8; 32] {
        let mut hash = self.key.clone();
        hash.update(arguments.as_bytes());
        hash.finalize().into_bytes().into()
    }

    /// Hands over a record. Never waits.
    pub fn write(&self, record: Record) {
        let Ok(place) = self.queue.try_reserve() else {
            self.losses.add(1);
            return;
        };
        place.send(Message::Record {
            lost: self.losses.untold.swap(0, Ordering::Relaxed),
            record: Box::new(record),
        });
    }

    /// Returns when everything that was handed over is written and on the disk.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            _ = flushed.await;
        }
    }

    /// Records that were lost since the start.
    pub fn lost(&self) -> u64 {
        self.losses.total.load(Ordering::Relaxed)
    }
}

fn random_key() -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// Where records go.
enum Sink {
    Stream(Box<dyn Write + Send>),
    File(RotatingFile),
    /// A pipe or device that is not opened yet.
    Special(PathBuf),
}

struct Writer {
    sink: Sink,
    losses: Arc<Losses>,
    /// Records that are being written: a panic loses them.
    in_hand: u64,
    /// The last write failed: said once, not for each record.
    failing: bool,
}

impl Writer {
    fn run(&mut self, records: &mut Receiver<Message>) {
        self.losses.add(std::mem::take(&mut self.in_hand));
        while let Some(message) = records.blocking_recv() {
            match message {
                Message::Record { lost, record } => {
                    self.in_hand = 1;
                    self.write_lost(lost);
                    self.write(&record.to_json(), 1);
                    self.in_hand = 0;
                    // What waits is written in one piece.
                    if records.is_empty() {
                        self.end(Sink::flush);
                    }
                }
                Message::Flush(done) => {
                    let lost = self.losses.untold.swap(0, Ordering::Relaxed);
                    self.write_lost(lost);
                    self.end(Sink::sync);
                    _ = done.send(());
                }
            }
        }
    }

    fn write_lost(&mut self, lost: u64) {
        if lost > 0 {
            self.write(&format!("{{\"lost\":{lost}}}"), 0);
        }
    }

    /// Writes a line that stands for so many calls.
    fn write(&mut self, line: &str, calls: u64) {
        let written = self.sink.write(line);
        if written.is_err() {
            self.losses.add(calls);
        }
        self.note(written);
    }

    fn end(&mut self, end: fn(&mut Sink) -> io::Result<()>) {
        let ended = end(&mut self.sink);
        self.note(ended);
    }

    fn note(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(%error, "audit records cannot be written, and are lost until they can");
            }
            Err(_) => {}
        }
    }
}

impl Sink {
    fn write(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Stream(stream) => stream.write_all(format!("{line}\n").as_bytes()),
            Self::Special(path) => {
                let stream = File::options().append(true).open(&*path)?;
                *self = Self::Stream(Box::new(stream));
                self.write(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
            Self::Special(_) => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync(),
            Self::Stream(_) | Self::Special(_) => self.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::invoke::Outcome;
    use serde_json::Value;

    fn to_file(path: PathBuf) -> Settings {
        Settings {
            to: AuditTarget::File {
                path: path.into(),
                max_size: "64MiB".parse().unwrap(),
                keep: "2".parse().unwrap(),
            },
            key: None,
        }
    }

    fn lines(path: &std::path::Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    #[tokio::test]
    async fn all_that_was_handed_over_is_in_the_file_after_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::start(&to_file(path.clone()), None).unwrap();
        for _ in 0..1_000 {
            audit.write(Record::sample(Outcome::Ok));
        }
        audit.flush().await;
        assert_eq!(lines(&path).len(), 1_000);
        assert_eq!(audit.lost(), 0);
    }

    #[tokio::test]
    async fn a_stalled_target_holds_nobody_up_and_what_is_lost_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let audit = Audit::start(&to_file(path.clone()), None).unwrap();
        // Nobody reads: the thread waits with one record in its hands.
        let sent = QUEUE as u64 + 100;
        for _ in 0..sent {
            audit.write(Record::sample(Outcome::Ok));
        }
        let lost = audit.lost();
        assert!((99..=100).contains(&lost), "{lost}");
        let patience = Duration::from_millis(10);
        assert!(tokio::time::timeout(patience, audit.flush()).await.is_err());

        let reader = thread::spawn(move || std::fs::read_to_string(path).unwrap());
        audit.flush().await;
        audit.write(Record::sample(Outcome::Fuel));
        audit.flush().await;
        drop(audit);
        let text = reader.join().unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<&Value> = lines
            .iter()
            .filter(|line| !line["lost"].is_null())
            .collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["lost"], lost);
        assert_eq!(lines.len() as u64 - 1 + lost, sent + 1);
    }

    #[tokio::test]
    async fn a_write_that_fails_is_counted() {
        let audit = Audit::start(&to_file("/dev/full".into()), None).unwrap();
        audit.write(Record::sample(Outcome::Ok));
        audit.flush().await;
        assert_eq!(audit.lost(), 1);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_an_error_at_the_start() {
        let error = Audit::start(&to_file("/nonexistent/audit".into()), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("/nonexistent/audit"), "{error}");
    }

    #[tokio::test]
    async fn arguments_are_hashed_with_the_key() {
        let start = |key| Audit::start(&to_file("/dev/null".into()), key).unwrap();
        // RFC 4231, test case 2.
        let hash = start(Some(b"Jefe")).hash("what do ya want for nothing?");
        assert_eq!(hash[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_ne!(start(None).hash("a"), start(None).hash("a"));
    }
}
