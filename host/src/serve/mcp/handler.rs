//! MCP requests become calls.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rmcp::ErrorData;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult,
    CancelTaskMethod, CancelTaskParams, ClientCapabilities, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ConstString, CreateTaskResult, CustomRequest,
    CustomResult, ErrorCode, GetPromptRequestMethod, GetPromptRequestParams, GetPromptResponse,
    GetTaskMethod, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams,
    InitializeResult, InitializeResultMethod, InputResponses, ListPromptsRequestMethod,
    ListPromptsResult, ListResourceTemplatesRequestMethod, ListResourceTemplatesResult,
    ListResourcesRequestMethod, ListResourcesResult, ListToolsRequestMethod, ListToolsResult,
    LoggingLevel, NumberOrString, PaginatedRequestParams, PingRequestMethod, ProgressToken,
    ReadResourceRequestMethod, ReadResourceRequestParams, ReadResourceResponse, Reference,
    RequestMetaObject, ServerCapabilities, ServerConfig, SetLevelRequestMethod,
    SetLevelRequestParams, SubscribeRequestMethod, SubscribeRequestParams, SubscriptionFilter,
    SubscriptionsListenRequestMethod, Tool as McpTool, UnsubscribeRequestMethod,
    UnsubscribeRequestParams, UpdateTaskMethod, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use sandglass_text::Line;
use serde_json::{Map, Value};
use tokio_util::task::AbortOnDropHandle;

use super::changes::{self, MAX_WATCHED, News, Newsroom, Watched};
use super::questions::{self, SessionClient};
use super::tasks::Begun;
use super::{observer, pages, result};
use crate::audit::Reason;
use crate::invoke::{
    Call, CallTool, Complete, Completed, GetPrompt, InvokeError, Operation, ReadResource, Resume,
    Step, TenantAccount, Visible,
};
use crate::sandbox::bindings::{CompletionTarget, TaskSupport};
use crate::sandbox::{Observer, Silent};
use crate::serve::App;
use crate::serve::describe::plain_tool;
use crate::serve::drain::Draining;
use crate::serve::refused;
use crate::serve::refused::reason_of_drain;
use crate::serve::requester::Requester;
use crate::telemetry;
use crate::telemetry::trace::TraceParent;

/// Time to send what a call said last, before its result goes out without it.
const LAST_NOTICES: Duration = Duration::from_secs(1);

/// Bytes of a progress token.
const MAX_TOKEN: usize = 1 << 10;

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
    Session(Arc<SessionState>),
}

/// What the client of a session has chosen in it.
pub struct SessionState {
    /// The level from which the client wants log messages (`logging/setLevel`).
    level: Mutex<LoggingLevel>,
    /// The resources that the client has subscribed to.
    pub watched: Watched,
    /// Where one connection is the session: tells the client of changes for as long as it lasts.
    teller: OnceLock<AbortOnDropHandle<()>>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            level: Mutex::new(LoggingLevel::Info),
            watched: Watched::default(),
            teller: OnceLock::new(),
        }
    }
}

impl McpServer {
    /// A server for the requests of a session.
    pub fn for_session(app: App, requester: Requester, state: Arc<SessionState>) -> Self {
        Self {
            app,
            requester,
            connection: Connection::Session(state),
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

    /// What `initialize` is answered.
    pub fn handshake(
        &self,
        client: &InitializeRequestParams,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.negotiate_initialize(client)?;
        // Revisions with a handshake have no such tasks.
        result.capabilities.extensions = None;
        Ok(result)
    }

    /// Who sent a request. In a session each has a credential of its own, of the one caller that the session is bound to.
    fn requester<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Requester {
        let parts = context.extensions.get::<http::request::Parts>();
        parts
            .and_then(|parts| parts.extensions.get())
            .unwrap_or(&self.requester)
    }

    /// What happens to what the connection's caller has.
    fn news(&self) -> News {
        Newsroom::of(&self.app.invoker).news(&self.requester.tenant)
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

    /// What the caller of this request may see.
    fn visible<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> Visible<'a> {
        let Requester { tenant, caller } = self.requester(context);
        self.app.invoker.visible(tenant, caller)
    }

    /// Lists what is visible, in the lane of the tenant: a list can be long.
    async fn list<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        list: impl FnOnce(&Visible<'_>) -> Result<T, ErrorData> + Send + 'static,
    ) -> Result<T, ErrorData> {
        let Requester { tenant, caller } = self.requester(context).clone();
        let invoker = self.app.invoker.clone();
        let lane = self.account(context)?.lane().clone();
        lane.run_through(move || list(&invoker.visible(&tenant, &caller)))
            .await
    }

    /// What the tenant is charged.
    fn account(&self, context: &RequestContext<RoleServer>) -> Result<&TenantAccount, ErrorData> {
        let tenant = &self.requester(context).tenant;
        let account = self.app.invoker.ledger().tenant(tenant);
        account
            .map(Arc::as_ref)
            .ok_or_else(|| result::error(&InvokeError::Internal))
    }

    /// A request is refused before it is a call.
    fn refused(&self, reason: Reason, context: &RequestContext<RoleServer>) {
        let request = context.extensions.get::<http::request::Parts>();
        let request = request.map(|parts| &parts.extensions);
        let ledger = self.app.invoker.ledger();
        refused::tell_of(ledger, reason, self.requester(context), request);
    }

    fn drained(&self, draining: Draining, context: &RequestContext<RoleServer>) -> Unperformed {
        if let Some(reason) = reason_of_drain(draining) {
            self.refused(reason, context);
        }
        Unperformed::Draining(draining)
    }

    /// Runs what a request asks for, to its end or to a question.
    async fn perform<O: Operation>(
        &self,
        operation: O,
        resume: Resume,
        context: &RequestContext<RoleServer>,
    ) -> Result<Step<O::Output>, Unperformed> {
        tokio::select! {
            completed = self.app.drain.run(self.run(operation, resume, context)) => match completed {
                Ok(completed) => completed.result.map_err(Unperformed::Invoke),
                Err(draining) => Err(self.drained(draining, context)),
            },
            // Dropping the call stops the guest; nobody reads the answer.
            () = context.ct.cancelled() => Err(Unperformed::Cancelled),
        }
    }

    async fn run<O: Operation>(
        &self,
        operation: O,
        resume: Resume,
        context: &RequestContext<RoleServer>,
    ) -> Completed<Step<O::Output>> {
        let progress = context.meta.get_progress_token().filter(is_short);
        let level = self.log_level(&context.meta);
        let (observer, notices): (Arc<dyn Observer>, _) = if progress.is_some() || level.is_some() {
            let (teller, notices) = observer::channel(progress, level, context.ct.clone());
            (Arc::new(teller), Some(notices))
        } else {
            (Arc::new(Silent), None)
        };
        let Requester { tenant, caller } = self.requester(context).clone();
        let call = Call {
            tenant,
            caller,
            operation,
            observer,
            trace: trace_parent(context),
        };
        let call = self.ask_as_the_era_does(call, resume, context);
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

    /// A modern client comes back with its answers; a session's is asked while the call waits.
    async fn ask_as_the_era_does<O: Operation>(
        &self,
        call: Call<O>,
        resume: Resume,
        context: &RequestContext<RoleServer>,
    ) -> Completed<Step<O::Output>> {
        let invoker = &self.app.invoker;
        let askable = || questions::askable(context.client_capabilities().as_ref());
        if is_modern(context) {
            return invoker.step(call, askable(), resume).await;
        }
        let completed = match &self.connection {
            Connection::None => invoker.run(call).await,
            Connection::Session(_) => {
                let client =
                    SessionClient::new(context.peer.clone(), askable(), self.app.drain.clone());
                invoker.run_asking(call, &client).await
            }
        };
        Completed {
            usage: completed.usage,
            result: completed.result.map(Step::Done),
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let operation = CallTool {
            name: request.name.into_owned(),
            arguments: request.arguments.unwrap_or_default(),
            meta: authors_meta(&context.meta),
        };
        let resume = resume(request.input_responses, request.request_state);
        let called = match self.task_support(&operation.name, &context)? {
            TaskSupport::Forbidden => self.perform(operation, resume, &context).await,
            TaskSupport::Optional | TaskSupport::Required => {
                match self.begin_task(operation, resume, &context).await {
                    Begun::Task(task) => return Ok(CreateTaskResult::new(task).into()),
                    Begun::Ended(result) => result.map_err(Unperformed::Invoke),
                    Begun::Draining(draining) => Err(self.drained(draining, &context)),
                }
            }
        };
        match called {
            Ok(Step::Done(output)) => Ok(result::success(output).into()),
            Ok(Step::InputRequired(required)) => Ok(questions::result(required)?.into()),
            // Agents show a model the text of a result, and not that of an error.
            Err(Unperformed::Draining(draining)) => Ok(result::text(draining.to_string()).into()),
            Err(Unperformed::Invoke(error @ InvokeError::State(_))) => Err(result::error(&error)),
            Err(Unperformed::Invoke(error @ InvokeError::NotAskable { .. }))
                if is_modern(&context) =>
            {
                Err(result::error(&error))
            }
            Err(Unperformed::Invoke(error)) => Ok(result::failure(&error).into()),
            Err(Unperformed::Cancelled) => Err(cancelled()),
        }
    }

    /// Whether a call of this tool becomes a task: where the tool may be one, and its client knows of tasks.
    fn task_support(
        &self,
        tool: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<TaskSupport, ErrorData> {
        let tool = self.visible(context).tool(tool);
        let support = tool.map_or(TaskSupport::Forbidden, |tool| tool.task_support);
        let capabilities = context.client_capabilities();
        let knows = capabilities.is_some_and(|capabilities| capabilities.supports_tasks());
        match support {
            // Revisions with a handshake have no such tasks: there a call takes as long as it takes.
            _ if !is_modern(context) => Ok(TaskSupport::Forbidden),
            TaskSupport::Required if !knows => {
                let required = ClientCapabilities::builder().enable_tasks().build();
                Err(ErrorData::missing_required_client_capability(required))
            }
            _ if !knows => Ok(TaskSupport::Forbidden),
            support => Ok(support),
        }
    }

    async fn begin_task(
        &self,
        operation: CallTool,
        resume: Resume,
        context: &RequestContext<RoleServer>,
    ) -> Begun {
        let Requester { tenant, caller } = self.requester(context).clone();
        let call = Call {
            tenant,
            caller,
            operation,
            observer: Arc::new(Silent),
            trace: trace_parent(context),
        };
        let askable = questions::askable(context.client_capabilities().as_ref());
        self.app.tasks.begin(call, askable, resume).await
    }

    /// Why a call has no result whose params cannot be read.
    fn refuse_call(
        &self,
        name: String,
        problem: &str,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let Requester { tenant, caller } = self.requester(context).clone();
        let call = Call {
            tenant,
            caller,
            operation: CallTool {
                name,
                arguments: Map::new(),
                meta: None,
            },
            observer: Arc::new(Silent),
            trace: trace_parent(context),
        };
        match self.app.invoker.refuse(call, problem.to_owned()).result {
            Ok(output) => result::success(output),
            Err(error) => result::failure(&error),
        }
    }

    async fn completion(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let visible = self.visible(&context);
        let (target, completes) = match request.r#ref {
            Reference::Prompt(prompt) => {
                let found = visible.prompt(&prompt.name);
                let completes = found.map(|prompt| prompt.completes);
                (CompletionTarget::Prompt(prompt.name), completes)
            }
            Reference::Resource(resource) => {
                let found = visible.template(&resource.uri);
                let completes = found.map(|template| template.completes);
                (CompletionTarget::Resource(resource.uri), completes)
            }
            _ => {
                return Err(ErrorData::invalid_params(
                    "`ref` is of an unknown type",
                    None,
                ));
            }
        };
        if !completes.map_err(|error| result::error(&error))? {
            return Ok(CompleteResult::default());
        }
        let settled = request.context.and_then(|context| context.arguments);
        let operation = Complete {
            target,
            argument: request.argument.name,
            value: request.argument.value,
            context: settled.unwrap_or_default().into_iter().collect(),
        };
        match self.perform(operation, Resume::default(), &context).await? {
            Step::Done(completed) => Ok(result::completion(completed)),
            Step::InputRequired(_) => Err(ErrorData::internal_error(
                "a completion cannot ask for input",
                None,
            )),
        }
    }
}

/// Why there is no result.
enum Unperformed {
    Invoke(InvokeError),
    Draining(Draining),
    Cancelled,
}

impl From<Unperformed> for ErrorData {
    fn from(unperformed: Unperformed) -> Self {
        match unperformed {
            Unperformed::Invoke(error) => result::error(&error),
            Unperformed::Draining(draining) => Self::internal_error(draining.to_string(), None),
            Unperformed::Cancelled => cancelled(),
        }
    }
}

/// Whether a request is of a revision without handshake: those say their version themselves.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.meta.protocol_version().is_some()
}

/// What a client has come back with.
fn resume(answers: Option<InputResponses>, state: Option<String>) -> Resume {
    Resume {
        state,
        answers: answers.unwrap_or_default(),
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        // Whatever there is now: a reload may bring the rest.
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tasks()
            .build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("sandglass", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn initialize(
        &self,
        client: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.handshake(&client);
        context.peer.set_peer_info(client);
        result
    }

    // Handshake revisions tell of changes in the session's own stream; over HTTP that is another connection.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Connection::Session(session) = &self.connection else {
            return;
        };
        session.teller.get_or_init(|| {
            let telling = changes::tell_session(self.news(), Arc::clone(session), context.peer);
            AbortOnDropHandle::new(tokio::spawn(telling))
        });
    }

    // 2026-07-28 has a stream for that, which a client asks for.
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let Requester { tenant, caller } = &self.requester;
        let visible = self.app.invoker.visible(tenant, caller);
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.truncate(MAX_WATCHED);
            uris.retain(|uri| visible.reader(uri).is_ok());
        }
        Some(accepted)
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        changes::tell_subscription(self.news(), &subscription).await;
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let visible = self.visible(&context);
        visible
            .reader(&request.uri)
            .map_err(|error| result::error(&error))?;
        match &self.connection {
            Connection::Session(session) => {
                let account = self.account(&context)?;
                session.watched.add(request.uri, account.subscriptions())
            }
            Connection::None => Err(ErrorData::invalid_request(
                "a subscription needs a session: call `initialize` first",
                None,
            )),
        }
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if let Connection::Session(session) = &self.connection {
            session.watched.remove(&request.uri);
        }
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        answered(self.list(&context, |visible| pages::tools(visible, request))).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        answered(self.call(request, context)).await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        answered(self.list(&context, |visible| pages::prompts(visible, request))).await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let operation = GetPrompt {
            name: request.name,
            arguments: request.arguments.unwrap_or_default(),
        };
        let resume = resume(request.input_responses, request.request_state);
        answered(async {
            Ok(match self.perform(operation, resume, &context).await? {
                Step::Done(prompt) => result::prompt(prompt).into(),
                Step::InputRequired(required) => questions::result(required)?.into(),
            })
        })
        .await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        answered(self.list(&context, |visible| pages::resources(visible, request))).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        answered(self.list(&context, |visible| pages::templates(visible, request))).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let operation = ReadResource { uri: request.uri };
        let resume = resume(request.input_responses, request.request_state);
        answered(async {
            Ok(match self.perform(operation, resume, &context).await? {
                Step::Done(contents) => result::resource(&contents).into(),
                Step::InputRequired(required) => questions::result(required)?.into(),
            })
        })
        .await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let asks = self.requester(&context);
        answered(async {
            Ok(GetTaskResult::new(
                self.app.tasks.get(&request.task_id, asks).await?,
            ))
        })
        .await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let asks = self.requester(&context).clone();
        let (id, answers) = (request.task_id, request.input_responses);
        let trace = trace_parent(&context);
        answered(self.app.tasks.update(id, answers, asks, trace)).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let asks = self.requester(&context).clone();
        answered(self.app.tasks.cancel(request.task_id, asks)).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        answered(self.completion(request, context)).await
    }

    // Asked for each `tools/call`, to check `Mcp-Param-*` headers: the output schema is not needed.
    fn get_tool(&self, name: &str) -> Option<McpTool> {
        let Requester { tenant, caller } = &self.requester;
        let tool = self.app.invoker.visible(tenant, caller).tool(name).ok()?;
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
            let (name, problem) = unreadable_call(&params.unwrap_or_default())
                .inspect_err(|_| self.refused(Reason::Unreadable, &context))?;
            let mut result = self.refuse_call(name, problem, &context);
            if context.meta.protocol_version().is_none() {
                // Handshake revisions have no result types.
                result.result_type = None;
            }
            return Ok(CustomResult::new(
                serde_json::to_value(result).unwrap_or_default(),
            ));
        }
        let legacy = [
            PingRequestMethod::VALUE,
            InitializeResultMethod::VALUE,
            SetLevelRequestMethod::VALUE,
            SubscribeRequestMethod::VALUE,
            UnsubscribeRequestMethod::VALUE,
        ];
        if is_modern(&context) && legacy.contains(&method.as_str()) {
            return Err(unknown_method(&method));
        }
        let known = [
            ListToolsRequestMethod::VALUE,
            ListPromptsRequestMethod::VALUE,
            GetPromptRequestMethod::VALUE,
            ListResourcesRequestMethod::VALUE,
            ListResourceTemplatesRequestMethod::VALUE,
            ReadResourceRequestMethod::VALUE,
            SubscribeRequestMethod::VALUE,
            UnsubscribeRequestMethod::VALUE,
            CompleteRequestMethod::VALUE,
            SubscriptionsListenRequestMethod::VALUE,
            GetTaskMethod::VALUE,
            UpdateTaskMethod::VALUE,
            CancelTaskMethod::VALUE,
            SetLevelRequestMethod::VALUE,
            InitializeResultMethod::VALUE,
        ];
        if known.contains(&method.as_str()) {
            self.refused(Reason::Unreadable, &context);
            let text = format!("Invalid params: they are not those of {method}");
            return Err(ErrorData::invalid_params(text, None));
        }
        Err(unknown_method(&method))
    }
}

/// A `tools/call` with a name and odd arguments is a call: its name, and what is odd. Without a name it is none at all.
fn unreadable_call(params: &Value) -> Result<(String, &'static str), ErrorData> {
    let text = match params.get("name") {
        Some(Value::String(name)) => {
            let is_object = |key| params.get(key).is_none_or(Value::is_object);
            let text = if !is_object("arguments") {
                "`arguments` must be an object"
            } else if !is_object("inputResponses") {
                "`inputResponses` must be an object"
            } else if params
                .get("requestState")
                .is_some_and(|state| !state.is_string())
            {
                "`requestState` must be a string"
            } else {
                let text =
                    "Invalid params: they are not those of tools/call, or a key is there twice";
                return Err(ErrorData::invalid_params(text, None));
            };
            return Ok((name.clone(), text));
        }
        Some(_) => "Invalid params: `name` must be a string",
        None => "Invalid params: `name` is required",
    };
    Err(ErrorData::invalid_params(text, None))
}

fn unknown_method(method: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::METHOD_NOT_FOUND,
        format!("Method not found: {}", Line::name(method)),
        None,
    )
}

/// A panic becomes an answer: rmcp leaves a request whose handler panicked without any. The work is on the heap, for
/// rmcp's own future has a place for the largest of all methods' futures and is moved several times.
fn answered<'a, T: Send + 'a>(
    work: impl Future<Output = Result<T, ErrorData>> + Send + 'a,
) -> impl Future<Output = Result<T, ErrorData>> + Send + 'a {
    let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
    work.map(|answer| {
        answer.unwrap_or_else(|panic| {
            telemetry::log_panic(&*panic, "an MCP handler");
            Err(ErrorData::internal_error(
                InvokeError::Internal.to_string(),
                None,
            ))
        })
    })
}

fn cancelled() -> ErrorData {
    ErrorData::internal_error("The call was cancelled", None)
}

/// The request's own place in a trace (MCP, `_meta.traceparent`), else the HTTP header's.
fn trace_parent(context: &RequestContext<RoleServer>) -> Option<TraceParent> {
    if let Some(Value::String(text)) = context.meta.0.0.get("traceparent") {
        return text.parse().ok();
    }
    TraceParent::of(&context.extensions.get::<http::request::Parts>()?.headers)
}

/// Whether a token is one that is told with each step: what is longer is none.
fn is_short(token: &ProgressToken) -> bool {
    match &token.0 {
        NumberOrString::Number(_) => true,
        NumberOrString::String(text) => text.len() <= MAX_TOKEN,
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

    #[test]
    fn a_call_that_cannot_be_read_is_told_why_and_nothing_else() {
        use serde_json::json;

        for params in [
            json!({"name": "t", "arguments": 1}),
            json!({"name": "t", "inputResponses": []}),
            json!({"name": "t", "requestState": 1}),
        ] {
            let (odd, _) = params.as_object().unwrap().iter().nth(1).unwrap();
            let (name, text) = unreadable_call(&params).unwrap();
            assert_eq!(name, "t");
            assert!(text.contains(&format!("`{odd}` must be")), "{text}");
        }
        for (params, reason) in [
            (json!({}), "`name` is required"),
            (json!({"name": 1}), "`name` must be a string"),
            (
                json!({"name": "t", "arguments": {}}),
                "a key is there twice",
            ),
        ] {
            let error = unreadable_call(&params).unwrap_err();
            assert!(error.message.contains(reason), "{}", error.message);
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_keeps_its_message_to_the_log() {
        let error = answered::<()>(async { panic!("the secret reason") })
            .await
            .unwrap_err();
        assert_eq!(error.code, rmcp::model::ErrorCode::INTERNAL_ERROR);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
