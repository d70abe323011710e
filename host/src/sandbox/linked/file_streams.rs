//! Streams of files: what waits for the file system has its tenant's share of the threads that do.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io as system;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn, spawn_blocking};

use super::HAND_OVER;
use crate::sandbox::file_share::{FileShare, Opened};
use crate::sandbox::meter::Bill;

/// Bytes of a read or a write.
const MAX_CHUNK: usize = 64 << 10;

/// Bytes that are read where the guest only waits for some.
const READ_AHEAD: usize = 4 << 10;

/// An open file, and who waits for it.
#[derive(Clone)]
pub(super) struct Waited {
    pub file: Arc<File>,
    /// It counts as open as long as somebody reads or writes it.
    pub opened: Option<Arc<Opened>>,
    pub share: FileShare,
    pub bill: Bill,
}

impl Waited {
    /// Runs the work on a thread of the tenant's share, when there is one. Paid for at once.
    fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> AbortOnDropJoinHandle<io::Result<T>> {
        self.bill.charge(HAND_OVER);
        let Self { file, opened, .. } = self.clone();
        let turn = self.share.turn();
        spawn(async move {
            let turn = turn.await.map_err(io::Error::other)?;
            spawn_blocking(move || {
                // As long as the thread is in use, whoever waits for it.
                let _held = (turn, opened);
                work(&file)
            })
            .await
        })
    }
}

/// Reads a file from a position on.
pub(super) struct Reading {
    file: Waited,
    position: u64,
    state: Read,
}

enum Read {
    Idle,
    Begun(AbortOnDropJoinHandle<io::Result<Bytes>>),
    Done(Bytes),
    Failed(io::Error),
    Ended,
}

impl Reading {
    pub(super) fn new(file: Waited, position: u64) -> Self {
        Self {
            file,
            position,
            state: Read::Idle,
        }
    }

    fn begin(&mut self, size: usize) {
        let position = self.position;
        self.state = Read::Begun(self.file.begin(move |file| {
            let mut bytes = BytesMut::zeroed(size.min(MAX_CHUNK));
            let read = loop {
                match file.read_at(&mut bytes, position) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            bytes.truncate(read);
            Ok(bytes.freeze())
        }));
    }

    async fn end(&mut self) {
        if let Read::Begun(reading) = &mut self.state {
            self.state = match reading.await {
                Ok(bytes) if bytes.is_empty() => Read::Ended,
                Ok(bytes) => Read::Done(bytes),
                Err(error) => Read::Failed(error),
            };
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.state {
            Read::Idle if size > 0 => self.begin(size),
            Read::Idle | Read::Begun(_) => {}
            Read::Done(bytes) => {
                let part = bytes.split_to(size.min(bytes.len()));
                self.position += part.len() as u64;
                if bytes.is_empty() {
                    self.state = Read::Idle;
                }
                return Ok(part);
            }
            Read::Failed(_) => {
                if let Read::Failed(error) = mem::replace(&mut self.state, Read::Ended) {
                    return Err(StreamError::LastOperationFailed(error.into()));
                }
            }
            Read::Ended => return Err(StreamError::Closed),
        }
        Ok(Bytes::new())
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if matches!(self.state, Read::Idle) && size > 0 {
            self.begin(size);
        }
        self.end().await;
        self.read(size)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {
        if matches!(self.state, Read::Idle) {
            self.begin(READ_AHEAD);
        }
        self.end().await;
    }
}

/// Where a stream writes.
#[derive(Clone, Copy)]
pub(super) enum Place {
    At(u64),
    End,
}

/// Writes a file.
pub(super) struct Writing {
    file: Waited,
    place: Place,
    state: Write,
}

enum Write {
    Idle,
    Begun(AbortOnDropJoinHandle<io::Result<u64>>),
    Failed(io::Error),
    Ended,
}

impl Writing {
    pub(super) fn new(file: Waited, place: Place) -> Self {
        Self {
            file,
            place,
            state: Write::Idle,
        }
    }

    fn begin(&mut self, bytes: Bytes) {
        let place = self.place;
        self.state = Write::Begun(self.file.begin(move |file| {
            match place {
                Place::At(position) => file.write_all_at(&bytes, position)?,
                Place::End => append(file, &bytes)?,
            }
            Ok(bytes.len() as u64)
        }));
    }

    async fn end(&mut self) {
        if let Write::Begun(writing) = &mut self.state {
            self.state = match writing.await {
                Ok(written) => {
                    if let Place::At(position) = &mut self.place {
                        *position += written;
                    }
                    Write::Idle
                }
                Err(error) => Write::Failed(error),
            };
        }
    }

    /// The failure of what was written before, told once.
    fn check(&mut self) -> StreamResult<()> {
        match self.state {
            Write::Idle | Write::Begun(_) => Ok(()),
            Write::Ended => Err(StreamError::Closed),
            Write::Failed(_) => match mem::replace(&mut self.state, Write::Ended) {
                Write::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
        }
    }
}

/// Writes at a file's end, wherever that is by then.
fn append(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let part = [IoSlice::new(bytes)];
        match system::pwritev2(file, &part, 0, system::ReadWriteFlags::APPEND) {
            Ok(written) => bytes = &bytes[written..],
            Err(system::Errno::INTR) => {}
            // Not every system has the flag. Then another writer may come between.
            Err(system::Errno::NOSYS | system::Errno::NOTSUP) => {
                return file.write_all_at(bytes, file.metadata()?.len());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        if matches!(self.state, Write::Begun(_)) {
            return Err(StreamError::trap(
                "a write while another has not ended: `check-write` was 0",
            ));
        }
        self.begin(bytes);
        Ok(())
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.end().await;
        self.check()?;
        self.begin(bytes);
        self.end().await;
        self.check()
    }

    /// Nothing is held back: what is written has begun.
    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        Ok(match self.state {
            Write::Begun(_) => 0,
            _ => MAX_CHUNK,
        })
    }

    /// What has begun is written, though nobody waits for it.
    async fn cancel(&mut self) {
        self.end().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {
        self.end().await;
    }
}
