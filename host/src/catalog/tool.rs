//! A tool as callers see it.

use std::sync::Arc;

use sandglass_text::Line;
use serde_json::{Map, Value};

use super::checked::{self, Unfit};
use super::definition::Definition;
use super::guest::Guest;
use super::seen;
use crate::sandbox::bindings;
use crate::schema::{Account, Schema, SchemaError};

/// A tool of a loaded component, checked and ready to be called.
pub struct Tool {
    /// Its name in the catalog, with the source's prefix.
    pub name: String,
    /// Its name inside the component.
    pub own_name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The schema of its arguments.
    pub input: Schema,
    /// The schema of its value, unwrapped.
    pub output: Option<Schema>,
    /// Hints about its behaviour.
    pub annotations: Option<bindings::ToolAnnotations>,
    /// Whether it may, or must, run as a task.
    pub task_support: bindings::TaskSupport,
    /// Images for clients to show.
    pub icons: Vec<bindings::Icon>,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// What a model is told of it, told apart.
    pub definition: Definition,
    /// What runs it.
    pub guest: Arc<Guest>,
}

/// Why a tool is refused. Its component is left out with it.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// What it says of itself.
    #[error("tool `{0}`: {1}")]
    Unfit(Line, Unfit),
    /// The input schema.
    #[error("tool `{0}`: its input schema {1}")]
    Input(String, SchemaError),
    /// The output schema.
    #[error("tool `{0}`: its output schema {1}")]
    Output(String, SchemaError),
}

impl Tool {
    /// Checks what the component says of a tool. `name` has the source's prefix; the component's account pays for the
    /// schemas.
    pub fn new(
        described: bindings::Tool,
        name: String,
        guest: Arc<Guest>,
        account: &mut Account,
    ) -> Result<Self, ToolError> {
        let definition = Definition::of(&described);
        let own_name = described.name.clone();
        let unfit = |unfit| ToolError::Unfit(Line::name(&own_name), unfit);
        for name in [&own_name, &name] {
            checked::check_name(name).map_err(unfit)?;
        }
        let meta = checked::read_meta(described.meta.as_ref()).map_err(unfit)?;
        let input = Schema::compile_object(&described.input_schema, account)
            .map_err(|error| ToolError::Input(own_name.clone(), error))?;
        let output = described.output_schema.as_ref();
        let output = output
            .map(|text| Schema::compile(text, account))
            .transpose()
            .map_err(|error| ToolError::Output(own_name.clone(), error))?;
        seen::check_tool(&described, &input, output.as_ref(), meta.as_ref())
            .map_err(|found| unfit(found.into()))?;
        Ok(Self {
            name,
            own_name,
            title: described.title,
            description: described.description,
            input,
            output,
            annotations: described.annotations,
            task_support: described
                .task_support
                .unwrap_or(bindings::TaskSupport::Forbidden),
            icons: described.icons,
            meta,
            definition,
            guest,
        })
    }
}
