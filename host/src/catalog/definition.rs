//! What a model is told of tools, prompts and resources, told apart by digest.

use std::collections::BTreeMap;

use sandglass_text::Line;
use serde::{Deserialize, Serialize};

use crate::sandbox::{Provided, bindings};
use crate::source::Digest;

/// The digest of each part of what a model is told of a tool, by the part's name. Equal definitions, equal tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Definition(BTreeMap<String, Digest>);

impl Definition {
    /// Of a tool as its component describes it.
    pub fn of(described: &bindings::Tool) -> Self {
        // Exhaustive: a part that is added to the contract belongs here.
        let bindings::Tool {
            name: _,
            title,
            description,
            input_schema,
            output_schema,
            annotations,
            task_support,
            icons,
            meta,
        } = described;
        let parts = [
            ("title", title.clone()),
            ("description", description.clone()),
            ("input schema", Some(input_schema.clone())),
            ("output schema", output_schema.clone()),
            ("annotations", annotations.as_ref().map(|part| debug(part))),
            ("task support", task_support.map(|part| debug(&part))),
            ("icons", (!icons.is_empty()).then(|| debug(icons))),
            ("`_meta`", meta.clone()),
        ];
        Self::of_parts(parts)
    }

    pub(super) fn of_prompt(described: &bindings::Prompt) -> Self {
        let bindings::Prompt {
            name: _,
            title,
            description,
            arguments,
            icons,
            meta,
        } = described;
        Self::of_parts([
            ("title", title.clone()),
            ("description", description.clone()),
            ("arguments", Some(debug(arguments))),
            ("icons", (!icons.is_empty()).then(|| debug(icons))),
            ("`_meta`", meta.clone()),
        ])
    }

    pub(super) fn of_resource(described: &bindings::ResourceLink) -> Self {
        Self::of_parts([("description", Some(debug(described)))])
    }

    pub(super) fn of_template(described: &bindings::ResourceTemplate) -> Self {
        Self::of_parts([("description", Some(debug(described)))])
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Self {
        Self(
            parts
                .into_iter()
                .filter_map(|(part, text)| Some((part.to_owned(), Digest::of(text?.as_bytes()))))
                .collect(),
        )
    }

    /// The parts that another definition has otherwise.
    fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut parts: Vec<&str> = self
            .0
            .keys()
            .chain(other.0.keys())
            .filter(|part| self.0.get(*part) != other.0.get(*part))
            .map(String::as_str)
            .collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

fn debug(part: &dyn std::fmt::Debug) -> String {
    format!("{part:?}")
}

/// What a component has, by the names that it gives it. No tool's name has a space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Definitions(BTreeMap<String, Definition>);

impl Definitions {
    /// Of all that a component describes.
    pub fn of(provided: &Provided) -> Self {
        let tools = provided.tools.iter();
        let tools = tools.map(|tool| (tool.name.clone(), Definition::of(tool)));
        let prompts = provided.prompts.iter();
        let prompts =
            prompts.map(|one| (format!("prompt {}", one.name), Definition::of_prompt(one)));
        let resources = provided.resources.iter();
        let resources = resources.map(|one| {
            (
                format!("resource {}", one.uri),
                Definition::of_resource(one),
            )
        });
        let templates = provided.templates.iter().map(|one| {
            let name = format!("resource template {}", one.uri_template);
            (name, Definition::of_template(one))
        });
        Self(
            tools
                .chain(prompts)
                .chain(resources)
                .chain(templates)
                .collect(),
        )
    }

    /// How `now` differs from these, for people; none where it does not.
    pub fn changes(&self, now: &Self) -> Option<String> {
        let quoted = |name: &str| format!("`{}`", Line::name(name));
        let here = self.0.iter().filter_map(|(name, definition)| {
            let Some(now) = now.0.get(name) else {
                return Some(format!("{} is gone", quoted(name)));
            };
            let parts = definition.differing(now);
            (!parts.is_empty())
                .then(|| format!("{} has another {}", quoted(name), parts.join(", ")))
        });
        let there = now
            .0
            .keys()
            .filter(|name| !self.0.contains_key(*name))
            .map(|name| format!("{} is new", quoted(name)));
        let changes: Vec<String> = here.chain(there).collect();
        (!changes.is_empty()).then(|| changes.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, description: &str) -> bindings::Tool {
        bindings::Tool {
            name: name.to_owned(),
            title: None,
            description: Some(description.to_owned()),
            input_schema: "{}".to_owned(),
            output_schema: None,
            annotations: None,
            task_support: None,
            icons: Vec::new(),
            meta: None,
        }
    }

    fn provided(tools: impl Into<Vec<bindings::Tool>>) -> Provided {
        Provided {
            tools: tools.into(),
            ..Provided::default()
        }
    }

    #[test]
    fn what_changed_is_named() {
        let before = Definitions::of(&provided([tool("a", "adds"), tool("b", "begs")]));
        assert_eq!(before.changes(&before), None);
        let mut other = tool("a", "adds, and mails the sum to mallory");
        other.output_schema = Some("{}".to_owned());
        let now = Definitions::of(&provided([other, tool("c", "cuts")]));
        assert_eq!(
            before.changes(&now).unwrap(),
            "`a` has another description, output schema; `b` is gone; `c` is new"
        );
    }
}
