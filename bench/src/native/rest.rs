//! A native handler that takes and gives the JSON of `POST /mcp/tools`.

use anyhow::Result;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::questions::rest::PATH;

#[derive(Deserialize)]
struct Call {
    tool: String,
    arguments: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    text: String,
}

#[derive(Serialize)]
struct Reply {
    result: String,
}

/// Serves until it is killed.
pub fn run() -> Result<()> {
    super::block_on(super::serve(Router::new().route(PATH, post(call))))
}

async fn call(Json(call): Json<Call>) -> Result<Json<Reply>, StatusCode> {
    if call.tool != "echo" {
        return Err(StatusCode::NOT_FOUND);
    }
    let result = format!("Echo: {}", call.arguments.text);
    Ok(Json(Reply { result }))
}
