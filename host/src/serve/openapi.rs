//! `GET /openapi.json`: the REST endpoints in OpenAPI 3.1, with an operation for each tool that the caller may call.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::App;
use super::kept::{self, Kind};
use super::openapi_schemas::Schemas;
use super::requester::Requester;
use crate::catalog::Tool;
use crate::invoke::{TenantAccount, Visible};

/// `GET /openapi.json`
pub async fn document(
    State(app): State<App>,
    Extension(asks): Extension<Requester>,
    Extension(account): Extension<Arc<TenantAccount>>,
) -> Response {
    let access = match app.identity {
        Some(_) => Access::Identity,
        None => Access::Anybody,
    };
    let write = move |visible: &Visible<'_>| describe(visible.tools_after(""), access);
    kept::document(&app, &asks, &account, Kind::OpenApi, write).await
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Whoever has a bearer token.
    Identity,
    /// Whoever reaches the port.
    Anybody,
}

fn describe<'a>(tools: impl Iterator<Item = &'a Arc<Tool>>, access: Access) -> Value {
    let tools: Vec<_> = tools.collect();
    let mut paths = endpoints(access);
    let mut schemas = Schemas::default();
    schemas.put("Error".to_owned(), error_schema());
    for tool in &tools {
        schemas.reserve(input_key(tool));
        schemas.reserve(output_key(tool));
    }
    for tool in tools {
        let input = schemas.add(input_key(tool), &tool.input);
        let output = match &tool.output {
            Some(output) => schemas.add(output_key(tool), output),
            None => json!({}),
        };
        let path = format!("/mcp/tools/{}", tool.name);
        paths.insert(
            path,
            json!({"post": operation(tool, &input, &output, access)}),
        );
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Sandglass", "version": env!("CARGO_PKG_VERSION")},
        // Beside this document: a tenant's path and a gateway's prefix lead there too.
        "servers": [{"url": "."}],
        "paths": paths,
        "security": [],
        "components": {"schemas": schemas.into_document(), "responses": error_responses()},
    });
    if access == Access::Identity {
        document["components"]["securitySchemes"] =
            json!({"bearer": {"type": "http", "scheme": "bearer"}});
        document["security"] = json!([{"bearer": []}]);
    }
    document
}

/// The operation that calls a tool.
fn operation(tool: &Tool, input: &Value, output: &Value, access: Access) -> Value {
    let takes_nothing = tool
        .input
        .document
        .get("required")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    json!({
        "operationId": tool.name,
        "summary": tool.title.as_deref().unwrap_or(&tool.name),
        "description": tool.description.as_deref().unwrap_or_default(),
        "requestBody": {"required": !takes_nothing, "content": content(input)},
        "responses": call_responses(output, access),
    })
}

fn input_key(tool: &Tool) -> String {
    format!("{}.input", tool.name)
}

fn output_key(tool: &Tool) -> String {
    format!("{}.output", tool.name)
}

/// What is there besides the tools' own paths. They have no `operationId`: every name may be a tool's.
fn endpoints(access: Access) -> Map<String, Value> {
    let timestamp = json!({"type": "integer", "description": "Seconds since 1970"});
    let health = json!({
        "type": "object",
        "properties": {
            "status": {"const": "healthy"},
            "tools": {"type": "integer", "description": "How many there are"},
            "timestamp": timestamp,
        },
        "required": ["status", "timestamp"],
    });
    let failure = json!({
        "type": "object",
        "properties": {"source": {"type": "string"}, "reason": {"type": "string"}},
        "required": ["source", "reason"],
    });
    let task = json!({
        "type": "object",
        "properties": {"task": {"type": "string"}, "reason": {"type": "string"}},
        "required": ["task", "reason"],
    });
    let ready = json!({
        "type": "object",
        "properties": {
            "status": {"enum": ["ready", "degraded", "draining"]},
            "tools": {"type": "array", "items": {"type": "string"}},
            "failures": {"type": "array", "items": failure, "description": "The components that are left out"},
            "manifest": {
                "type": "object",
                "properties": {"problem": {"type": "string"}},
                "required": ["problem"],
                "description": "Why the manifest does not count as it is now",
            },
            "tasks": {"type": "array", "items": task, "description": "The host's own tasks that have failed"},
            "timestamp": timestamp,
        },
        "required": ["status", "timestamp"],
    });
    let tool = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object"},
        },
        "required": ["name", "description", "inputSchema"],
    });
    let short_tool = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "arguments": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["name", "description", "arguments"],
    });
    let call = json!({
        "type": "object",
        "properties": {
            "tool": {"type": "string", "minLength": 1},
            "arguments": {"type": "object"},
        },
        "required": ["tool"],
    });
    let list_of = |tool: Value| {
        json!({
            "type": "object",
            "properties": {"tools": {"type": "array", "items": tool}},
            "required": ["tools"],
        })
    };
    // A probe may come without a credential, and is told less.
    let probe = |summary: &str, responses: Value| {
        let mut operation = json!({"summary": summary, "responses": responses});
        if access == Access::Identity {
            operation["security"] = json!([{}, {"bearer": []}]);
        }
        operation
    };
    let get = |summary: &str, schema: Value| {
        let mut responses = Map::from_iter([("200".to_owned(), answer(summary, &schema))]);
        add_refusals(&mut responses, access);
        json!({"summary": summary, "responses": responses})
    };
    let mut paths = json!({
        "/health": {"get": probe("Whether the host lives", json!({"200": answer("It does", &health)}))},
        "/ready": {"get": probe(
            "Whether calls are taken, and of which tools",
            json!({"200": answer("They are", &ready), "503": answer("The host is ending", &ready)}),
        )},
        "/openapi.json": {"get": get("This document", json!({"type": "object"}))},
        "/mcp/list_tools": {"get": get("The tools and their arguments' types", list_of(short_tool))},
        "/mcp/tools": {
            "get": get("The tools and their schemas", list_of(tool)),
            "post": {
                "summary": "Calls a tool by its name",
                "requestBody": {"required": true, "content": content(&call)},
                "responses": call_responses(&json!({}), access),
            },
        },
    });
    if access == Access::Identity {
        let usage = get("What the tenant used", json!({"type": "object"}));
        paths["/usage"] = json!({"get": usage});
    }
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

/// What a call may be answered with, by the status.
fn call_responses(result: &Value, access: Access) -> Map<String, Value> {
    let success = json!({
        "type": "object",
        "properties": {"result": result},
        "required": ["result"],
    });
    let success = answer("The tool's result", &success);
    let mut responses = Map::from_iter([("200".to_owned(), success)]);
    add_errors(&mut responses, &CALL_ERRORS);
    add_refusals(&mut responses, access);
    responses
}

/// Adds what a caller is answered whose credential does not do.
fn add_refusals(responses: &mut Map<String, Value>, access: Access) {
    if access == Access::Identity {
        add_errors(responses, &REFUSALS);
    }
}

fn add_errors(responses: &mut Map<String, Value>, errors: &[Error]) {
    for (status, name, _) in errors {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        responses.insert((*status).to_owned(), reference);
    }
}

/// The errors that answers refer to, by their names.
fn error_responses() -> Map<String, Value> {
    let schema = json!({"$ref": "#/components/schemas/Error"});
    let mut responses: Map<String, Value> = CALL_ERRORS
        .iter()
        .chain(&REFUSALS)
        .map(|(_, name, description)| ((*name).to_owned(), answer(description, &schema)))
        .collect();
    responses[TOO_MANY]["headers"]["Retry-After"] =
        json!({"description": "Seconds", "schema": {"type": "integer"}});
    responses
}

/// A status, its name, and what it says.
type Error = (&'static str, &'static str, &'static str);

const TOO_MANY: &str = "TooManyRequests";

const CALL_ERRORS: [Error; 6] = [
    ("400", "BadRequest", "The body or the arguments are wrong"),
    ("404", "NotFound", "There is no such tool"),
    ("413", "ContentTooLarge", "The body is too large"),
    ("429", TOO_MANY, "Too many calls, or a quota is used up"),
    ("500", "Failed", "The tool failed, or a limit ended it"),
    ("503", "Unavailable", "The host is ending"),
];

const REFUSALS: [Error; 2] = [
    ("401", "Unauthorized", "There is no valid credential"),
    ("403", "Forbidden", "The credential does not cover it"),
];

fn answer(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": content(schema)})
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn error_schema() -> Value {
    json!({"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]})
}
