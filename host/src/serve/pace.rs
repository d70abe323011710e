//! How slowly a client may send a body or take an answer: it has [`GRACE`], and the time that what has gone over takes at
//! [`RATE`], but never more than [`GRACE`] from now. So a slow line is served, and what stands still ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::places::Place;

/// How long nothing may go over.
const GRACE: Duration = Duration::from_secs(30);

/// Bytes a second that go over at least, once the grace is used up.
const RATE: f64 = 16.0 * 1024.0;

/// The time that a transfer has.
pub struct Pace {
    until: Instant,
}

impl Pace {
    /// Of a transfer that begins now.
    pub fn begin() -> Self {
        Self {
            until: Instant::now() + GRACE,
        }
    }

    /// So many bytes more have gone over.
    pub fn went(&mut self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "of a size, to a time")]
        let earned = Duration::from_secs_f64(bytes as f64 / RATE);
        self.until = (self.until + earned).min(Instant::now() + GRACE);
    }

    /// When it is over, unless more goes over before.
    pub fn until(&self) -> Instant {
        self.until
    }
}

/// A connection whose client takes answers at its pace; else writing to it fails. While its client takes nothing, its place is one
/// that waits.
pub struct Paced<S> {
    stream: S,
    place: Arc<Place>,
    /// Where the client has not taken all that was written.
    stalled: Option<Stalled>,
}

struct Stalled {
    pace: Pace,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    /// Nothing is written to it yet.
    pub fn new(stream: S, place: Arc<Place>) -> Self {
        Self {
            stream,
            place,
            stalled: None,
        }
    }

    /// What became of writing.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Pending = wrote else {
            if let (Poll::Ready(Ok(bytes)), Some(stalled)) = (&wrote, &mut self.stalled) {
                stalled.pace.went(*bytes);
            }
            return wrote;
        };
        let place = &self.place;
        let stalled = self.stalled.get_or_insert_with(|| {
            place.waits();
            let pace = Pace::begin();
            let alarm = Box::pin(tokio::time::sleep_until(pace.until()));
            Stalled { pace, alarm }
        });
        if stalled.alarm.deadline() != stalled.pace.until() {
            stalled.alarm.as_mut().reset(stalled.pace.until());
        }
        ready!(stalled.alarm.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Flushed is what was written whole.
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.stalled.take().is_some() {
            self.place.serves();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::serve::places::Places;

    /// Writes so much to a client that reads one byte each so many seconds; how long that lasted, and whether it was whole.
    async fn write(bytes: usize, each: Duration, read: usize) -> (u64, bool) {
        let (mut client, server) = tokio::io::duplex(1024);
        let address = ([127, 0, 0, 1], 1).into();
        let place = Places::new(1).take(address).await.unwrap();
        let mut server = Paced::new(server, Arc::new(place));
        let begin = Instant::now();
        let reading = tokio::spawn(async move {
            let mut piece = vec![0; read];
            loop {
                tokio::time::sleep(each).await;
                if client.read_exact(&mut piece).await.is_err() {
                    return;
                }
            }
        });
        let wrote = server.write_all(&vec![0; bytes]).await;
        let lasted = begin.elapsed().as_secs();
        reading.abort();
        (lasted, wrote.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_has_the_grace() {
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(write(2048, day, 1).await, (GRACE.as_secs(), false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_ends_and_a_slow_one_gets_all() {
        let second = Duration::from_secs(1);
        let (lasted, whole) = write(1 << 20, second, 1).await;
        assert!(!whole && lasted <= GRACE.as_secs() + 2, "{lasted}");
        // Twice as fast as it must be.
        let (lasted, whole) = write(1 << 20, second / 64, 512).await;
        assert!(whole && lasted > GRACE.as_secs(), "{lasted}");
    }
}
