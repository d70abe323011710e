//! Whoever is told of tools, prompts and resources sees all that a model is told: in none of it is a hidden character. A
//! place is named as MCP names it.
//!
//! Each part of the contract is named, so that one which is added does not compile until it is looked at here.

use sandglass_text::hidden::Kind;
use sandglass_text::walk::{self, Found};
use serde_json::{Map, Value};

use crate::sandbox::bindings;
use crate::schema::Schema;

type Meta<'a> = Option<&'a Map<String, Value>>;

pub(super) fn check_tool(
    described: &bindings::Tool,
    input: &Schema,
    output: Option<&Schema>,
    meta: Meta<'_>,
) -> Result<(), Found> {
    let bindings::Tool {
        name,
        title,
        description,
        input_schema: _,
        output_schema: _,
        annotations,
        task_support: _,
        icons,
        meta: _,
    } = described;
    check_named(name, Kind::Word, title.as_ref(), description.as_ref())?;
    check_object("inputSchema", Some(&input.document))?;
    check_object("outputSchema", output.map(|schema| &*schema.document))?;
    if let Some(bindings::ToolAnnotations {
        title,
        read_only_hint: _,
        destructive_hint: _,
        idempotent_hint: _,
        open_world_hint: _,
    }) = annotations
    {
        check("title", title.as_ref(), Kind::Line).map_err(|found| found.within("annotations"))?;
    }
    check_icons(icons)?;
    check_object("_meta", meta)
}

pub(super) fn check_prompt(described: &bindings::Prompt, meta: Meta<'_>) -> Result<(), Found> {
    let bindings::Prompt {
        name,
        title,
        description,
        arguments,
        icons,
        meta: _,
    } = described;
    check_named(name, Kind::Word, title.as_ref(), description.as_ref())?;
    check_each("arguments", arguments, |argument| {
        let bindings::PromptArgument {
            name,
            title,
            description,
            required: _,
        } = argument;
        check_named(name, Kind::Line, title.as_ref(), description.as_ref())
    })?;
    check_icons(icons)?;
    check_object("_meta", meta)
}

pub(super) fn check_resource(
    described: &bindings::ResourceLink,
    meta: Meta<'_>,
) -> Result<(), Found> {
    let bindings::ResourceLink {
        uri,
        name,
        title,
        description,
        mime_type,
        size: _,
        icons,
        annotations,
        meta: _,
    } = described;
    check("uri", Some(uri), Kind::Word)?;
    check_named(name, Kind::Line, title.as_ref(), description.as_ref())?;
    check("mimeType", mime_type.as_ref(), Kind::Word)?;
    check_icons(icons)?;
    check_annotations(annotations.as_ref())?;
    check_object("_meta", meta)
}

pub(super) fn check_template(
    described: &bindings::ResourceTemplate,
    meta: Meta<'_>,
) -> Result<(), Found> {
    let bindings::ResourceTemplate {
        uri_template,
        name,
        title,
        description,
        mime_type,
        icons,
        annotations,
        meta: _,
    } = described;
    check("uriTemplate", Some(uri_template), Kind::Word)?;
    check_named(name, Kind::Line, title.as_ref(), description.as_ref())?;
    check("mimeType", mime_type.as_ref(), Kind::Word)?;
    check_icons(icons)?;
    check_annotations(annotations.as_ref())?;
    check_object("_meta", meta)
}

fn check_icons(icons: &[bindings::Icon]) -> Result<(), Found> {
    check_each("icons", icons, |icon| {
        let bindings::Icon {
            src,
            mime_type,
            sizes,
            theme: _,
        } = icon;
        check("src", Some(src), Kind::Word)?;
        check("mimeType", mime_type.as_ref(), Kind::Word)?;
        check_each("sizes", sizes, |size| walk::text(size, Kind::Word))
    })
}

fn check_annotations(annotations: Option<&bindings::Annotations>) -> Result<(), Found> {
    let Some(bindings::Annotations {
        audience: _,
        priority: _,
        last_modified,
    }) = annotations
    else {
        return Ok(());
    };
    check("lastModified", last_modified.as_ref(), Kind::Word)
        .map_err(|found| found.within("annotations"))
}

/// What all that has a name has.
fn check_named(
    name: &String,
    kind: Kind,
    title: Option<&String>,
    description: Option<&String>,
) -> Result<(), Found> {
    check("name", Some(name), kind)?;
    check("title", title, Kind::Line)?;
    check("description", description, Kind::Lines)
}

fn check(field: &str, text: Option<&String>, kind: Kind) -> Result<(), Found> {
    text.map_or(Ok(()), |text| walk::text(text, kind))
        .map_err(|found| found.within(field))
}

fn check_each<T>(
    field: &str,
    items: &[T],
    check: impl Fn(&T) -> Result<(), Found>,
) -> Result<(), Found> {
    let mut items = items.iter().enumerate();
    items
        .try_for_each(|(index, item)| check(item).map_err(|found| found.within(index)))
        .map_err(|found| found.within(field))
}

fn check_object(field: &str, object: Option<&Map<String, Value>>) -> Result<(), Found> {
    let Some(object) = object else {
        return Ok(());
    };
    walk::data(object)
        .expect("a value can be walked")
        .map_err(|found| found.within(field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Account;

    /// What stands at each place of a tool.
    #[derive(Default)]
    struct Told {
        title: String,
        description: String,
        input: Value,
        output: Value,
        annotated: String,
        icon: [String; 3],
        meta: Value,
    }

    fn check(told: Told) -> Result<(), Found> {
        let [src, mime_type, size] = told.icon;
        let described = bindings::Tool {
            name: "a".to_owned(),
            title: Some(told.title),
            description: Some(told.description),
            input_schema: String::new(),
            output_schema: None,
            annotations: Some(bindings::ToolAnnotations {
                title: Some(told.annotated),
                read_only_hint: None,
                destructive_hint: None,
                idempotent_hint: None,
                open_world_hint: None,
            }),
            task_support: None,
            icons: vec![bindings::Icon {
                src,
                mime_type: Some(mime_type),
                sizes: vec![size],
                theme: None,
            }],
            meta: None,
        };
        let mut account = Account::default();
        let schema = |schema: Value| match schema {
            Value::Null => "{}".to_owned(),
            // As an author may write it.
            schema => schema.to_string().replace('\u{200b}', "\\u200b"),
        };
        let (input, output) = (schema(told.input), schema(told.output));
        let mut compile = |text: &str| Schema::compile(text, &mut account).unwrap();
        let (input, output) = (compile(&input), compile(&output));
        check_tool(&described, &input, Some(&output), told.meta.as_object())
    }

    #[test]
    fn a_tool_hides_nothing_anywhere() {
        let none = Told::default;
        let hidden = || "x\u{200b}".to_owned();
        let icon = |at: usize| {
            let mut icon = <[String; 3]>::default();
            icon[at] = hidden();
            Told { icon, ..none() }
        };
        let input = |input: Value| Told { input, ..none() };
        for (told, place) in [
            (
                Told {
                    title: hidden(),
                    ..none()
                },
                "/title",
            ),
            (
                Told {
                    description: hidden(),
                    ..none()
                },
                "/description",
            ),
            (
                Told {
                    annotated: hidden(),
                    ..none()
                },
                "/annotations/title",
            ),
            (icon(0), "/icons/0/src"),
            (icon(1), "/icons/0/mimeType"),
            (icon(2), "/icons/0/sizes/0"),
            (
                Told {
                    meta: json!({"a": [hidden()]}),
                    ..none()
                },
                "/_meta/a/0",
            ),
            (
                Told {
                    meta: json!({hidden(): 1}),
                    ..none()
                },
                "/_meta/x\\u{200b}",
            ),
            (
                Told {
                    output: json!({"enum": [hidden()]}),
                    ..none()
                },
                "/outputSchema/enum/0",
            ),
            (input(json!({"title": hidden()})), "/inputSchema/title"),
            (
                input(json!({"$comment": hidden()})),
                "/inputSchema/$comment",
            ),
            (
                input(json!({"const": {"a": hidden()}})),
                "/inputSchema/const/a",
            ),
            (input(json!({"default": hidden()})), "/inputSchema/default"),
            (
                input(json!({"examples": [hidden()]})),
                "/inputSchema/examples/0",
            ),
            (input(json!({"pattern": hidden()})), "/inputSchema/pattern"),
            (input(json!({"x-note": hidden()})), "/inputSchema/x-note"),
            (
                input(json!({"properties": {hidden(): {}}})),
                "/inputSchema/properties/x\\u{200b}",
            ),
            (
                input(json!({"$defs": {"a": {"items": {"description": hidden()}}}})),
                "/inputSchema/$defs/a/items/description",
            ),
        ] {
            let told = check(told).expect_err(place).to_string();
            let expected = format!("`{place}` has the character U+200B, which");
            assert!(told.starts_with(&expected), "{told}");
        }
    }

    #[test]
    fn what_is_seen_passes() {
        let told = Told {
            title: "Zwölf \u{1f469}\u{200d}\u{1f52c}".to_owned(),
            description: "Two\nlines,\ta tab".to_owned(),
            input: json!({"properties": {"separator": {"default": "\t", "enum": ["\t", "\n"]}}}),
            ..Told::default()
        };
        assert_eq!(check(told), Ok(()));
    }

    #[test]
    fn resources_and_prompts_hide_nothing_either() {
        let link = bindings::ResourceLink {
            uri: "a:b".to_owned(),
            name: "a".to_owned(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            icons: Vec::new(),
            annotations: Some(bindings::Annotations {
                audience: Vec::new(),
                priority: None,
                last_modified: None,
            }),
            meta: None,
        };
        let prompt = bindings::Prompt {
            name: "a".to_owned(),
            title: None,
            description: None,
            arguments: vec![bindings::PromptArgument {
                name: "b".to_owned(),
                title: None,
                description: None,
                required: false,
            }],
            icons: Vec::new(),
            meta: None,
        };
        let hidden = || "x\u{e0100}".to_owned();
        let resource = |change: &dyn Fn(&mut bindings::ResourceLink)| {
            let mut link = link.clone();
            change(&mut link);
            check_resource(&link, None)
        };
        let of_prompt = |change: &dyn Fn(&mut bindings::Prompt)| {
            let mut prompt = prompt.clone();
            change(&mut prompt);
            check_prompt(&prompt, None)
        };
        for (checked, place) in [
            (resource(&|link| link.uri = hidden()), "/uri"),
            (resource(&|link| link.name = hidden()), "/name"),
            (resource(&|link| link.title = Some(hidden())), "/title"),
            (
                resource(&|link| link.mime_type = Some(hidden())),
                "/mimeType",
            ),
            (
                resource(&|link| {
                    let annotations = link.annotations.as_mut().unwrap();
                    annotations.last_modified = Some(hidden());
                }),
                "/annotations/lastModified",
            ),
            (
                of_prompt(&|prompt| prompt.description = Some(hidden())),
                "/description",
            ),
            (
                of_prompt(&|prompt| prompt.arguments[0].name = hidden()),
                "/arguments/0/name",
            ),
            (
                of_prompt(&|prompt| prompt.arguments[0].description = Some(hidden())),
                "/arguments/0/description",
            ),
        ] {
            let told = checked.expect_err(place).to_string();
            let expected = format!("`{place}` has the character U+E0100, which");
            assert!(told.starts_with(&expected), "{told}");
        }
        assert_eq!(resource(&|_| ()), Ok(()));
        assert_eq!(of_prompt(&|_| ()), Ok(()));
    }
}
