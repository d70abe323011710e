//! A function that is a tool, as its text describes it.

use serde_json::Value;

use crate::types::{Property, Type, object};

/// An exported function that is a tool.
#[derive(Debug, PartialEq)]
pub struct Tool {
    /// The tool's name.
    pub name: String,
    /// The name under which the module exports the function.
    pub export: String,
    /// What it does.
    pub description: Option<String>,
    /// In the function's order.
    pub parameters: Vec<Parameter>,
    /// The type of the result, where it is said.
    pub returns: Option<Type>,
}

/// A parameter of a tool.
#[derive(Debug, PartialEq)]
pub struct Parameter {
    /// As a property of the arguments.
    pub property: Property,
    /// What the function itself takes in its place, where that is a plain value.
    pub default: Option<Value>,
}

impl Tool {
    /// The JSON Schema of its arguments.
    pub fn input_schema(&self) -> Value {
        let properties: Vec<Property> = self
            .parameters
            .iter()
            .map(|parameter| parameter.property.clone())
            .collect();
        let mut schema = Value::Object(object(&properties));
        for Parameter { property, default } in &self.parameters {
            if let Some(default) = default {
                schema["properties"][&property.name]["default"] = default.clone();
            }
        }
        schema
    }

    /// The JSON Schema of its result; none where nothing is said or nothing is given back.
    pub fn output_schema(&self) -> Option<Value> {
        let returns = self.returns.as_ref()?;
        let says = !returns.may_be_nothing() && *returns != Type::Any;
        says.then(|| Value::Object(returns.schema()))
    }

    /// The names of its parameters, in the function's order.
    pub fn parameter_names(&self) -> Vec<String> {
        let names = self.parameters.iter();
        names
            .map(|parameter| parameter.property.name.clone())
            .collect()
    }
}
