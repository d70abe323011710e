//! MCP over HTTP, in the three ways that clients speak it.

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{Answer, Host, PATIENCE};

/// Every published revision that begins with a handshake.
pub const LEGACY_REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The stateless revision.
pub const MODERN_REVISION: &str = "2026-07-28";
/// What a proper client accepts.
pub const ACCEPT: &str = "application/json, text/event-stream";

static NEXT_ID: AtomicI64 = AtomicI64::new(1);

/// An id that no other request of this test process has.
pub fn next_id() -> i64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One POST with neither session nor metadata, as `kaos mcp invoke` sends it.
    Bare,
    /// A session of the newest legacy revision.
    Session,
    /// The stateless revision.
    Modern,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Session, Self::Modern];

    /// Sends one request and reads its answer. A session is made for it and ended after it.
    pub async fn request(self, host: &Host, method: &str, params: Value) -> Answer {
        match self {
            Self::Bare => send(bare(host, method, params)).await,
            Self::Modern => send(modern(host, method, params)).await,
            Self::Session => {
                let session = Session::open(host).await;
                let answer = session.request(method, params).await;
                session.end().await;
                answer
            }
        }
    }

    /// Calls a tool; its `CallToolResult`.
    pub async fn call(self, host: &Host, tool: &str, arguments: Value) -> Value {
        let answer = self
            .request(
                host,
                "tools/call",
                json!({ "name": tool, "arguments": arguments }),
            )
            .await;
        assert_eq!(answer.status, 200, "tools/call is always 200: {answer:?}");
        answer.result()
    }
}

/// A JSON-RPC request.
pub fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": next_id(), "method": method, "params": params })
}

/// A POST of a message with nothing but its content type.
pub fn bare(host: &Host, method: &str, params: Value) -> RequestBuilder {
    post(host, &message(method, params))
}

/// A POST of any text as JSON, with any number of messages in it.
pub fn post(host: &Host, message: &Value) -> RequestBuilder {
    host.request(Method::POST, "/mcp")
        .header("content-type", "application/json")
        .body(message.to_string())
}

/// A POST as the stateless revision wants it: metadata in the body, and the same in the headers.
pub fn modern(host: &Host, method: &str, params: Value) -> RequestBuilder {
    let name = ["name", "uri", "taskId"]
        .into_iter()
        .find_map(|key| params.get(key)?.as_str())
        .map(str::to_owned);
    let request = post(host, &message(method, with_meta(params)))
        .header("accept", ACCEPT)
        .header("mcp-protocol-version", MODERN_REVISION)
        .header("mcp-method", method);
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

/// Parameters of a client with these capabilities.
pub fn of_client(capabilities: Value, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
    params
}

/// Parameters with the metadata of the stateless revision added to what `_meta` holds already.
pub fn with_meta(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN_REVISION.into();
    let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if capabilities.is_null() {
        *capabilities = json!({});
    }
    params["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({ "name": "tests", "version": "1" });
    params
}

/// Sends a request and reads its answer to the end.
pub async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.expect("the host answers")).await
}

/// Reads a stream until a part of it has come; what came.
pub async fn read_until(stream: &mut Response, part: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(part) {
            let chunk = stream.chunk().await.expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&chunk.expect("it has no end")));
        }
    };
    let read = tokio::time::timeout(PATIENCE, read).await;
    assert!(read.is_ok(), "no {part} in {text}");
    text
}

/// The text of a result's only block.
pub fn text(result: &Value) -> &str {
    let blocks = result["content"]
        .as_array()
        .unwrap_or_else(|| panic!("no content: {result}"));
    assert_eq!(blocks.len(), 1, "one block: {result}");
    blocks[0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text: {result}"))
}

/// The text of a result that says that the call failed.
pub fn failure(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "a failed call: {result}");
    text(result)
}

/// The parameters of `initialize`.
pub fn initialize(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": { "name": "tests", "version": "1" },
    })
}

/// A legacy session.
#[derive(Debug)]
pub struct Session<'a> {
    host: &'a Host,
    id: String,
    revision: String,
    /// What the host said of itself.
    pub initialized: Value,
}

impl<'a> Session<'a> {
    /// A session of the newest legacy revision.
    pub async fn open(host: &'a Host) -> Self {
        Self::of_revision(host, LEGACY_REVISIONS[3]).await
    }

    /// A session of any legacy revision.
    pub async fn of_revision(host: &'a Host, revision: &str) -> Self {
        Self::with(host, initialize(revision)).await
    }

    /// A session with these parameters of `initialize`: that, then `notifications/initialized`.
    pub async fn with(host: &'a Host, params: Value) -> Self {
        let revision = params["protocolVersion"].as_str().expect("a revision");
        let revision = revision.to_owned();
        let answer = send(bare(host, "initialize", params).header("accept", ACCEPT)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.header("mcp-session-id").to_owned();
        assert!(!id.is_empty(), "initialize gives a session id: {answer:?}");
        let session = Self {
            host,
            id,
            revision,
            initialized: answer.result(),
        };
        let answer = session.notify("notifications/initialized", json!({})).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (202, ""),
            "{answer:?}"
        );
        session
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Anything sent in this session.
    pub fn with_headers(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .header("accept", ACCEPT)
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", &self.revision)
    }

    /// A request that is not sent yet.
    pub fn prepare(&self, message: &Value) -> RequestBuilder {
        self.with_headers(post(self.host, message))
    }

    /// Sends a request and reads its answer.
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        send(self.prepare(&message(method, params))).await
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: Value) -> Answer {
        send(self.prepare(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))).await
    }

    /// Ends the session.
    pub async fn end(&self) -> Answer {
        send(self.with_headers(self.host.request(Method::DELETE, "/mcp"))).await
    }
}
