//! Any component as tools: each of its exported functions, called with JSON.
//!
//! - [`shape`]: its types, bounded, as trees that have a JSON form.
//! - [`schema`]: their JSON schemas.
//! - [`lower`], [`lift`]: from JSON to component values, and back.
//! - [`names`], [`docs`]: the tools' names and descriptions.

mod docs;
mod lift;
mod lower;
mod names;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmtime::Store;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};

pub(super) use self::docs::Docs;
use self::schema::Way;
use self::shape::{Budget, Field, NoShape, Shape};
use super::bindings::{CallError, CallRequest, Outcome, Success, Tool};
use super::fault::OutputExceeded;
use super::state::CallState;

/// Exported functions of one component, tools or not.
const MAX_FUNCTIONS: usize = 1_000;

/// Bytes of one schema's JSON text.
const MAX_SCHEMA: usize = 128 << 10;

/// Bytes of all schemas of a component.
const MAX_SCHEMAS: usize = 4 << 20;

/// A component's exported functions as tools.
pub struct Reflected {
    pre: InstancePre<CallState>,
    functions: Vec<Function>,
}

/// An exported function that is no tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name in the component: `acme:math/ops@0.1.0#add`.
    pub function: String,
    /// Why.
    pub reason: String,
}

/// Why a component without tools of its own cannot be made some.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReflectError {
    /// Nothing is exported that could be called.
    #[error(
        "exports neither `sandglass:tool/tools@0.1.0` nor any function, so it has no tools: export functions from its WIT world, or make it with the Sandglass SDK (`export!`)"
    )]
    NoFunctions,
    /// A program.
    #[error(
        "is a command (it exports `wasi:cli/run`), which is run and not called, so it has no tools: build a library (`crate-type = [\"cdylib\"]`) that exports functions, or make it with the Sandglass SDK (`export!`)"
    )]
    Command,
    /// None of the functions can be a tool.
    #[error("exports no function that can be a tool: `{}`: {}{}", first.function, first.reason, if *others > 0 { format!(" (and {others} more)") } else { String::new() })]
    AllLeftOut {
        /// The first of them.
        first: LeftOut,
        /// How many more there are.
        others: usize,
    },
    /// Too much to hold for one component.
    #[error(
        "exports more than {MAX_FUNCTIONS} functions, or functions whose schemas are larger than {} MiB together: split it, or make it with the Sandglass SDK (`export!`)", MAX_SCHEMAS >> 20
    )]
    TooMuch,
}

/// Why one function is left out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LeftOutReason {
    #[error("an interface of WASI, which hosts call and models do not")]
    Wasi,
    #[error("componentize-py calls it when it builds the component, and nobody later")]
    ComponentizePy,
    #[error("its parameter `{0}` has {1}")]
    Parameter(String, NoShape),
    #[error("its result has {0}")]
    Result(NoShape),
    #[error("its schema is larger than {} KiB", MAX_SCHEMA >> 10)]
    Schema,
    #[error("its name as a tool has {length} characters; at most {limit} are allowed")]
    Name { length: usize, limit: usize },
    #[error("another function has the same name as a tool, `{0}`")]
    Twin(String),
}

/// A function that is a tool.
struct Function {
    tool: Tool,
    export: ComponentExportIndex,
    parameters: Vec<Field>,
    result: Option<Shape>,
}

impl Reflected {
    /// What of a component's exports can be tools, and what cannot.
    pub(super) fn new(
        component: &Component,
        pre: InstancePre<CallState>,
        docs: &Docs,
    ) -> Result<(Self, Vec<LeftOut>), ReflectError> {
        let (functions, left_out) = reflect(component, docs)?;
        Ok((Self { pre, functions }, left_out))
    }

    /// Its tools. The instance is only made to see that it can be.
    pub(super) async fn list_tools(
        &self,
        store: &mut Store<CallState>,
    ) -> wasmtime::Result<Vec<Tool>> {
        self.pre.instantiate_async(store).await?;
        let tools = self.functions.iter().map(|function| function.tool.clone());
        Ok(tools.collect())
    }

    /// Calls a tool. `limit` is that of the result's JSON text, in bytes.
    pub(super) async fn call(
        &self,
        store: &mut Store<CallState>,
        request: &CallRequest,
        limit: u64,
    ) -> wasmtime::Result<Outcome> {
        let function = self
            .functions
            .iter()
            .find(|function| function.tool.name == request.name);
        let Some(function) = function else {
            let unknown = CallError::UnknownTool(request.name.clone());
            return Ok(Outcome::Failed(unknown));
        };
        let arguments = match function.arguments(&request.arguments) {
            Ok(arguments) => arguments,
            Err(reason) => return Ok(Outcome::Failed(CallError::InvalidArguments(reason))),
        };
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let callee = instance
            .get_func(&mut *store, function.export)
            .expect("the export is one of this component's functions");
        let mut results = vec![Val::Bool(false); usize::from(function.result.is_some())];
        callee.call_async(store, &arguments, &mut results).await?;
        function.outcome(results.first(), limit)
    }
}

impl Function {
    fn arguments(&self, json: &str) -> Result<Vec<Val>, String> {
        let object: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        let values =
            lower::fields(&self.parameters, object).map_err(|misfit| misfit.to_string())?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// A result type at the top is not a value: `err` is the tool's failure.
    fn outcome(&self, value: Option<&Val>, limit: u64) -> wasmtime::Result<Outcome> {
        let (shape, value) = match (&self.result, value) {
            (Some(Shape::Result { ok, .. }), Some(Val::Result(Ok(value)))) => {
                (ok.as_deref(), value.as_deref())
            }
            (Some(Shape::Result { err, .. }), Some(Val::Result(Err(value)))) => {
                let words = words(err.as_deref(), value.as_deref(), limit)?;
                return Ok(Outcome::Failed(CallError::Failed(words)));
            }
            (shape, value) => (shape.as_ref(), value),
        };
        let value = match (shape, value) {
            (Some(shape), Some(value)) => Some(lift::text(shape, value, limit)?),
            _ => None,
        };
        Ok(Outcome::Done(Success {
            content: None,
            value,
            is_error: false,
            meta: None,
        }))
    }
}

/// An error for people: its text where it is one, else its JSON.
fn words(shape: Option<&Shape>, value: Option<&Val>, limit: u64) -> wasmtime::Result<String> {
    match (shape, value) {
        (_, Some(Val::String(text) | Val::Enum(text))) if text.len() as u64 > limit => {
            Err(OutputExceeded.into())
        }
        (_, Some(Val::String(text) | Val::Enum(text))) => Ok(text.clone()),
        (Some(shape), Some(value)) => lift::text(shape, value, limit),
        _ => Ok("The tool failed without saying why".to_owned()),
    }
}

fn reflect(
    component: &Component,
    docs: &Docs,
) -> Result<(Vec<Function>, Vec<LeftOut>), ReflectError> {
    let mut functions = Vec::new();
    let mut left_out = Vec::new();
    let mut schemas = 0;
    for export in exports(component)? {
        match export.function(docs) {
            Ok(function) => {
                let output = function.tool.output_schema.as_ref();
                schemas += function.tool.input_schema.len() + output.map_or(0, String::len);
                if schemas > MAX_SCHEMAS {
                    return Err(ReflectError::TooMuch);
                }
                functions.push((export, function));
            }
            Err(reason) => left_out.push(export.left_out(&reason)),
        }
    }
    let functions = without_twins(functions, &mut left_out);
    if !functions.is_empty() {
        return Ok((functions, left_out));
    }
    if left_out
        .iter()
        .any(|left_out| left_out.function.starts_with("wasi:cli/run@"))
    {
        return Err(ReflectError::Command);
    }
    let others = left_out.len().saturating_sub(1);
    Err(match left_out.into_iter().next() {
        None => ReflectError::NoFunctions,
        Some(first) => ReflectError::AllLeftOut { first, others },
    })
}

/// Two functions that fall on one name would call each other's place: both go.
fn without_twins(functions: Vec<(Export, Function)>, left_out: &mut Vec<LeftOut>) -> Vec<Function> {
    let mut count = std::collections::HashMap::<String, usize>::new();
    for (_, function) in &functions {
        *count.entry(function.tool.name.clone()).or_default() += 1;
    }
    let mut single = Vec::new();
    for (export, function) in functions {
        if count[&function.tool.name] == 1 {
            single.push(function);
        } else {
            left_out.push(export.left_out(&LeftOutReason::Twin(function.tool.name)));
        }
    }
    single
}

/// An exported function, at the root or of an exported interface.
struct Export {
    interface: Option<String>,
    name: String,
    index: ComponentExportIndex,
    ty: ComponentFunc,
}

/// All exported functions.
fn exports(component: &Component) -> Result<Vec<Export>, ReflectError> {
    let engine = component.engine();
    let mut found = Vec::new();
    let mut add = |interface: Option<(&str, &ComponentExportIndex)>, name: &str, ty| {
        if found.len() == MAX_FUNCTIONS {
            return Err(ReflectError::TooMuch);
        }
        let instance = interface.map(|(_, index)| index);
        found.push(Export {
            interface: interface.map(|(id, _)| id.to_owned()),
            name: name.to_owned(),
            index: component
                .get_export_index(instance, name)
                .expect("the component's type names its exports"),
            ty,
        });
        Ok(())
    };
    for (name, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => add(None, name, ty)?,
            ComponentItem::ComponentInstance(instance) => {
                let index = component
                    .get_export_index(None, name)
                    .expect("the component's type names its exports");
                for (function, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty {
                        add(Some((name, &index)), function, ty)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

impl Export {
    fn left_out(&self, reason: &LeftOutReason) -> LeftOut {
        LeftOut {
            function: match &self.interface {
                Some(interface) => format!("{interface}#{}", self.name),
                None => self.name.clone(),
            },
            reason: reason.to_string(),
        }
    }

    fn function(&self, docs: &Docs) -> Result<Function, LeftOutReason> {
        let interface = self.interface.as_deref();
        if interface.is_some_and(|interface| interface.starts_with("wasi:")) {
            return Err(LeftOutReason::Wasi);
        }
        if interface == Some("exports")
            && self.name == "init"
            && self
                .ty
                .params()
                .next()
                .is_some_and(|(name, _)| name == "app-name")
        {
            return Err(LeftOutReason::ComponentizePy);
        }
        let name = names::tool_name(interface, &self.name)?;
        let mut budget = Budget::default();
        let parameters = self
            .ty
            .params()
            .map(|(name, ty)| {
                budget
                    .field(name, &ty)
                    .map_err(|reason| LeftOutReason::Parameter(name.to_owned(), reason))
            })
            .collect::<Result<Vec<Field>, _>>()?;
        let result = self
            .ty
            .results()
            .next()
            .map(|ty| budget.shape(&ty))
            .transpose()
            .map_err(LeftOutReason::Result)?;
        let returned = match &result {
            Some(Shape::Result { ok, .. }) => ok.as_deref(),
            other => other.as_ref(),
        };
        let tool = Tool {
            name,
            title: None,
            description: docs.function(interface, &self.name),
            input_schema: bounded(&schema::object(&parameters, Way::In))?,
            output_schema: returned
                .map(|shape| bounded(&schema::schema(shape, Way::Out)))
                .transpose()?,
            annotations: None,
            task_support: None,
            icons: Vec::new(),
            meta: None,
        };
        Ok(Function {
            tool,
            export: self.index,
            parameters,
            result,
        })
    }
}

fn bounded(schema: &Value) -> Result<String, LeftOutReason> {
    let text = schema.to_string();
    if text.len() > MAX_SCHEMA {
        return Err(LeftOutReason::Schema);
    }
    Ok(text)
}
