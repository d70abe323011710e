//! From a host's name to the addresses that a guest may be connected to.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use wasmtime_wasi::runtime::spawn_blocking;

/// Lookups of one source at once. One that was begun cannot be given up, so without a bound a source whose names
/// are answered slowly would take all threads that the host blocks on.
const LOOKUPS_AT_ONCE: usize = 8;

/// Looks names up.
pub(super) trait Resolve: Send + Sync {
    /// All addresses of a name.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)),
        }
    }
}

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let host = host.to_owned();
            spawn_blocking(move || {
                // Until the lookup ends, also if nobody waits for it any more.
                let _permit = permit;
                let addresses = (host.as_str(), 0).to_socket_addrs()?;
                Ok(addresses.map(|address| address.ip()).collect())
            })
            .await
        })
    }
}
