//! Tools and content blocks as JSON, the same for REST, MCP and the CLI.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rmcp::model::{
    Annotations, AudioContent, ContentBlock, EmbeddedResource, Icon, IconTheme, ImageContent,
    JsonObject, MetaObject, Prompt as McpPrompt, PromptArgument, Resource, ResourceContents,
    ResourceTemplate, Role, TextContent, Tool as McpTool, ToolAnnotations,
};
use serde_json::{Value, json};

use crate::catalog::{Prompt, Tool};
use crate::invoke::ToolOutput;
use crate::sandbox::bindings::{self as wit, Content, ResourceBody};
use crate::schema::Schema;

/// Marks an output schema whose value is wrapped; FastMCP's client unwraps by it.
const WRAP_MARK: &str = "x-fastmcp-wrap-result";

/// A tool as `tools/list` shows it. MCP wants an object for structured content,
/// so an output schema of anything else is wrapped under `result`.
pub fn mcp_tool(tool: &Tool) -> McpTool {
    let mut described = plain_tool(tool);
    described.output_schema = tool.output.as_ref().map(wrapped);
    described
}

/// A tool as REST shows it, where values are not wrapped.
pub fn rest_tool(tool: &Tool) -> McpTool {
    let mut described = plain_tool(tool);
    described.description.get_or_insert_default();
    described.output_schema = tool
        .output
        .as_ref()
        .map(|schema| Arc::clone(&schema.document));
    described
}

/// A tool without its output schema.
pub fn plain_tool(tool: &Tool) -> McpTool {
    let mut described = McpTool::new_with_raw(
        tool.name.clone(),
        tool.description.clone().map(Into::into),
        Arc::clone(&tool.input.document),
    );
    described.title = tool.title.clone();
    described.annotations = tool.annotations.as_ref().map(|hints| {
        ToolAnnotations::from_raw(
            hints.title.clone(),
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        )
    });
    described.icons = icons(&tool.icons);
    described.meta = tool.meta.clone().map(MetaObject);
    described
}

/// A prompt as `prompts/list` shows it.
pub fn mcp_prompt(prompt: &Prompt) -> McpPrompt {
    let wit = &prompt.described;
    let arguments = wit.arguments.iter().map(|argument| {
        let mut described = PromptArgument::new(argument.name.clone());
        described.title = argument.title.clone();
        described.description = argument.description.clone();
        described.required = Some(argument.required);
        described
    });
    let arguments: Vec<_> = arguments.collect();
    let arguments = (!arguments.is_empty()).then_some(arguments);
    let mut described = McpPrompt::new(prompt.name.clone(), wit.description.clone(), arguments);
    described.title = wit.title.clone();
    described.icons = icons(&wit.icons);
    described.meta = prompt.meta.clone().map(MetaObject);
    described
}

/// A resource as `resources/list` shows it.
pub fn mcp_resource(found: &crate::catalog::Resource) -> Resource {
    resource(&found.described)
}

/// A family of resources as `resources/templates/list` shows it.
pub fn mcp_template(template: &crate::catalog::ResourceTemplate) -> ResourceTemplate {
    let wit = &template.described;
    let mut described = ResourceTemplate::new(wit.uri_template.clone(), wit.name.clone());
    described.title = wit.title.clone();
    described.description = wit.description.clone();
    described.mime_type = wit.mime_type.clone();
    described.icons = icons(&wit.icons);
    described.annotations = annotations(wit.annotations.as_ref());
    described.meta = template.meta.clone().map(MetaObject);
    described
}

fn wrapped(schema: &Schema) -> Arc<JsonObject> {
    if schema.is_object() {
        return Arc::clone(&schema.document);
    }
    let mut inner = (*schema.document).clone();
    // `#/$defs/..` counts from the root, so definitions move there.
    let definitions = inner.remove("$defs");
    let mut outer = JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), json!({"result": inner})),
        ("required".to_owned(), json!(["result"])),
        (WRAP_MARK.to_owned(), json!(true)),
    ]);
    if let Some(definitions) = definitions {
        outer.insert("$defs".to_owned(), definitions);
    }
    Arc::new(outer)
}

/// What a tool returned as blocks for a reader; made of the value where the tool gave none.
pub fn blocks(output: &ToolOutput) -> Vec<ContentBlock> {
    match (&output.content, &output.value) {
        (Some(content), _) => content.iter().map(block).collect(),
        (None, Some(Value::String(text))) => vec![ContentBlock::text(text.clone())],
        (None, Some(value)) => vec![ContentBlock::text(value.to_string())],
        (None, None) => vec![],
    }
}

/// What a tool returned as one JSON value: its value, else a single text as a string, else the blocks.
pub fn plain_value(output: ToolOutput) -> Value {
    if let Some(value) = output.value {
        return value;
    }
    match output.content.as_deref() {
        None => Value::Null,
        Some([Content::Text(text)]) => Value::String(text.text.clone()),
        Some(content) => {
            serde_json::to_value(content.iter().map(block).collect::<Vec<_>>()).unwrap_or_default()
        }
    }
}

/// The words of a result that the tool itself marks as an error.
pub fn error_text(output: &ToolOutput) -> String {
    let texts: Vec<String> = blocks(output)
        .iter()
        .filter_map(|block| Some(block.as_text()?.text.clone()))
        .collect();
    if texts.is_empty() {
        "The tool failed without saying why".to_owned()
    } else {
        texts.join("\n")
    }
}

/// A block of content.
pub fn block(content: &Content) -> ContentBlock {
    match content {
        Content::Text(text) => {
            let mut block = TextContent::new(text.text.clone());
            block.annotations = annotations(text.annotations.as_ref());
            block.meta = meta(text.meta.as_ref());
            ContentBlock::Text(block)
        }
        Content::Image(image) => {
            let mut block =
                ImageContent::new(BASE64_STANDARD.encode(&image.data), image.mime_type.clone());
            block.annotations = annotations(image.annotations.as_ref());
            block.meta = meta(image.meta.as_ref());
            ContentBlock::Image(block)
        }
        Content::Audio(audio) => {
            let mut block =
                AudioContent::new(BASE64_STANDARD.encode(&audio.data), audio.mime_type.clone());
            block.annotations = annotations(audio.annotations.as_ref());
            block.meta = meta(audio.meta.as_ref());
            ContentBlock::Audio(block)
        }
        Content::EmbeddedResource(embedded) => {
            let mut block = EmbeddedResource::new(contents(&embedded.resource));
            block.annotations = annotations(embedded.annotations.as_ref());
            block.meta = meta(embedded.meta.as_ref());
            ContentBlock::Resource(block)
        }
        Content::ResourceLink(link) => ContentBlock::ResourceLink(resource(link)),
    }
}

/// What a resource holds.
pub fn contents(resource: &wit::ResourceContents) -> ResourceContents {
    let (uri, mime_type) = (resource.uri.clone(), resource.mime_type.clone());
    let meta = meta(resource.meta.as_ref());
    match &resource.body {
        ResourceBody::Text(text) => ResourceContents::TextResourceContents {
            uri,
            mime_type,
            text: text.clone(),
            meta,
        },
        ResourceBody::Blob(blob) => ResourceContents::BlobResourceContents {
            uri,
            mime_type,
            blob: BASE64_STANDARD.encode(blob),
            meta,
        },
    }
}

fn resource(link: &wit::ResourceLink) -> Resource {
    let mut resource = Resource::new(link.uri.clone(), link.name.clone());
    resource.title = link.title.clone();
    resource.description = link.description.clone();
    resource.mime_type = link.mime_type.clone();
    resource.size = link.size;
    resource.icons = icons(&link.icons);
    resource.annotations = annotations(link.annotations.as_ref());
    resource.meta = meta(link.meta.as_ref());
    resource
}

fn icons(icons: &[wit::Icon]) -> Option<Vec<Icon>> {
    let icons: Vec<Icon> = icons
        .iter()
        .map(|icon| {
            let mut described = Icon::new(icon.src.clone());
            described.mime_type = icon.mime_type.clone();
            described.sizes = (!icon.sizes.is_empty()).then(|| icon.sizes.clone());
            described.theme = icon.theme.map(|theme| match theme {
                wit::IconTheme::Light => IconTheme::Light,
                wit::IconTheme::Dark => IconTheme::Dark,
            });
            described
        })
        .collect();
    (!icons.is_empty()).then_some(icons)
}

fn annotations(annotations: Option<&wit::Annotations>) -> Option<Annotations> {
    annotations.map(|hints| {
        let mut described = Annotations::default();
        described.audience = (!hints.audience.is_empty())
            .then(|| hints.audience.iter().map(|one| role(*one)).collect());
        #[allow(clippy::cast_possible_truncation, reason = "a hint between 0 and 1")]
        let priority = hints.priority.map(|priority| priority as f32);
        described.priority = priority;
        described.last_modified = hints.last_modified.clone();
        described
    })
}

/// Who says it, or whom it is for.
pub fn role(role: wit::Role) -> Role {
    match role {
        wit::Role::User => Role::User,
        wit::Role::Assistant => Role::Assistant,
    }
}

/// A guest's `_meta` on a block; what is no JSON object is left out.
fn meta(text: Option<&String>) -> Option<MetaObject> {
    serde_json::from_str(text?).ok().map(MetaObject)
}

/// The schema of arguments as `list_tools` of the KAITO guide has it: each parameter's JSON type.
pub fn argument_types(tool: &Tool) -> JsonObject {
    let properties = tool
        .input
        .document
        .get("properties")
        .and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), Value::String(json_type(schema))))
        .collect()
}

fn json_type(schema: &Value) -> String {
    let alternatives = || {
        schema
            .get("anyOf")
            .or_else(|| schema.get("oneOf"))?
            .as_array()
    };
    match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        // Nullable: the type beside `null`.
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or("any")
            .to_owned(),
        _ => alternatives()
            .into_iter()
            .flatten()
            .map(json_type)
            .find(|name| name != "null" && name != "any")
            .unwrap_or_else(|| "any".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Account;

    #[test]
    fn an_output_schema_of_no_object_is_wrapped_with_its_definitions_at_the_root() {
        let schema = Schema::compile(
            r##"{"type":"array","items":{"$ref":"#/$defs/A"},"$defs":{"A":{"type":"string"}}}"##,
            &mut Account::default(),
        )
        .unwrap();
        assert_eq!(
            Value::Object((*wrapped(&schema)).clone()),
            json!({
                "type": "object",
                "properties": {"result": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
                "required": ["result"],
                "x-fastmcp-wrap-result": true,
                "$defs": {"A": {"type": "string"}},
            })
        );
    }

    #[test]
    fn a_parameter_has_one_json_type() {
        for (schema, expected) in [
            (json!({"type": "integer"}), "integer"),
            (json!({"type": ["string", "null"]}), "string"),
            (
                json!({"anyOf": [{"type": "null"}, {"type": "number"}]}),
                "number",
            ),
            (json!({}), "any"),
            (json!(true), "any"),
        ] {
            assert_eq!(json_type(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn rest_returns_the_value_else_a_text_else_blocks() {
        let text = |text: &str| {
            Content::Text(wit::TextContent {
                text: text.to_owned(),
                annotations: None,
                meta: None,
            })
        };
        let output = |value, content| ToolOutput {
            value,
            content,
            ..ToolOutput::default()
        };
        assert_eq!(plain_value(output(None, None)), Value::Null);
        assert_eq!(
            plain_value(output(Some(json!(1)), Some(vec![text("one")]))),
            json!(1)
        );
        assert_eq!(
            plain_value(output(None, Some(vec![text("one")]))),
            json!("one")
        );
        assert_eq!(
            plain_value(output(None, Some(vec![text("one"), text("two")]))),
            json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])
        );
    }
}
