//! Connections: how long a client may take, and how each ends.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pace::Paced;
use super::places::{Place, Places};
use super::tls::Tls;

/// Bytes of a request's head. A body is read in pieces that are no larger either.
const MAX_HEAD: usize = 16 << 10;

/// From accepting a connection until its first request's head is whole.
const FIRST_HEAD: Duration = Duration::from_secs(10);

/// From the end of an answer until the next request's head is whole: longer than clients and gateways
/// keep idle connections as a rule (60 s), so that they seldom write to one that was just closed.
const NEXT_HEAD: Duration = Duration::from_secs(75);

/// From accepting a connection until it is encrypted.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepts connections and serves them, each request with the address of its client ([`ConnectInfo`]), until `closing` is cancelled, and those that are open then until their
/// answers in flight are sent. Each has one of the places, or waits for it.
pub async fn serve<S>(
    mut listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: S,
    places: Arc<Places>,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let open = TaskTracker::new();
    let accept = async {
        loop {
            // Errors are of one connection, or of the system for a while: it waits and tries again.
            let (stream, address) = Listener::accept(&mut listener).await;
            // Small answers are sent at once.
            _ = stream.set_nodelay(true);
            let (service, closing) = (service.clone(), closing.child_token());
            let (places, tls) = (Arc::clone(&places), tls.as_deref().map(Tls::acceptor));
            // Not on the accepting task: who waits for a place, or for a slow handshake, holds up nobody else.
            open.spawn(async move {
                let place = closing.run_until_cancelled(places.take(address)).await;
                let Some(Some(place)) = place else { return };
                let place = Arc::new(place);
                let given_up = Arc::clone(&place);
                tokio::select! {
                    () = given_up.given_up() => tracing::debug!("a connection gave way to another"),
                    () = served(stream, tls, service, place, closing) => {}
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

/// Serves one connection, once it is encrypted where there is TLS.
async fn served<S>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    service: S,
    place: Arc<Place>,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let Some(tls) = tls else {
        return connection(stream, service, place, closing).await;
    };
    // On the heap: its state is large, and a plain connection has room for it otherwise.
    let encrypted = Box::pin(async {
        match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => connection(stream, service, place, closing).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    });
    encrypted.await;
}

/// Serves one connection. Where `closing` is cancelled it ends after the answer in flight.
async fn connection<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    place: Arc<Place>,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let timer = HeadTimer {
        later: AtomicBool::new(false),
        place: Arc::clone(&place),
    };
    let stream = Paced::new(stream, Arc::clone(&place));
    let service = service_fn(move |mut request: Request<Incoming>| {
        place.serves();
        let address = ConnectInfo(place.address());
        request.extensions_mut().insert(address);
        service.call(request)
    });
    let mut serving = pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .timer(timer)
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
/// first request of a connection [`FIRST_HEAD`], and the later ones [`NEXT_HEAD`]; meanwhile its place is one that waits.
struct HeadTimer {
    later: AtomicBool,
    place: Arc<Place>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.place.waits();
        let later = self.later.swap(true, Ordering::Relaxed);
        let more = if later {
            NEXT_HEAD - FIRST_HEAD
        } else {
            Duration::ZERO
        };
        TokioTimer::new().sleep_until(deadline + more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::IpAddr;

    use axum::Router;
    use axum::routing::get;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// A client's end of a served connection.
    fn connect() -> DuplexStream {
        let (client, server) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let router = Router::new().route("/", get(|| async { "hello" }));
            let service = TowerToHyperService::new(router);
            let address = (IpAddr::from([127, 0, 0, 1]), 1).into();
            let place = Places::new(1).take(address).await.unwrap();
            connection(server, service, Arc::new(place), CancellationToken::new()).await;
        });
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

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let mut client = connect();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: a\r\nlong: {}\r\n\r\n",
            "x".repeat(MAX_HEAD)
        );
        // It is refused before it is whole.
        _ = client.write_all(head.as_bytes()).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
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
