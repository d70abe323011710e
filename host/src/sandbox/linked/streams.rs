//! `wasi:io`, metered: bytes that go through streams, and pollables that are waited for.

use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, IoError, StreamError, StreamResult,
};
use wasmtime_wasi_io::bindings::wasi::io::{error, poll, streams};

use crate::sandbox::meter::Bill;

/// Pollables that are waited for at once: more than a guest can hold.
const MAX_POLLED: usize = 4_096;

/// Bytes that `check-write` allows at most.
const MAX_WRITE: u64 = 1 << 20;

/// Fuel for each pollable.
const POLLED: u64 = 300;

/// A guest's streams and pollables.
pub(in crate::sandbox) struct Streams<'a> {
    pub table: &'a mut ResourceTable,
    pub bill: &'a Bill,
}

pub(super) struct HasStreams;

impl HasData for HasStreams {
    type Data<'a> = Streams<'a>;
}

impl Streams<'_> {
    /// Charges for what was read.
    fn read_bytes(&self, read: &StreamResult<Vec<u8>>) {
        if let Ok(bytes) = read {
            self.bill.bytes(bytes.len());
        }
    }

    /// Charges for what went through the host and not to the guest.
    fn passed(&self, passed: &StreamResult<u64>) {
        if let Ok(bytes) = passed {
            self.bill.charge(*bytes);
        }
    }
}

impl error::Host for Streams<'_> {}

impl error::HostError for Streams<'_> {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> Result<String> {
        let text = error::HostError::to_debug_string(self.table, error)?;
        self.bill.bytes(text.len());
        Ok(text)
    }

    fn drop(&mut self, error: Resource<IoError>) -> Result<()> {
        error::HostError::drop(self.table, error)
    }
}

impl poll::Host for Streams<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        self.bill.charge(POLLED * pollables.len() as u64);
        if pollables.len() > MAX_POLLED {
            wasmtime::bail!(
                "poll with {} pollables: at most {MAX_POLLED} are waited for at once",
                pollables.len()
            );
        }
        poll::Host::poll(self.table, pollables).await
    }
}

impl poll::HostPollable for Streams<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        poll::HostPollable::ready(self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::block(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}

impl streams::Host for Streams<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.table, error)
    }
}

impl streams::HostInputStream for Streams<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        let read = streams::HostInputStream::read(self.table, stream, len);
        self.read_bytes(&read);
        read
    }

    async fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<Vec<u8>> {
        let read = streams::HostInputStream::blocking_read(self.table, stream, len).await;
        self.read_bytes(&read);
        read
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        let skipped = streams::HostInputStream::skip(self.table, stream, len);
        self.passed(&skipped);
        skipped
    }

    async fn blocking_skip(
        &mut self,
        stream: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let skipped = streams::HostInputStream::blocking_skip(self.table, stream, len).await;
        self.passed(&skipped);
        skipped
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> Result<Resource<DynPollable>> {
        streams::HostInputStream::subscribe(self.table, stream)
    }

    async fn drop(&mut self, stream: Resource<DynInputStream>) -> Result<()> {
        streams::HostInputStream::drop(self.table, stream).await
    }
}

impl streams::HostOutputStream for Streams<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        streams::HostOutputStream::check_write(self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.bill.bytes(bytes.len());
        // What the guest was not allowed is its fault, and none of this stream's to keep.
        let allowed =
            streams::HostOutputStream::check_write(self.table, Resource::new_borrow(stream.rep()))?;
        if bytes.len() as u64 > allowed {
            return Err(StreamError::trap(&format!(
                "a write of {} bytes, where `check-write` allows {allowed}",
                bytes.len()
            )));
        }
        streams::HostOutputStream::write(self.table, stream, bytes)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.bill.bytes(bytes.len());
        streams::HostOutputStream::blocking_write_and_flush(self.table, stream, bytes).await
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        streams::HostOutputStream::flush(self.table, stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        streams::HostOutputStream::blocking_flush(self.table, stream).await
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> Result<Resource<DynPollable>> {
        streams::HostOutputStream::subscribe(self.table, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        // More than `check-write` allows is a trap.
        self.bill.charge(len.min(MAX_WRITE));
        streams::HostOutputStream::write_zeroes(self.table, stream, len)
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        self.bill.charge(len.min(MAX_WRITE));
        streams::HostOutputStream::blocking_write_zeroes_and_flush(self.table, stream, len).await
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let spliced = streams::HostOutputStream::splice(self.table, to, from, len);
        self.passed(&spliced);
        spliced
    }

    async fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        let spliced = streams::HostOutputStream::blocking_splice(self.table, to, from, len).await;
        self.passed(&spliced);
        spliced
    }

    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> Result<()> {
        streams::HostOutputStream::drop(self.table, stream).await
    }
}
