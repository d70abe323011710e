//! A native tool on rmcp, with the answers of the `echo` component.

use std::sync::Arc;

use anyhow::Result;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServiceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::questions::mcp::PATH;

/// The server; making one is cheap, as rmcp makes one for each stateless request.
#[derive(Clone)]
struct Echo {
    tool: Tool,
}

#[derive(Deserialize)]
struct Arguments {
    text: String,
}

impl Echo {
    fn new() -> Self {
        let Value::Object(schema) = json!({
            "type": "object",
            "properties": {"text": {"type": "string", "description": "The text to echo."}},
            "required": ["text"],
        }) else {
            unreachable!("it is an object");
        };
        Self {
            tool: Tool::new_with_raw(
                "echo",
                Some("Echo the input text.".into()),
                Arc::new(schema),
            ),
        }
    }
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![self.tool.clone()]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let invalid = |message: String| ErrorData::invalid_params(message, None);
        if request.name != self.tool.name {
            return Err(invalid(format!("unknown tool: {}", request.name)));
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let arguments: Arguments =
            serde_json::from_value(arguments).map_err(|error| invalid(error.to_string()))?;
        let reply = format!("Echo: {}", arguments.text);
        let mut result = CallToolResult::success(vec![ContentBlock::text(reply.clone())]);
        result.structured_content = Some(json!({"result": reply}));
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == self.tool.name).then(|| self.tool.clone())
    }
}

/// Serves over streamable HTTP until it is killed: without sessions, with JSON answers.
pub fn run() -> Result<()> {
    let server = Echo::new();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    super::block_on(super::serve(
        axum::Router::new().route_service(PATH, service),
    ))
}

/// Serves over stdio until the client closes it.
pub fn run_stdio() -> Result<()> {
    super::block_on(async {
        // What rmcp advises where both streams are pipes.
        let service = Echo::new().serve(rmcp::transport::stdio_pipes()).await?;
        service.waiting().await?;
        Ok(())
    })
}
