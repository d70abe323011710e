//! Connections: how many there may be, how long a client may take, and how each ends.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::response::Response;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Tls;
use crate::open_files;

/// Connections at once, where the process may open that many files.
const MAX_CONNECTIONS: usize = 20_000;

/// From accepting a connection until its first request's head is whole.
const FIRST_HEAD: Duration = Duration::from_secs(10);

/// From the end of an answer until the next request's head is whole: longer than clients and gateways
/// keep idle connections as a rule (60 s), so that they seldom write to one that was just closed.
const NEXT_HEAD: Duration = Duration::from_secs(75);

/// From accepting a connection until it is encrypted.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// As many connections as there may be, on all ports together.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(most_connections())))
    }
}

/// Accepts connections and serves them until `closing` is cancelled, and those that are open then until their
/// answers in flight are sent. Beyond the most connections that there may be, clients wait in the system's queue.
pub async fn serve<S>(
    mut listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: S,
    places: Places,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let open = TaskTracker::new();
    let accept = async {
        loop {
            // Errors are of one connection, or of the system for a while: it waits and tries again.
            let (stream, _) = Listener::accept(&mut listener).await;
            // One waits here, the others in the system's queue. (A port without clients holds no place.)
            let place = Arc::clone(&places.0)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            // Small answers are sent at once.
            _ = stream.set_nodelay(true);
            let (service, closing) = (service.clone(), closing.child_token());
            let tls = tls.as_deref().map(Tls::acceptor);
            open.spawn(async move {
                let _place = place;
                match tls {
                    None => connection(stream, service, closing).await,
                    // Not on the accepting task: a slow handshake holds up nobody else.
                    // On the heap: its state is large, and a plain connection has room for it otherwise.
                    Some(tls) => Box::pin(encrypted(tls, stream, service, closing)).await,
                }
            });
        }
    };
    let accepted: Option<Infallible> = closing.run_until_cancelled(accept).await;
    debug_assert!(accepted.is_none(), "accepting has no end of its own");
    drop(listener);
    open.close();
    open.wait().await;
}

/// Serves one connection, once it is encrypted.
async fn encrypted<S>(tls: TlsAcceptor, stream: TcpStream, service: S, closing: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(stream, service, closing).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Serves one connection. Where `closing` is cancelled it ends after the answer in flight.
async fn connection<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let mut serving = pin!(
        http1::Builder::new()
            .timer(HeadTimer::default())
            .header_read_timeout(FIRST_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// hyper's one timeout runs from the moment that a request may come until its head is whole. This clock gives the
/// first request of a connection [`FIRST_HEAD`], and the later ones [`NEXT_HEAD`].
#[derive(Default)]
struct HeadTimer {
    later: AtomicBool,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let later = self.later.swap(true, Ordering::Relaxed);
        let more = if later {
            NEXT_HEAD - FIRST_HEAD
        } else {
            Duration::ZERO
        };
        TokioTimer::new().sleep_until(deadline + more)
    }
}

fn most_connections() -> usize {
    open_files::for_connections().map_or(MAX_CONNECTIONS, |share| share.min(MAX_CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    use axum::Router;
    use axum::routing::get;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// A client's end of a served connection.
    fn connect() -> DuplexStream {
        let (client, server) = tokio::io::duplex(4096);
        let router = Router::new().route("/", get(|| async { "hello" }));
        let service = TowerToHyperService::new(router);
        tokio::spawn(connection(server, service, CancellationToken::new()));
        client
    }

    async fn ask(client: &mut DuplexStream) {
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 4096];
        let length = client.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    }

    /// How long the server waits before it closes.
    async fn until_closed(client: &mut DuplexStream) -> u64 {
        let begin = tokio::time::Instant::now();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        begin.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_half_a_head_is_cut() {
        let mut client = connect();
        client.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
        assert_eq!(until_closed(&mut client).await, FIRST_HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_longer() {
        let mut client = connect();
        ask(&mut client).await;
        tokio::time::sleep(NEXT_HEAD - Duration::from_secs(1)).await;
        ask(&mut client).await;
        assert_eq!(until_closed(&mut client).await, NEXT_HEAD.as_secs());
    }
}
