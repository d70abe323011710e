//! A server that says what it is told to, once for each connection, and hears what a client says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::TlsAcceptor;

/// Serves until it is dropped.
pub struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    heads: Mutex<mpsc::UnboundedReceiver<String>>,
    ends: Mutex<mpsc::UnboundedReceiver<()>>,
    _task: wasmtime_wasi::runtime::AbortOnDropJoinHandle<()>,
}

/// What a connection is told.
#[derive(Clone)]
struct Script {
    /// After the request's head. With nothing to say, the request stays without an answer.
    answer: String,
    /// After that, again and again.
    endless: Option<String>,
    /// Whether it hangs up then.
    closes: bool,
}

impl Server {
    /// Answers each request, and waits for the client to hang up.
    pub async fn answering(answer: &str) -> Self {
        Self::start(answer, None, false, None).await
    }

    /// Answers and hangs up.
    pub async fn closing(answer: &str) -> Self {
        Self::start(answer, None, true, None).await
    }

    /// Answers and does not come to an end.
    pub async fn endless(answer: &str, more: String) -> Self {
        Self::start(answer, Some(more), false, None).await
    }

    /// Answers over TLS under this name; the certificate to trust.
    pub async fn tls(name: &str, answer: &str) -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = Self::start(answer, None, false, Some(acceptor)).await;
        (server, cert.pem())
    }

    async fn start(
        answer: &str,
        endless: Option<String>,
        closes: bool,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (head, heads) = mpsc::unbounded_channel();
        let (end, ends) = mpsc::unbounded_channel();
        let script = Script {
            answer: answer.to_owned(),
            endless,
            closes,
        };
        let counter = Arc::clone(&connections);
        let task = wasmtime_wasi::runtime::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let (script, head, end) = (script.clone(), head.clone(), end.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, head).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, head).await;
                            }
                        }
                    }
                    _ = end.send(());
                });
            }
        });
        Self {
            port,
            connections,
            heads: Mutex::new(heads),
            ends: Mutex::new(ends),
            _task: task,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The head of the next request.
    pub async fn seen(&self) -> String {
        self.heads.lock().await.recv().await.unwrap()
    }

    /// Until a client hung up.
    pub async fn closed(&self) {
        self.ends.lock().await.recv().await.unwrap();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: Script,
    heads: mpsc::UnboundedSender<String>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    _ = heads.send(String::from_utf8_lossy(&head).into_owned());
    if stream.write_all(script.answer.as_bytes()).await.is_err() || script.closes {
        return;
    }
    if let Some(more) = script.endless {
        while stream.write_all(more.as_bytes()).await.is_ok() {}
        return;
    }
    _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
