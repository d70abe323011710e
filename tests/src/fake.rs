//! A server that answers what a test wants: for registries that lie, break off or are busy.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `GET /v2/ HTTP/1.1`.
    pub line: String,
    /// The whole head, in lower case.
    pub head: String,
    /// The body, if it came with the head.
    pub body: String,
}

/// A fake server on loopback. Dropping it closes its port.
#[derive(Debug)]
pub struct Fake {
    authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Fake {
    /// Answers each request with raw bytes, and closes the connection.
    pub async fn start(answer: impl Fn(&Asked, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let authority = listener.local_addr().expect("it is bound").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, own) = (Arc::clone(&asked), authority.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let bytes = answer(&request, &own);
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request);
                _ = stream.write_all(&bytes).await;
                _ = stream.shutdown().await;
            }
        });
        Self {
            authority,
            asked,
            task,
        }
    }

    /// Its `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request in plain HTTP; a TLS handshake is hung up on.
async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = vec![0; 16 << 10];
    let mut length = 0;
    loop {
        let read = stream.read(&mut bytes[length..]).await.ok()?;
        length += read;
        if read == 0 || bytes[0] == 0x16 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            return Some(Asked {
                line: head.lines().next().unwrap_or_default().to_owned(),
                head: head.to_lowercase(),
                body: body.to_owned(),
            });
        }
    }
}

/// A raw answer: status line, headers, and the body with its length.
pub fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    )
    .into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
