//! The client that makes load: HTTP/1.1 over kept connections, with requests that
//! were built before, and every answer looked at.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rounds::Sample;
use crate::server::Server;

/// Connections at once.
const CONNECTIONS: usize = 16;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 32;

/// Makes load for a while: each connection takes one turn after the other. A turn may be several requests.
pub fn load<T>(server: &Server, window: Duration, turn: T) -> Result<Sample>
where
    T: AsyncFn(&mut Connection) -> Result<()>,
{
    load_over(CONNECTIONS, server, window, turn)
}

/// The same over so many connections.
pub fn load_over<T>(
    connections: usize,
    server: &Server,
    window: Duration,
    turn: T,
) -> Result<Sample>
where
    T: AsyncFn(&mut Connection) -> Result<()>,
{
    // One thread is enough to keep a server busy, and leaves the other cores to it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let cpu = server.cpu()?;
    let started = Instant::now();
    let mut latencies: Vec<Duration> = runtime.block_on(async {
        let connections: FuturesUnordered<_> = (0..connections)
            .map(|_| one_connection(server.address, started + window, &turn))
            .collect();
        connections.try_concat().await
    })?;
    latencies.sort_unstable();
    Ok(Sample {
        calls: latencies.len() as u64,
        wall: started.elapsed(),
        cpu: server.cpu()? - cpu,
        latencies,
    })
}

async fn one_connection<T>(address: SocketAddr, end: Instant, turn: &T) -> Result<Vec<Duration>>
where
    T: AsyncFn(&mut Connection) -> Result<()>,
{
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    let mut now = Instant::now();
    while now < end {
        turn(&mut connection).await?;
        let after = Instant::now();
        latencies.push(after - now);
        now = after;
    }
    Ok(latencies)
}

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer that came in whole.
pub struct Answer<'a> {
    bytes: &'a [u8],
    head: Head,
}

/// What an answer's head says.
struct Head {
    length: usize,
    status: u16,
    body: BodyLength,
    /// Where the session's id stands.
    session: Option<std::ops::Range<usize>>,
}

enum BodyLength {
    Known(usize),
    Chunked,
}

impl Connection {
    /// Opens it.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(16 << 10),
        })
    }

    /// Sends a request and reads the head of an answer that has no end.
    pub async fn open_stream(&mut self, request: &[u8]) -> Result<()> {
        self.received.clear();
        self.stream.write_all(request).await?;
        loop {
            let count = self.stream.read_buf(&mut self.received).await?;
            ensure!(count > 0, "the server closed the connection");
            if let Some(head) = Head::parse(&self.received)? {
                ensure!(head.status == 200, "the stream's status is {}", head.status);
                return Ok(());
            }
        }
    }

    /// Sends a request and reads the answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            let count = self.stream.read_buf(&mut self.received).await?;
            ensure!(
                count > 0,
                "the server closed the connection after {:?}",
                String::from_utf8_lossy(&self.received)
            );
            if let Some(head) = Head::parse(&self.received)?
                && head.body.is_whole(&self.received[head.length..])
            {
                break head;
            }
        };
        Ok(Answer {
            bytes: &self.received,
            head,
        })
    }
}

impl Head {
    /// The head, once it came in whole.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes)? else {
            return Ok(None);
        };
        let status = response.code.context("an answer has a status")?;
        let (mut body, mut session) = (BodyLength::Known(0), None);
        for header in response.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                body = BodyLength::Known(std::str::from_utf8(header.value)?.parse()?);
            } else if is("transfer-encoding") {
                body = BodyLength::Chunked;
            } else if is("mcp-session-id") {
                let start = header.value.as_ptr() as usize - bytes.as_ptr() as usize;
                session = Some(start..start + header.value.len());
            }
        }
        Ok(Some(Self {
            length,
            status,
            body,
            session,
        }))
    }
}

impl BodyLength {
    fn is_whole(&self, body: &[u8]) -> bool {
        match self {
            Self::Known(length) => body.len() >= *length,
            // No answer here has trailers, and none has the last chunk's mark in its text.
            Self::Chunked => body.ends_with(b"0\r\n\r\n"),
        }
    }
}

impl Answer<'_> {
    /// Fails unless the answer has this status and this text: errors are not worth measuring.
    pub fn expect(&self, status: u16, text: &str) -> Result<()> {
        let body = &self.bytes[self.head.length..];
        if self.head.status != status || !contains(body, text.as_bytes()) {
            bail!(
                "expected status {status} and `{text}`, got {}",
                String::from_utf8_lossy(self.bytes)
            );
        }
        Ok(())
    }

    /// The id of the session that it opened.
    pub fn session(&self) -> Result<String> {
        let range = self.head.session.clone().context("no mcp-session-id")?;
        Ok(std::str::from_utf8(&self.bytes[range])?.to_owned())
    }
}

/// Whether `text` is somewhere in `bytes`; short ones only.
pub fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

/// A GET request.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// A POST of JSON with these further header lines, each with its line end.
pub fn post(path: &str, headers: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> bool {
        Head::parse(bytes)
            .unwrap()
            .is_some_and(|head| head.body.is_whole(&bytes[head.length..]))
    }

    #[test]
    fn an_answer_is_read_until_it_is_whole() {
        let known = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        for bytes in [&known[..], chunked, empty] {
            assert!(whole(bytes));
            for end in 0..bytes.len() {
                assert!(!whole(&bytes[..end]), "{end}");
            }
        }
    }

    #[test]
    fn a_sessions_id_is_found() {
        let bytes = b"HTTP/1.1 200 OK\r\nMcp-Session-Id: abc\r\ncontent-length: 0\r\n\r\n";
        let head = Head::parse(bytes).unwrap().unwrap();
        assert_eq!(Answer { bytes, head }.session().unwrap(), "abc");
    }

    #[test]
    fn other_answers_than_the_expected_one_fail() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let answer = || Answer {
            bytes,
            head: Head::parse(bytes).unwrap().unwrap(),
        };
        assert!(answer().expect(200, "ok").is_ok());
        assert!(answer().expect(500, "ok").is_err());
        assert!(answer().expect(200, "no").is_err());
    }
}
