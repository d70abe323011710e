//! A tool as the component that has it sees it.

use schemars::JsonSchema;

use crate::{
    contract::{
        CallError, CallRequest, Outcome, Success, TaskSupport, ToolAnnotations, ToolDescription,
    },
    input_required, schema,
};

/// What `#[tool]` makes of a function.
pub trait ToolFunction {
    /// The tool's name.
    const NAME: &'static str;

    /// What `list-tools` says about it.
    fn describe() -> ToolDescription;

    /// Reads the arguments, runs the function and writes its result.
    ///
    /// # Errors
    /// The arguments don't fit, or the function failed.
    fn call(arguments: &str) -> Result<Success, CallError>;
}

/// What the attributes of a function say about its tool.
pub struct Summary {
    /// The tool's name.
    pub name: &'static str,
    /// Its title, for people.
    pub title: Option<&'static str>,
    /// Its doc comment.
    pub description: &'static str,
    /// Its hints.
    pub annotations: Option<ToolAnnotations>,
    /// Whether it may, or must, run as a task.
    pub task: Option<TaskSupport>,
    /// The schema of its arguments, where their types do not say it.
    pub input_schema: Option<&'static str>,
}

impl Summary {
    /// The whole description of a tool with these arguments and this schema of its result.
    pub fn describe<Arguments: JsonSchema>(self, output_schema: Option<String>) -> ToolDescription {
        ToolDescription {
            name: self.name.to_owned(),
            title: self.title.map(str::to_owned),
            description: Some(self.description.to_owned()),
            input_schema: self
                .input_schema
                .map_or_else(schema::of_arguments::<Arguments>, str::to_owned),
            output_schema,
            annotations: self.annotations,
            task_support: self.task,
            icons: Vec::new(),
            meta: None,
        }
    }
}

/// A tool in the list that [`export!`](crate::export) makes.
#[derive(Clone, Copy)]
pub struct Tool {
    name: &'static str,
    describe: fn() -> ToolDescription,
    call: fn(&str) -> Result<Success, CallError>,
}

impl Tool {
    /// The tool that `#[tool]` made of a function.
    #[doc(hidden)]
    pub const fn of<T: ToolFunction>() -> Self {
        Self {
            name: T::NAME,
            describe: T::describe,
            call: T::call,
        }
    }
}

/// Compiles only if no two tools have the same name.
///
/// # Panics
/// If two have; it is called while the component is compiled.
pub const fn check_names(tools: &[Tool]) {
    let mut i = 0;
    while i < tools.len() {
        let mut j = i + 1;
        while j < tools.len() {
            assert!(
                !equal(tools[i].name.as_bytes(), tools[j].name.as_bytes()),
                "two tools in `export!` have the same name: give one another with `#[tool(name = \"..\")]`"
            );
            j += 1;
        }
        i += 1;
    }
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The contract's `list-tools`.
pub fn list(tools: &[Tool]) -> Vec<ToolDescription> {
    tools.iter().map(|tool| (tool.describe)()).collect()
}

/// The contract's `call-tool`.
pub fn call(tools: &[Tool], request: &CallRequest) -> Outcome {
    let Some(tool) = tools.iter().find(|tool| tool.name == request.name) else {
        return Outcome::Failed(CallError::UnknownTool(request.name.clone()));
    };
    input_required::begin(request.continuation.clone());
    match (tool.call)(&request.arguments) {
        Ok(success) => Outcome::Done(success),
        Err(error) => {
            input_required::asked().map_or(Outcome::Failed(error), Outcome::InputRequired)
        }
    }
}
