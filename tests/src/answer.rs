//! An HTTP answer, read to its end.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Status, headers and body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.text().await.expect("the body ends properly");
        Self {
            status,
            headers,
            body,
        }
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The text under `error`.
    pub fn error(&self) -> String {
        let json = self.json();
        json["error"]
            .as_str()
            .unwrap_or_else(|| panic!("no error text: {self:?}"))
            .to_owned()
    }

    /// Every JSON-RPC message in the body, be it JSON or an event stream.
    pub fn messages(&self) -> Vec<Value> {
        if !self.header("content-type").starts_with("text/event-stream") {
            return vec![self.json()];
        }
        self.body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .filter(|data| !data.is_empty())
            .map(|data| {
                serde_json::from_str(data)
                    .unwrap_or_else(|error| panic!("no JSON ({error}): {data}"))
            })
            .collect()
    }

    /// The one JSON-RPC message that answers a request: it has a result or an error.
    pub fn message(&self) -> Value {
        let mut answers = self.messages();
        answers.retain(|message| message.get("result").is_some() || message.get("error").is_some());
        assert_eq!(answers.len(), 1, "one answer a request: {self:?}");
        answers.remove(0)
    }

    /// The result of a request.
    pub fn result(&self) -> Value {
        let mut message = self.message();
        assert!(
            message.get("error").is_none(),
            "an error instead of a result: {self:?}"
        );
        message["result"].take()
    }

    /// The JSON-RPC error.
    pub fn refusal(&self) -> Value {
        let mut message = self.message();
        assert!(
            message.get("error").is_some(),
            "a result instead of an error: {self:?}"
        );
        message["error"].take()
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        self.message()["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error code: {self:?}"))
    }
}
