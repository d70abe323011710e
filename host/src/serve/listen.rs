//! From bind to a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;

use super::App;
use super::connection;
use super::cors::Cors;
use super::guard::Guard;
use super::places::Places;
use super::router::{Options, Surface};
use super::tls::Tls;
use crate::capacity;
use crate::invoke::TenantId;
use crate::supervise::Supervisor;

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

/// A bound port, and those that are tenants' own.
pub struct Server {
    listener: TcpListener,
    of_tenants: Vec<(TenantId, TcpListener)>,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Binds the address; with `tls`, connections are encrypted.
    pub async fn bind(address: (&str, u16), tls: Option<Tls>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            listener,
            of_tenants: Vec::new(),
            tls: tls.map(Arc::new),
        })
    }

    /// Binds a port that is this tenant's own; where it is bound.
    pub async fn bind_tenant(
        &mut self,
        address: (&str, u16),
        tenant: TenantId,
    ) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        self.of_tenants.push((tenant, listener));
        Ok(bound)
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
        let places = Places::new(capacity::connections());
        let serve = |listener, surface| {
            let (tls, places) = (self.tls.clone(), Arc::clone(&places));
            connection::serve(listener, tls, surface, places, closing.clone())
        };
        let of_tenants = self.of_tenants.into_iter().map(|(tenant, listener)| {
            let task = format!("port of the tenant {tenant}");
            let serving = serve(listener, surface.of_tenant(tenant)).map(Ok);
            Supervisor::get().need(task, serving)
        });
        let of_tenants = join_all(of_tenants.collect::<Vec<_>>());
        let serving = async {
            tokio::join!(serve(self.listener, surface.clone()), of_tenants);
        };
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
