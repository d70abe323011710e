//! MCP requests become calls.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult, ConstString,
    CustomRequest, CustomResult, ErrorCode, Implementation, InitializeResultMethod,
    ListToolsRequestMethod, ListToolsResult, LoggingLevel, PaginatedRequestParams,
    RequestMetaObject, ServerCapabilities, ServerConfig, SetLevelRequestMethod,
    SetLevelRequestParams, SubscriptionFilter, Tool as McpTool, ToolListChangedNotification,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::gate::CallEnd;
use super::observer;
use super::result;
use crate::catalog::Changes;
use crate::invoke::{Call, CallTool, Completed, InvokeError, Operation};
use crate::sandbox::{Observer, Silent};
use crate::serve::App;
use crate::serve::describe::{mcp_tool, plain_tool};
use crate::serve::requester::Requester;
use crate::telemetry;
use crate::telemetry::trace::TraceParent;

/// Tools of one page of `tools/list`.
const PAGE: usize = 1_000;

/// Time to send what a call said last, before its result goes out without it.
const LAST_NOTICES: Duration = Duration::from_secs(1);

/// What a server says of itself, and what it does with each request.
#[derive(Clone)]
pub struct McpServer {
    app: App,
    connection: Connection,
    /// Who made the connection.
    requester: Requester,
}

/// What the server keeps between two requests of a client.
#[derive(Clone)]
enum Connection {
    /// Nothing: each request stands for itself.
    None,
    /// What a session needs.
    Session(Arc<Session>),
}

/// What the server keeps of a session beside rmcp's own state.
struct Session {
    /// The level from which the client wants log messages (`logging/setLevel`).
    level: Mutex<LoggingLevel>,
    /// Tells the client of changes for as long as the session lasts.
    teller: OnceLock<AbortOnDropHandle<()>>,
}

impl McpServer {
    /// A server for a session, over HTTP or stdio.
    pub fn for_session(app: App, requester: Requester) -> Self {
        Self {
            app,
            requester,
            connection: Connection::Session(Arc::new(Session {
                level: Mutex::new(LoggingLevel::Info),
                teller: OnceLock::new(),
            })),
        }
    }

    /// A server for a request that belongs to no session.
    pub fn for_request(app: App, requester: Requester) -> Self {
        Self {
            app,
            requester,
            connection: Connection::None,
        }
    }

    /// Who sent a request. In a session each has a credential of its own, of the one caller that the session is bound to.
    fn requester<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Requester {
        let parts = context.extensions.get::<http::request::Parts>();
        parts
            .and_then(|parts| parts.extensions.get())
            .unwrap_or(&self.requester)
    }

    /// The changes of the tools that the connection's caller has.
    fn changes(&self) -> Changes {
        let catalog = self.app.invoker.catalog();
        catalog.changes(&self.requester.tenant)
    }

    /// From which level on the client wants log messages: modern requests say it
    /// themselves, sessions said it before.
    fn log_level(&self, meta: &RequestMetaObject) -> Option<LoggingLevel> {
        if meta.protocol_version().is_some() {
            return meta.log_level();
        }
        match &self.connection {
            Connection::None => None,
            Connection::Session(session) => {
                Some(*session.level.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// A page of the tools, in the order of their names; a cursor is the last name of the page before.
    fn page(
        &self,
        request: Option<PaginatedRequestParams>,
        asks: &Requester,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.app.invoker.tools(&asks.tenant, &asks.caller);
        let after = request
            .and_then(|request| request.cursor)
            .unwrap_or_default();
        if !after.is_empty() && tools.find(&after).is_err() {
            return Err(ErrorData::invalid_params("unknown cursor", None));
        }
        let mut page: Vec<McpTool> = tools
            .after(&after)
            .take(PAGE + 1)
            .map(|tool| mcp_tool(tool))
            .collect();
        let mut listed = ListToolsResult::default();
        if page.len() > PAGE {
            page.truncate(PAGE);
            listed.next_cursor = page.last().map(|tool| tool.name.to_string());
        }
        listed.tools = page;
        Ok(listed)
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let end = call_end(&context);
        let completed = tokio::select! {
            completed = self.app.drain.run(self.run(request, &context)) => match completed {
                Ok(completed) => completed,
                Err(draining) => return Ok(result::text(draining.to_string()).into()),
            },
            // Dropping the call stops the guest; nobody reads the answer.
            () = context.ct.cancelled() => return Err(cancelled()),
            () = ended(end) => return Err(cancelled()),
        };
        let result = match completed.result {
            Ok(output) => result::success(output),
            Err(error) => result::failure(&error),
        };
        Ok(result.into())
    }

    async fn run(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Completed {
        let progress = context.meta.get_progress_token();
        let level = self.log_level(&context.meta);
        let (observer, notices): (Arc<dyn Observer>, _) = if progress.is_some() || level.is_some() {
            let (teller, notices) = observer::channel(progress, level, context.ct.clone());
            (Arc::new(teller), Some(notices))
        } else {
            (Arc::new(Silent), None)
        };
        let Requester { tenant, caller } = self.requester(context).clone();
        let call = self.app.invoker.run(Call {
            tenant,
            caller,
            operation: Operation::CallTool(CallTool {
                name: request.name.into_owned(),
                arguments: request.arguments.unwrap_or_default(),
                meta: authors_meta(&context.meta),
            }),
            observer,
            trace: trace_parent(context),
        });
        let Some(mut notices) = notices else {
            return call.await;
        };
        // Beside the call, so that a client which reads slowly never holds up the guest.
        let forward = async {
            while let Some(notice) = notices.recv().await {
                notice.send(&context.peer).await;
            }
        };
        let mut forward = std::pin::pin!(forward.fuse());
        let completed = {
            let mut call = std::pin::pin!(call);
            tokio::select! {
                completed = &mut call => completed,
                () = &mut forward => call.await,
            }
        };
        // The call is dropped, so no more is said; what was said is sent before the result.
        _ = tokio::time::timeout(LAST_NOTICES, forward).await;
        completed
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("sandglass", env!("CARGO_PKG_VERSION"));
        info
    }

    // Handshake revisions tell of changes in the session's own stream.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Connection::Session(session) = &self.connection else {
            return;
        };
        let mut changes = self.changes();
        session.teller.get_or_init(|| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                loop {
                    changes.next().await;
                    if context.peer.notify_tool_list_changed().await.is_err() {
                        return;
                    }
                }
            }))
        });
    }

    // 2026-07-28 has a stream for that, which a client asks for.
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed;
        Some(accepted)
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes();
        loop {
            tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                () = changes.next() => {}
            }
            if subscription.accepted().tools_list_changed == Some(true) {
                let changed = ToolListChangedNotification::default();
                if subscription.sink().send(changed.into()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        answered(async { self.page(request, self.requester(&context)) }).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        answered(self.call(request, context)).await
    }

    // Asked for each `tools/call`, to check `Mcp-Param-*` headers: the output schema is not needed.
    fn get_tool(&self, name: &str) -> Option<McpTool> {
        let Requester { tenant, caller } = &self.requester;
        let tool = self.app.invoker.tools(tenant, caller).find(name).ok()?;
        Some(plain_tool(&tool))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // Modern requests say their level themselves; the method is not theirs.
        if context.meta.protocol_version().is_some() {
            return Err(unknown_method(SetLevelRequestMethod::VALUE));
        }
        if let Connection::Session(session) = &self.connection {
            *session.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        }
        Ok(())
    }

    // rmcp brings requests here that it does not know, and those whose params it can't read.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let CustomRequest { method, params, .. } = request;
        if method == CallToolRequestMethod::VALUE {
            let mut result = unreadable_call(&params.unwrap_or_default())?;
            if context.meta.protocol_version().is_none() {
                // Handshake revisions have no result types.
                result.result_type = None;
            }
            return Ok(CustomResult::new(
                serde_json::to_value(result).unwrap_or_default(),
            ));
        }
        let known = [
            ListToolsRequestMethod::VALUE,
            SetLevelRequestMethod::VALUE,
            InitializeResultMethod::VALUE,
        ];
        if known.contains(&method.as_str()) {
            let text = format!("Invalid params: they are not those of {method}");
            return Err(ErrorData::invalid_params(text, None));
        }
        Err(unknown_method(&method))
    }
}

/// A `tools/call` with a name and odd arguments is a result that says so; without a
/// name it is none at all.
fn unreadable_call(params: &Value) -> Result<CallToolResult, ErrorData> {
    let text = match params.get("name") {
        Some(Value::String(_)) => {
            let error = InvokeError::InvalidArguments("`arguments` must be an object".to_owned());
            return Ok(result::failure(&error));
        }
        Some(_) => "Invalid params: `name` must be a string",
        None => "Invalid params: `name` is required",
    };
    Err(ErrorData::invalid_params(text, None))
}

fn unknown_method(method: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::METHOD_NOT_FOUND,
        format!("Method not found: {method}"),
        None,
    )
}

/// A panic becomes an answer: rmcp leaves a request whose handler panicked without any.
async fn answered<T>(work: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            telemetry::log_panic(&*panic, "an MCP handler");
            Err(ErrorData::internal_error(
                InvokeError::Internal.to_string(),
                None,
            ))
        })
}

fn cancelled() -> ErrorData {
    ErrorData::internal_error("The call was cancelled", None)
}

fn call_end(context: &RequestContext<RoleServer>) -> Option<CancellationToken> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    let CallEnd(end) = parts.extensions.get()?;
    Some(end.clone())
}

/// The request's own place in a trace (MCP, `_meta.traceparent`), else the HTTP header's.
fn trace_parent(context: &RequestContext<RoleServer>) -> Option<TraceParent> {
    if let Some(Value::String(text)) = context.meta.0.0.get("traceparent") {
        return text.parse().ok();
    }
    TraceParent::of(&context.extensions.get::<http::request::Parts>()?.headers)
}

async fn ended(call: Option<CancellationToken>) {
    match call {
        Some(end) => end.cancelled().await,
        None => pending().await,
    }
}

/// What of a request's `_meta` is for the tool: not the protocol's own keys.
fn authors_meta(meta: &RequestMetaObject) -> Option<Map<String, Value>> {
    let meta: Map<String, Value> = meta
        .0
        .0
        .iter()
        .filter(|(key, _)| {
            key.as_str() != "progressToken" && !key.starts_with("io.modelcontextprotocol/")
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!meta.is_empty()).then_some(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_that_keeps_its_message_to_the_log() {
        let error = answered::<()>(async { panic!("the secret reason") })
            .await
            .unwrap_err();
        assert_eq!(error.code, rmcp::model::ErrorCode::INTERNAL_ERROR);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
