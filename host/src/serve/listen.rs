//! From bind to a graceful end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

use super::cors::Cors;
use super::guard::Guard;
use super::router::{Options, Surface};
use super::tls::Tls;
use super::{App, connection};

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
    tls: Option<Tls>,
}

impl Server {
    /// Binds the address; with `tls`, connections are encrypted.
    pub async fn bind(address: (&str, u16), tls: Option<Tls>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, tls })
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
        cors: Option<Cors>,
        options: Options,
        mut stop: Stop,
    ) {
        let (closing, streams_end) = (CancellationToken::new(), CancellationToken::new());
        let surface = Surface::new(app.clone(), guard, cors, options, streams_end.clone());
        let serving = connection::serve(self.listener, self.tls, surface, closing.clone());
        tokio::pin!(serving);
        let signal = tokio::select! {
            () = &mut serving => return,
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
            () = &mut serving => return,
            _ = stop.recv() => return,
            left = finish => {
                if left > 0 {
                    tracing::warn!(left, "calls were still running after the grace period");
                }
            }
        }
        closing.cancel();
        if tokio::time::timeout(FLUSH, &mut serving).await.is_ok() {
            return;
        }
        // What is left are streams without an end of their own.
        streams_end.cancel();
        _ = tokio::time::timeout(FLUSH, &mut serving).await;
    }
}
