//! A language model's endpoint as OpenAI's, which says what a test wants.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A model on loopback that asks for one tool, whatever it is asked. Dropping it closes its port.
#[derive(Debug)]
pub struct Model {
    url: String,
    task: JoinHandle<()>,
}

/// What the model asks for.
#[derive(Clone)]
struct Wish {
    tool: String,
    arguments: Value,
}

impl Model {
    /// A model that asks for a call of this tool with these arguments.
    pub async fn asking_for(tool: &str, arguments: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(Wish {
                tool: tool.to_owned(),
                arguments,
            });
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("it serves until it is aborted");
        });
        Self {
            url: format!("http://{address}"),
            task,
        }
    }

    /// Where it is, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn models() -> Json<Value> {
    Json(
        json!({"object": "list", "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "tests"}]}),
    )
}

/// Asks for the tool where it is offered; says so where it is not.
async fn complete(State(wish): State<Wish>, Json(request): Json<Value>) -> Json<Value> {
    let is_offered = request["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|tool| tool["function"]["name"] == *wish.tool);
    let (reason, message) = if is_offered {
        let function = json!({"name": wish.tool, "arguments": wish.arguments.to_string()});
        let call = json!({"id": "call-1", "type": "function", "function": function});
        (
            "tool_calls",
            json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        )
    } else {
        let text = format!("There is no tool {}", wish.tool);
        ("stop", json!({"role": "assistant", "content": text}))
    };
    Json(json!({
        "id": "completion-1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
}
