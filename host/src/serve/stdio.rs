//! MCP over stdin and stdout. Stdout carries MCP and nothing else: the log is on
//! stderr, and what a guest prints goes there too.

use std::io;
use std::sync::Arc;

use rmcp::ServiceExt;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, ServerInitializeError};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

use super::App;
use super::body::MAX_BODY;
use super::listen::{GRACE, Stop};
use super::mcp::McpServer;
use super::mcp::message::{Malformed, Message};
use super::requester::Requester;

/// Serves one client until it closes stdin, or the process is told to stop.
pub async fn run(app: App, mut stop: Stop) -> Result<(), ServerInitializeError> {
    let drain = app.drain.clone();
    let (reader, writer) = rmcp::transport::stdio_pipes();
    let lines = Lines::new(BufReader::new(reader), writer);
    let server = McpServer::for_session(app, Requester::local(), Arc::default());
    let serving = server.serve(lines);
    let service = tokio::select! {
        serving = serving => match serving {
            Ok(service) => service,
            // A client that leaves before it said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(error),
        },
        _ = stop.recv() => return Ok(()),
    };
    let cancel = service.cancellation_token();
    let mut waiting = std::pin::pin!(service.waiting());
    tokio::select! {
        ended = &mut waiting => {
            tracing::debug!(?ended, "the client closed the connection");
            return Ok(());
        }
        _ = stop.recv() => {}
    }
    tokio::select! {
        _ = drain.drain(GRACE) => {
            cancel.cancel();
            _ = waiting.await;
        }
        _ = stop.recv() => {}
    }
    Ok(())
}

/// One message a line, both ways (MCP, "stdio"). What is malformed is answered here:
/// rmcp would drop it in silence.
struct Lines<R, W> {
    reader: R,
    /// Bytes of a line that has not ended yet: reading can be interrupted.
    line: Vec<u8>,
    /// The line is over the cap; the rest of it is skipped.
    skipping: bool,
    writer: Arc<Mutex<W>>,
    /// An answer to a malformed line that is not written yet.
    answer: Option<Malformed>,
    /// A first request came, so rmcp takes everything.
    started: bool,
}

impl<R, W> Lines<R, W>
where
    R: AsyncBufRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    fn new(reader: R, writer: W) -> Self {
        Self {
            reader,
            line: Vec::new(),
            skipping: false,
            writer: Arc::new(Mutex::new(writer)),
            answer: None,
            started: false,
        }
    }

    /// Reads on until a line has ended; false at the end of input. It can be dropped
    /// and called again at any time.
    async fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                // A last line without its end is a line all the same.
                return Ok(!self.line.is_empty());
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            if self.line.len() + taken > MAX_BODY {
                self.skipping = true;
                self.line.clear();
            } else if !self.skipping {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.reader.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// The message of the line that has just ended; none for an empty line, and for one
    /// that is malformed.
    fn take_message(&mut self) -> Option<ClientJsonRpcMessage> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.skipping) {
            self.answer = Some(Malformed::request("the message is larger than 4 MiB"));
            return None;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            return None;
        }
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(malformed) => {
                self.answer = Some(malformed);
                return None;
            }
        };
        let is_request = message.method().is_some() && !message.id().is_null();
        if !self.started && !is_request {
            tracing::warn!(
                method = message.method(),
                "ignored: the first message must be a request, as a rule `initialize`"
            );
            return None;
        }
        if message.method() == Some("initialize")
            && let Err(malformed) = message.check_initialize()
        {
            self.answer = Some(malformed);
            return None;
        }
        match serde_json::from_slice(text) {
            Ok(read) => {
                self.started = true;
                Some(read)
            }
            Err(_) => {
                self.answer = Some(Malformed::unreadable(text).to(message.id()));
                None
            }
        }
    }
}

async fn write_line<W: AsyncWrite + Unpin>(
    writer: &Mutex<W>,
    message: &impl serde::Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut writer = writer.lock().await;
    writer.write_all(&line).await?;
    writer.flush().await
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncBufRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        async move { write_line(&writer, &message).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(malformed) = &self.answer {
                write_line(&self.writer, &malformed.answer()).await.ok()?;
                self.answer = None;
            }
            match self.read_line().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    tracing::error!(%error, "stdin cannot be read");
                    return None;
                }
            }
            if let Some(message) = self.take_message() {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.writer.lock().await.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn messages(input: &'static [u8]) -> (usize, Vec<serde_json::Value>) {
        let (mut answers, writer) = tokio::io::duplex(64 << 10);
        let mut lines = Lines::new(input, writer);
        let mut received = 0;
        while lines.receive().await.is_some() {
            received += 1;
        }
        drop(lines);
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut answers, &mut text)
            .await
            .unwrap();
        let answers = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (received, answers.collect())
    }

    #[tokio::test]
    async fn malformed_lines_are_answered_and_the_others_go_on() {
        let (received, answers) = messages(
            b"{bad\n\n[]\n{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        )
        .await;
        let codes: Vec<_> = answers
            .iter()
            .map(|answer| &answer["error"]["code"])
            .collect();
        assert_eq!(codes, [-32700, -32600, -32600]);
        assert_eq!(received, 1, "a last line without its end counts");
    }

    #[tokio::test]
    async fn what_is_no_request_is_ignored_until_the_first_one() {
        let (received, answers) = messages(
            b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n",
        )
        .await;
        assert_eq!((received, answers.len()), (2, 0));
    }
}
