//! Lists, a page at a time. They are in the order of their names, and a cursor is the last name of the page before.

use rmcp::ErrorData;
use rmcp::model::{
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams,
};

use crate::invoke::{InvokeError, Visible};
use crate::serve::describe::{mcp_prompt, mcp_resource, mcp_template, mcp_tool};

/// Entries of one page.
const PAGE: usize = 1_000;

/// `tools/list`
pub fn tools(
    visible: &Visible<'_>,
    request: Option<PaginatedRequestParams>,
) -> Result<ListToolsResult, ErrorData> {
    let after = cursor(request, |name| visible.tool(name).map(drop))?;
    let mut listed = ListToolsResult::default();
    let tools = visible.tools_after(&after).map(|tool| mcp_tool(tool));
    (listed.tools, listed.next_cursor) = page(tools, |tool| tool.name.to_string());
    Ok(listed)
}

/// `prompts/list`
pub fn prompts(
    visible: &Visible<'_>,
    request: Option<PaginatedRequestParams>,
) -> Result<ListPromptsResult, ErrorData> {
    let after = cursor(request, |name| visible.prompt(name).map(drop))?;
    let mut listed = ListPromptsResult::default();
    let prompts = visible.prompts_after(&after).map(|one| mcp_prompt(one));
    (listed.prompts, listed.next_cursor) = page(prompts, |prompt| prompt.name.clone());
    Ok(listed)
}

/// `resources/list`
pub fn resources(
    visible: &Visible<'_>,
    request: Option<PaginatedRequestParams>,
) -> Result<ListResourcesResult, ErrorData> {
    let after = cursor(request, |uri| visible.reader(uri).map(drop))?;
    let mut listed = ListResourcesResult::default();
    let resources = visible.resources_after(&after).map(|one| mcp_resource(one));
    (listed.resources, listed.next_cursor) = page(resources, |resource| resource.uri.clone());
    Ok(listed)
}

/// `resources/templates/list`
pub fn templates(
    visible: &Visible<'_>,
    request: Option<PaginatedRequestParams>,
) -> Result<ListResourceTemplatesResult, ErrorData> {
    let after = cursor(request, |text| visible.template(text).map(drop))?;
    let mut listed = ListResourceTemplatesResult::default();
    let templates = visible.templates_after(&after).map(|one| mcp_template(one));
    (listed.resource_templates, listed.next_cursor) =
        page(templates, |template| template.uri_template.clone());
    Ok(listed)
}

/// The name after which a page begins.
fn cursor(
    request: Option<PaginatedRequestParams>,
    find: impl Fn(&str) -> Result<(), InvokeError>,
) -> Result<String, ErrorData> {
    let cursor = request.and_then(|request| request.cursor);
    let cursor = cursor.unwrap_or_default();
    if !cursor.is_empty() && find(&cursor).is_err() {
        return Err(ErrorData::invalid_params("unknown cursor", None));
    }
    Ok(cursor)
}

fn page<T>(rest: impl Iterator<Item = T>, name: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let mut page: Vec<T> = rest.take(PAGE + 1).collect();
    if page.len() <= PAGE {
        return (page, None);
    }
    page.truncate(PAGE);
    let next = page.last().map(name);
    (page, next)
}
