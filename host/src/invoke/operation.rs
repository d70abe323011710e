//! What can be asked for, and how it differs: where it is found, what is checked before and after its guest runs.

use std::borrow::Cow;
use std::sync::Arc;

use sandglass_text::Line;
use serde_json::{Map, Value};

use super::call::{CallTool, Complete, GetPrompt, ReadResource, ToolOutput};
use super::error::InvokeError;
use super::outcome::Ending;
use super::rounded;
use super::visible::Visible;
use crate::catalog::{Guest, Prompt, Tool};
use crate::sandbox::bindings::{
    CallError, CallRequest, CompletionRequest, CompletionResult, CompletionTarget, Content,
    Continuation, Outcome, PromptError, PromptResult, Question, ReadError, ResourceContents,
    Success,
};
use crate::sandbox::{Lane, PromptRequest, ReadRequest, Request, SHORT};

/// Suggestions that are passed on (MCP, "Completion": at most 100).
const MAX_COMPLETIONS: usize = 100;

/// Bytes of JSON that are read in no time.
const SHORT_TEXT: usize = 64 << 10;

/// What a caller can ask for.
pub trait Operation: Send + Sync + Sized + 'static {
    /// What of the catalog it is about.
    type Target: Target;
    /// What its guest is given.
    type Request: Request;
    /// What comes of it.
    type Output: Ending + Send;

    /// What is asked for, in the audit, where it is not there.
    fn asked_for(&self) -> Cow<'_, str>;

    /// The arguments, for the audit's hash.
    fn arguments(&self) -> String;

    /// Finds what is asked for, as far as it is the caller's.
    fn find(&self, visible: &Visible<'_>) -> Result<Self::Target, InvokeError>;

    /// Whether checking the arguments is long work, for the call's lane.
    fn is_long(&mut self, _target: &Self::Target) -> bool {
        false
    }

    /// Checks the arguments. What comes of that is what the guest is given.
    fn prepare(&mut self, target: &Self::Target) -> Result<(), InvokeError>;

    /// What the guest is given, in a call that goes on after the questions that it returned.
    fn request(&self, target: &Self::Target, continuation: Option<Continuation>) -> Self::Request;

    /// From what the guest handed over to what is sent on. What is long of that is done in the call's lane.
    fn conclude(
        target: &Self::Target,
        reply: <Self::Request as Request>::Reply,
        lane: &Lane,
    ) -> impl Future<Output = Result<Conclusion<Self::Output>, InvokeError>> + Send;
}

/// Something of the catalog.
pub trait Target: Send + Sync + 'static {
    /// Its name in the audit, the usage and the metrics.
    fn label(&self) -> Cow<'_, str>;
    /// What runs it.
    fn guest(&self) -> &Arc<Guest>;
}

/// What a guest returned.
pub enum Conclusion<T> {
    /// A result.
    Done(T),
    /// Questions, and what it wants to be given again with the answers.
    Asks(Vec<Question>, Option<String>),
}

impl Target for Arc<Tool> {
    fn label(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Operation for CallTool {
    type Target = Arc<Tool>;
    type Request = CallRequest;
    type Output = ToolOutput;

    fn asked_for(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn arguments(&self) -> String {
        serde_json::to_string(&self.arguments).unwrap_or_default()
    }

    fn find(&self, visible: &Visible<'_>) -> Result<Arc<Tool>, InvokeError> {
        visible.tool(&self.name)
    }

    fn is_long(&mut self, tool: &Arc<Tool>) -> bool {
        let arguments = Value::Object(std::mem::take(&mut self.arguments));
        let is_long = tool.input.may_take(&arguments, SHORT);
        if let Value::Object(arguments) = arguments {
            self.arguments = arguments;
        }
        is_long
    }

    fn prepare(&mut self, tool: &Arc<Tool>) -> Result<(), InvokeError> {
        let mut arguments = Value::Object(std::mem::take(&mut self.arguments));
        tool.input.make_integral(&mut arguments);
        let checked = tool.input.check(&arguments);
        if let Value::Object(arguments) = arguments {
            self.arguments = arguments;
        }
        checked.map_err(InvokeError::InvalidArguments)
    }

    fn request(&self, tool: &Arc<Tool>, continuation: Option<Continuation>) -> CallRequest {
        CallRequest {
            name: tool.own_name.clone(),
            arguments: self.arguments(),
            meta: self
                .meta
                .as_ref()
                .and_then(|meta| serde_json::to_string(meta).ok()),
            continuation,
        }
    }

    async fn conclude(
        tool: &Arc<Tool>,
        outcome: Outcome,
        lane: &Lane,
    ) -> Result<Conclusion<ToolOutput>, InvokeError> {
        match outcome {
            Outcome::Done(success) => conclude_success(tool, success, lane)
                .await
                .map(Conclusion::Done),
            Outcome::Failed(CallError::Failed(message)) => Err(InvokeError::Failed(message)),
            Outcome::Failed(CallError::InvalidArguments(message)) => {
                Err(InvokeError::InvalidArguments(message))
            }
            Outcome::Failed(CallError::UnknownTool(_)) => Err(InvokeError::InvalidResult(
                "it lists this tool and does not know it".to_owned(),
            )),
            Outcome::InputRequired(asks) => Ok(Conclusion::Asks(asks.questions, asks.state)),
        }
    }
}

/// A success whose texts are read.
struct Read {
    value: Option<Value>,
    meta: Option<Map<String, Value>>,
    content: Option<Vec<Content>>,
    is_error: bool,
}

impl Read {
    fn new(success: Success) -> Result<Self, InvokeError> {
        Ok(Self {
            value: parse("value", success.value)?,
            meta: parse("`_meta`", success.meta)?,
            content: success.content,
            is_error: success.is_error,
        })
    }

    /// Whether checking it is long work.
    fn is_long(&self, tool: &Tool) -> bool {
        match (&tool.output, &self.value) {
            (Some(schema), Some(value)) if !self.is_error => schema.may_take(value, SHORT),
            _ => false,
        }
    }
}

async fn conclude_success(
    tool: &Arc<Tool>,
    success: Success,
    lane: &Lane,
) -> Result<ToolOutput, InvokeError> {
    let tool = Arc::clone(tool);
    let texts = [&success.value, &success.meta].into_iter().flatten();
    if texts.map(String::len).sum::<usize>() > SHORT_TEXT {
        return lane
            .run_through(move || check_success(&tool, Read::new(success)?))
            .await;
    }
    let success = Read::new(success)?;
    if success.is_long(&tool) {
        return lane
            .run_through(move || check_success(&tool, success))
            .await;
    }
    check_success(&tool, success)
}

fn check_success(tool: &Tool, success: Read) -> Result<ToolOutput, InvokeError> {
    let mut value = success.value;
    let mut wrap = value.as_ref().is_some_and(|value| !value.is_object());
    if let (Some(schema), false) = (&tool.output, success.is_error) {
        // To a guest's language a function that returns nothing may be one that returns null.
        if value.is_none() && schema.check(&Value::Null).is_ok() {
            value = Some(Value::Null);
        }
        match &value {
            Some(value) => schema.check_result(value).map_err(|error| {
                InvokeError::InvalidResult(format!("it does not match the output schema: {error}"))
            })?,
            None => {
                return Err(InvokeError::InvalidResult(
                    "it has an output schema and returned no value".to_owned(),
                ));
            }
        }
        wrap = !schema.is_object();
    }
    Ok(ToolOutput {
        value,
        content: success.content,
        is_error: success.is_error,
        meta: success.meta,
        wrap,
    })
}

fn parse<T: serde::de::DeserializeOwned>(
    what: &str,
    text: Option<String>,
) -> Result<Option<T>, InvokeError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed = serde_json::from_str(&text)
        .map_err(|error| InvokeError::InvalidResult(format!("its {what} is not JSON: {error}")))?;
    match rounded::integer(&text) {
        None => Ok(Some(parsed)),
        Some(integer) => Err(InvokeError::InvalidResult(format!(
            "its {what} {integer}, and would be rounded: give integers beyond 64 bits as text, or as floats"
        ))),
    }
}

impl Target for Arc<Prompt> {
    fn label(&self) -> Cow<'_, str> {
        Cow::Owned(format!("prompt:{}", self.name))
    }

    fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Operation for GetPrompt {
    type Target = Arc<Prompt>;
    type Request = PromptRequest;
    type Output = PromptResult;

    fn asked_for(&self) -> Cow<'_, str> {
        Cow::Owned(format!("prompt:{}", self.name))
    }

    fn arguments(&self) -> String {
        serde_json::to_string(&self.arguments).unwrap_or_default()
    }

    fn find(&self, visible: &Visible<'_>) -> Result<Arc<Prompt>, InvokeError> {
        visible.prompt(&self.name)
    }

    fn prepare(&mut self, prompt: &Arc<Prompt>) -> Result<(), InvokeError> {
        let known = &prompt.described.arguments;
        for (name, value) in &self.arguments {
            if !known.iter().any(|argument| argument.name == *name) {
                let text = format!("{} has no argument `{}`", prompt.name, Line::name(name));
                return Err(InvokeError::InvalidArguments(text));
            }
            if !value.is_string() {
                let text = format!("`{name}` must be a string: a prompt's arguments are text");
                return Err(InvokeError::InvalidArguments(text));
            }
        }
        let missing = known
            .iter()
            .find(|argument| argument.required && !self.arguments.contains_key(&argument.name));
        match missing {
            None => Ok(()),
            Some(argument) => {
                let text = format!("`{}` is required", argument.name);
                Err(InvokeError::InvalidArguments(text))
            }
        }
    }

    fn request(&self, prompt: &Arc<Prompt>, _: Option<Continuation>) -> PromptRequest {
        let text =
            |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        PromptRequest {
            name: prompt.described.name.clone(),
            arguments: self.arguments.iter().filter_map(text).collect(),
        }
    }

    async fn conclude(
        prompt: &Arc<Prompt>,
        reply: Result<PromptResult, PromptError>,
        _: &Lane,
    ) -> Result<Conclusion<PromptResult>, InvokeError> {
        match reply {
            Ok(result) => Ok(Conclusion::Done(result)),
            Err(PromptError::InvalidArguments(message)) => {
                Err(InvokeError::InvalidArguments(message))
            }
            Err(PromptError::Failed(message)) => Err(InvokeError::Failed(message)),
            Err(PromptError::UnknownPrompt(_)) => Err(InvokeError::InvalidResult(format!(
                "{} is listed, and its component does not know it",
                prompt.name
            ))),
        }
    }
}

/// A resource and what reads it.
pub struct Readable {
    name: String,
    guest: Arc<Guest>,
    uri: String,
}

impl Target for Readable {
    fn label(&self) -> Cow<'_, str> {
        Cow::Owned(format!("resource:{}", self.name))
    }

    fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Operation for ReadResource {
    type Target = Readable;
    type Request = ReadRequest;
    type Output = Vec<ResourceContents>;

    fn asked_for(&self) -> Cow<'_, str> {
        Cow::Owned(format!("resource:{}", self.uri))
    }

    fn arguments(&self) -> String {
        self.uri.clone()
    }

    fn find(&self, visible: &Visible<'_>) -> Result<Readable, InvokeError> {
        let reader = visible.reader(&self.uri)?;
        Ok(Readable {
            name: reader.name.to_owned(),
            guest: Arc::clone(reader.guest),
            uri: self.uri.clone(),
        })
    }

    fn prepare(&mut self, _: &Readable) -> Result<(), InvokeError> {
        Ok(())
    }

    fn request(&self, _: &Readable, _: Option<Continuation>) -> ReadRequest {
        ReadRequest {
            uri: self.uri.clone(),
        }
    }

    async fn conclude(
        readable: &Readable,
        reply: Result<Vec<ResourceContents>, ReadError>,
        _: &Lane,
    ) -> Result<Conclusion<Vec<ResourceContents>>, InvokeError> {
        match reply {
            // Nothing at all is no content (MCP 2026-07-28, "Resources: Error Handling").
            Ok(contents) if contents.is_empty() => {
                Err(InvokeError::UnknownResource(readable.uri.clone()))
            }
            Ok(contents) => Ok(Conclusion::Done(contents)),
            Err(ReadError::NotFound) => Err(InvokeError::UnknownResource(readable.uri.clone())),
            Err(ReadError::Failed(message)) => Err(InvokeError::Failed(message)),
        }
    }
}

/// What has an argument to complete.
pub struct Completable {
    label: String,
    guest: Arc<Guest>,
    /// As its component knows it.
    target: CompletionTarget,
    /// Whether its component completes, and it has this argument.
    can: bool,
}

impl Target for Completable {
    fn label(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.label)
    }

    fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Operation for Complete {
    type Target = Completable;
    type Request = CompletionRequest;
    type Output = CompletionResult;

    fn asked_for(&self) -> Cow<'_, str> {
        Cow::Owned(match &self.target {
            CompletionTarget::Prompt(name) => format!("prompt:{name}"),
            CompletionTarget::Resource(template) => format!("resource:{template}"),
        })
    }

    fn arguments(&self) -> String {
        self.value.clone()
    }

    fn find(&self, visible: &Visible<'_>) -> Result<Completable, InvokeError> {
        match &self.target {
            CompletionTarget::Prompt(name) => {
                let prompt = visible.prompt(name)?;
                let mut arguments = prompt.described.arguments.iter();
                Ok(Completable {
                    label: prompt.label().into_owned(),
                    target: CompletionTarget::Prompt(prompt.described.name.clone()),
                    can: arguments.any(|argument| argument.name == self.argument),
                    guest: Arc::clone(&prompt.guest),
                })
            }
            CompletionTarget::Resource(text) => {
                let template = visible.template(text)?;
                Ok(Completable {
                    label: format!("resource:{text}"),
                    target: self.target.clone(),
                    can: template.template.variables().contains(&self.argument),
                    guest: Arc::clone(&template.guest),
                })
            }
        }
    }

    fn prepare(&mut self, target: &Completable) -> Result<(), InvokeError> {
        if target.can {
            return Ok(());
        }
        let text = format!("there is no argument `{}`", self.argument);
        Err(InvokeError::InvalidArguments(text))
    }

    fn request(&self, target: &Completable, _: Option<Continuation>) -> CompletionRequest {
        let context = self.context.iter();
        CompletionRequest {
            target: target.target.clone(),
            argument: self.argument.clone(),
            value: self.value.clone(),
            context: context
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    async fn conclude(
        _: &Completable,
        reply: Result<CompletionResult, String>,
        _: &Lane,
    ) -> Result<Conclusion<CompletionResult>, InvokeError> {
        let mut result = reply.map_err(InvokeError::Failed)?;
        if result.values.len() > MAX_COMPLETIONS {
            let count = result.values.len() as u64;
            result.total.get_or_insert(count);
            result.values.truncate(MAX_COMPLETIONS);
            result.has_more = true;
        }
        Ok(Conclusion::Done(result))
    }
}
