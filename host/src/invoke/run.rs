//! The path of a call, from the catalog through the sandbox and back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Map, Value};

use super::account::Account;
use super::call::{Call, CallTool, Completed, Operation, ToolOutput};
use super::error::InvokeError;
use super::ledger::Ledger;
use super::tenant::{Caller, TenantId};
use super::visible::VisibleTools;
use crate::catalog::{Catalog, Tool};
use crate::sandbox::bindings::{CallError, CallRequest, Outcome, Success};
use crate::sandbox::{Observer, Usage};
use crate::telemetry;

/// Runs calls against the catalog.
#[derive(Clone)]
pub struct Invoker {
    catalog: Arc<Catalog>,
    ledger: Arc<Ledger>,
}

impl Invoker {
    /// An invoker for this catalog, whose calls are charged to this ledger.
    pub fn new(catalog: Arc<Catalog>, ledger: Arc<Ledger>) -> Self {
        Self { catalog, ledger }
    }

    /// The catalog that it calls.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What its calls are charged to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A tenant's tools, as far as they are the caller's to see.
    pub fn tools<'a>(&self, tenant: &TenantId, caller: &'a Caller) -> VisibleTools<'a> {
        VisibleTools::new(self.catalog.snapshot().tenant(tenant), caller)
    }

    /// Runs a call to its end. A panic on the way is an error of this call alone.
    pub async fn run(&self, call: Call) -> Completed {
        AssertUnwindSafe(self.dispatch(call))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| {
                telemetry::log_panic(&*panic, "a call");
                refused(InvokeError::Internal)
            })
    }

    async fn dispatch(&self, call: Call) -> Completed {
        let Operation::CallTool(request) = call.operation;
        let Some(mut account) = self.ledger.open(&call.tenant, &call.caller, call.trace) else {
            return refused(InvokeError::UnknownTool(request.name));
        };
        let tool = match self.tools(&call.tenant, &call.caller).find(&request.name) {
            Ok(tool) => tool,
            Err(error) => {
                account.of_no_tool(&request.name);
                account.refused_arguments(&Value::Object(request.arguments));
                return account.close(Err(error));
            }
        };
        account.of(&tool);
        let completed = call_tool(&tool, request, call.observer, account).await;
        tracing::debug!(
            target: telemetry::CALLS,
            tenant = %call.tenant,
            caller = ?call.caller,
            tool = tool.name,
            fuel = completed.usage.fuel,
            peak_memory = completed.usage.peak_memory,
            microseconds = completed.usage.duration.as_micros(),
            error = completed.result.as_ref().err().map(tracing::field::display),
            "called"
        );
        completed
    }
}

fn refused(error: InvokeError) -> Completed {
    Completed {
        result: Err(error),
        usage: Usage::default(),
    }
}

async fn call_tool(
    tool: &Tool,
    request: CallTool,
    observer: Arc<dyn Observer>,
    mut account: Account,
) -> Completed {
    let mut arguments = Value::Object(request.arguments);
    tool.input.make_integral(&mut arguments);
    if let Err(error) = tool.input.check(&arguments) {
        account.refused_arguments(&arguments);
        return account.close(Err(InvokeError::InvalidArguments(error)));
    }
    let request = CallRequest {
        name: tool.own_name.clone(),
        arguments: arguments.to_string(),
        meta: request.meta.map(|meta| Value::Object(meta).to_string()),
        continuation: None,
    };
    account.arguments(&request.arguments);
    if let Err(refusal) = account.admit(tool).await {
        return account.close(Err(refusal));
    }
    let lane = account.lane();
    let (outcome, account) = tool
        .component
        .call(
            request,
            &tool.limits,
            &tool.grants,
            observer,
            &lane,
            account,
        )
        .await;
    account.close(match outcome {
        Ok(outcome) => conclude(tool, outcome),
        Err(fault) => Err(fault.into()),
    })
}

/// From what the guest handed over to what is sent on.
fn conclude(tool: &Tool, outcome: Outcome) -> Result<ToolOutput, InvokeError> {
    match outcome {
        Outcome::Done(success) => check_success(tool, success),
        Outcome::Failed(CallError::Failed(message)) => Err(InvokeError::Failed(message)),
        Outcome::Failed(CallError::InvalidArguments(message)) => {
            Err(InvokeError::InvalidArguments(message))
        }
        Outcome::Failed(CallError::UnknownTool(_)) => Err(InvokeError::InvalidResult(
            "it lists this tool and does not know it".to_owned(),
        )),
        Outcome::InputRequired(_) => Err(InvokeError::Failed(
            "The tool asks for input, and this host does not ask questions yet".to_owned(),
        )),
    }
}

fn check_success(tool: &Tool, success: Success) -> Result<ToolOutput, InvokeError> {
    let value: Option<Value> = parse("value", success.value)?;
    let meta: Option<Map<String, Value>> = parse("`_meta`", success.meta)?;
    let mut wrap = value.as_ref().is_some_and(|value| !value.is_object());
    if let (Some(schema), false) = (&tool.output, success.is_error) {
        match &value {
            Some(value) => schema.check(value).map_err(|error| {
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
        meta,
        wrap,
    })
}

fn parse<T: serde::de::DeserializeOwned>(
    what: &str,
    text: Option<String>,
) -> Result<Option<T>, InvokeError> {
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| InvokeError::InvalidResult(format!("its {what} is not JSON: {error}")))
}
