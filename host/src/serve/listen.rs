//! From bind to a graceful end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

use super::App;
use super::guard::Guard;
use super::router::router;

/// How long calls in flight may still run after SIGTERM; below Kubernetes' 30 s until SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(25);

/// How long a terminated server still answers, with 503, though no call is in flight.
const LINGER: Duration = Duration::from_secs(2);

/// How long connections may still take to send their last answers.
const FLUSH: Duration = Duration::from_secs(1);

/// Tells a server to stop: SIGTERM, as from an orchestrator, and SIGINT, as from a terminal.
pub struct Stop {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

/// Which one came.
pub(super) enum Signal {
    Terminate,
    Interrupt,
}

impl Stop {
    /// From now on these signals come here and do not end the process.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

/// A bound port.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds the address.
    pub async fn bind(address: (&str, u16)) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener })
    }

    /// The address that is bound, with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is told to stop; then /ready turns 503, new calls are refused, and
    /// those in flight have a grace period to finish. Told a second time, it ends at once.
    pub async fn run(
        self,
        app: App,
        guard: Guard,
        access_log: bool,
        mut stop: Stop,
    ) -> std::io::Result<()> {
        let (closing, streams_end) = (CancellationToken::new(), CancellationToken::new());
        let router = router(app.clone(), guard, access_log, streams_end.clone());
        let listener = NoDelay(self.listener);
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(closing.clone().cancelled_owned())
            .into_future();
        tokio::pin!(serving);
        let signal = tokio::select! {
            ended = &mut serving => return ended,
            signal = stop.recv() => signal,
        };
        tracing::info!(
            "shutting down: calls in flight have {} s to finish",
            GRACE.as_secs()
        );
        // The port stays open meanwhile, so that probes and callers see 503 and not a
        // refused connection; an orchestrator takes a moment to send them elsewhere.
        let linger = match signal {
            Signal::Terminate => LINGER,
            Signal::Interrupt => Duration::ZERO,
        };
        let finish = async {
            let (left, ()) = tokio::join!(app.drain.drain(GRACE), tokio::time::sleep(linger));
            left
        };
        tokio::select! {
            ended = &mut serving => return ended,
            _ = stop.recv() => return Ok(()),
            left = finish => {
                if left > 0 {
                    tracing::warn!(left, "calls were still running after the grace period");
                }
            }
        }
        closing.cancel();
        if let Ok(ended) = tokio::time::timeout(FLUSH, &mut serving).await {
            return ended;
        }
        // What is left are streams without an end of their own.
        streams_end.cancel();
        _ = tokio::time::timeout(FLUSH, &mut serving).await;
        Ok(())
    }
}

/// Accepts connections and sends small answers at once.
struct NoDelay(TcpListener);

impl axum::serve::Listener for NoDelay {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        _ = stream.set_nodelay(true);
        (stream, address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
