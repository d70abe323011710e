//! The audit: one JSON record a call, to a file or to stdout.
//!
//! Calls put their records into a bounded queue and go on; a thread of its own writes them. So a
//! disk that stalls holds up nobody: what finds no room in the queue is counted, and the next record
//! that does is preceded by one that says how many are missing.
//!
//! - [`record`]: what is written of a call. [`refused`]: requests that were refused before they were calls.
//! - `file`: the file that is written to, and its rotation.

mod file;
mod record;
mod refused;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use sandglass_manifest::{Audit as Settings, AuditTarget, ManifestError};
use sha2::Sha256;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use crate::supervise::Supervisor;
use file::RotatingFile;
pub use record::{Moment, Record};
use refused::Tally;
pub use refused::{INTERVAL, Reason, Refusals, Refused};

/// Records that wait to be written: about a megabyte of them.
const QUEUE: usize = 4_096;

/// Where calls put their records.
pub struct Audit {
    queue: Sender<Message>,
    health: Arc<Health>,
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
    Entry {
        /// Records before this one that found no room.
        lost: u64,
        entry: Entry,
    },
    /// Answered when all before it is where it belongs.
    Flush(oneshot::Sender<()>),
}

/// What a record is of.
enum Entry {
    Call(Box<Record>),
    Refused(Box<Tally>),
}

impl Entry {
    fn to_json(&self) -> String {
        match self {
            Self::Call(record) => record.to_json(),
            Self::Refused(tally) => tally.to_json(),
        }
    }
}

/// What was not written, and why not.
#[derive(Default)]
struct Health {
    /// Records that were lost since the start.
    lost: AtomicU64,
    /// Those that no record speaks of yet.
    untold: AtomicU64,
    /// Why records cannot be written now, or not where they belong.
    problem: Mutex<Option<String>>,
}

impl Health {
    fn lose(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
        self.untold.fetch_add(records, Ordering::Relaxed);
    }

    /// Returns whether it has changed between well and not.
    fn set(&self, problem: Option<String>) -> bool {
        let mut known = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = known.is_some() != problem.is_some();
        *known = problem;
        changed
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
        let health = Arc::new(Health::default());
        let mut writer = Writer {
            sink,
            health: Arc::clone(&health),
            in_hand: 0,
        };
        let mut records = records;
        let write = move || Supervisor::get().keep_thread("audit", || writer.run(&mut records));
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(write)?;
        Ok(Self {
            queue,
            health,
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
        self.hand_over(|| Entry::Call(Box::new(record)));
    }

    /// The same of refused requests.
    fn write_refused(&self, tally: Tally) {
        self.hand_over(|| Entry::Refused(Box::new(tally)));
    }

    fn hand_over(&self, entry: impl FnOnce() -> Entry) {
        let Ok(place) = self.queue.try_reserve() else {
            self.health.lose(1);
            return;
        };
        place.send(Message::Entry {
            lost: self.health.untold.swap(0, Ordering::Relaxed),
            entry: entry(),
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
        self.health.lost.load(Ordering::Relaxed)
    }

    /// Why records cannot be written now, or not where they belong; none where all is well.
    pub fn problem(&self) -> Option<String> {
        let problem = self.health.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
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
    health: Arc<Health>,
    /// Records that are being written: a panic loses them.
    in_hand: u64,
}

impl Writer {
    fn run(&mut self, records: &mut Receiver<Message>) {
        self.health.lose(std::mem::take(&mut self.in_hand));
        while let Some(message) = records.blocking_recv() {
            match message {
                Message::Entry { lost, entry } => {
                    self.in_hand = 1;
                    let written = self.write_lost(lost);
                    let written = self.write(&entry.to_json(), 1) && written;
                    self.in_hand = 0;
                    // What waits is written in one piece.
                    if written && records.is_empty() {
                        self.end(Sink::flush);
                    }
                }
                Message::Flush(done) => {
                    let lost = self.health.untold.swap(0, Ordering::Relaxed);
                    self.write_lost(lost);
                    self.end(Sink::sync);
                    _ = done.send(());
                }
            }
        }
    }

    /// Says how many records are missing; where that cannot be written, it is said again.
    fn write_lost(&mut self, lost: u64) -> bool {
        let written = lost == 0 || self.write(&format!("{{\"lost\":{lost}}}"), 0);
        if !written {
            self.health.untold.fetch_add(lost, Ordering::Relaxed);
        }
        written
    }

    /// Writes a line that stands for so many calls; whether it could.
    fn write(&mut self, line: &str, calls: u64) -> bool {
        let written = self.sink.write(line);
        let is_written = written.is_ok();
        if let Err(error) = written {
            self.health.lose(calls);
            self.failed(&error);
        }
        is_written
    }

    /// What was written before is well only now.
    fn end(&mut self, end: fn(&mut Sink) -> io::Result<()>) {
        match end(&mut self.sink) {
            Err(error) => self.failed(&error),
            Ok(()) => {
                if self.health.set(None) {
                    let lost = self.health.lost.load(Ordering::Relaxed);
                    tracing::info!(lost, "audit records are written again");
                }
            }
        }
    }

    /// Said once, not for each record.
    fn failed(&self, error: &io::Error) {
        if self.health.set(Some(error.to_string())) {
            tracing::error!(
                %error,
                "audit records cannot be written as they should: what finds no room until they can is lost, and counted"
            );
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
