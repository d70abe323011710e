//! What stands in the brackets of `#[tool(..)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Expr, Ident, LitBool, LitStr, Result, Token, Type,
    parse::{Parse, ParseStream},
};

const KEYS: &str = "`name`, `title`, `read_only`, `destructive`, `idempotent`, `open_world`, `task`, `input_schema`, `output`";

/// The options of one tool; all are optional.
#[derive(Default)]
pub struct Options {
    pub name: Option<LitStr>,
    pub title: Option<LitStr>,
    pub task: Option<LitStr>,
    pub input_schema: Option<Expr>,
    pub hints: Hints,
    /// The type whose schema is that of the result.
    pub output: Option<Type>,
}

/// Hints about a tool's behaviour (MCP `ToolAnnotations`).
#[derive(Default)]
pub struct Hints {
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
}

/// `task = "optional"` or `task = "required"`.
fn task(input: ParseStream) -> Result<LitStr> {
    let task = text(&Ident::new("task", input.span()), input)?;
    if !["optional", "required"].contains(&task.value().as_str()) {
        return Err(syn::Error::new(
            task.span(),
            "this must be `\"optional\"` or `\"required\"`",
        ));
    }
    Ok(task)
}

/// Reads options until the brackets end; `read` says whether it knows a key.
fn each(
    input: ParseStream,
    attribute: &str,
    keys: &str,
    mut read: impl FnMut(&Ident) -> Result<bool>,
) -> Result<()> {
    while !input.is_empty() {
        let key: Ident = input.parse()?;
        if !read(&key)? {
            let text = format!("`#[{attribute}]` has no option `{key}`; it has {keys}");
            return Err(syn::Error::new(key.span(), text));
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

impl Parse for Options {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        let hints = &mut options.hints;
        each(input, "tool", KEYS, |key| {
            match key.to_string().as_str() {
                "name" => once(key, &mut options.name, tool_name(input)?)?,
                "title" => once(key, &mut options.title, text(key, input)?)?,
                "input_schema" => once(key, &mut options.input_schema, expression(input)?)?,
                "task" => once(key, &mut options.task, task(input)?)?,
                "read_only" => once(key, &mut hints.read_only, flag(input)?)?,
                "destructive" => once(key, &mut hints.destructive, flag(input)?)?,
                "idempotent" => once(key, &mut hints.idempotent, flag(input)?)?,
                "open_world" => once(key, &mut hints.open_world, flag(input)?)?,
                "output" => once(key, &mut options.output, output(input)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(options)
    }
}

/// The options of `#[prompt(..)]`.
#[derive(Default)]
pub struct PromptOptions {
    pub name: Option<LitStr>,
    pub title: Option<LitStr>,
}

impl Parse for PromptOptions {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        each(input, "prompt", "`name`, `title`", |key| {
            match key.to_string().as_str() {
                "name" => once(key, &mut options.name, tool_name(input)?)?,
                "title" => once(key, &mut options.title, text(key, input)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(options)
    }
}

/// The options of `#[resource(..)]`.
#[derive(Default)]
pub struct ResourceOptions {
    pub uri: Option<LitStr>,
    pub name: Option<LitStr>,
    pub title: Option<LitStr>,
    pub mime_type: Option<LitStr>,
}

impl Parse for ResourceOptions {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        let keys = "`uri`, `name`, `title`, `mime_type`";
        each(input, "resource", keys, |key| {
            match key.to_string().as_str() {
                "uri" => once(key, &mut options.uri, text(key, input)?)?,
                "name" => once(key, &mut options.name, text(key, input)?)?,
                "title" => once(key, &mut options.title, text(key, input)?)?,
                "mime_type" => once(key, &mut options.mime_type, text(key, input)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(options)
    }
}

/// Sets an option that may stand there only once.
fn once<T>(key: &Ident, option: &mut Option<T>, value: T) -> Result<()> {
    if option.replace(value).is_some() {
        return Err(syn::Error::new(
            key.span(),
            format!("`{key}` is given twice"),
        ));
    }
    Ok(())
}

/// `key = EXPRESSION`
fn expression(input: ParseStream) -> Result<Expr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `key = "text"`
fn text(key: &Ident, input: ParseStream) -> Result<LitStr> {
    let wrong =
        |error: syn::Error| syn::Error::new(error.span(), format!("write `{key} = \"..\"`"));
    input.parse::<Token![=]>().map_err(wrong)?;
    input.parse().map_err(wrong)
}

/// `output = Type`
fn output(input: ParseStream) -> Result<Type> {
    let wrong = |error: syn::Error| syn::Error::new(error.span(), "write `output = Type`");
    input.parse::<Token![=]>().map_err(wrong)?;
    input.parse().map_err(wrong)
}

/// `key` alone is true; else `key = true` or `key = false`.
fn flag(input: ParseStream) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    match input.parse::<LitBool>() {
        Ok(flag) => Ok(flag.value),
        Err(error) => Err(syn::Error::new(
            error.span(),
            "this must be `true` or `false`",
        )),
    }
}

/// `name = "text"` with the characters and the length that a tool's name may have.
fn tool_name(input: ParseStream) -> Result<LitStr> {
    let name = text(&Ident::new("name", input.span()), input)?;
    let value = name.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if value.is_empty() || value.len() > 128 || !value.chars().all(allowed) {
        return Err(syn::Error::new(
            name.span(),
            "a tool's name has 1 to 128 characters: ASCII letters, digits, `_`, `-` and `.`",
        ));
    }
    Ok(name)
}

impl Hints {
    /// An expression of the type `Option<ToolAnnotations>`.
    pub fn annotations(&self, sdk: &TokenStream) -> TokenStream {
        let Self {
            read_only,
            destructive,
            idempotent,
            open_world,
        } = self;
        if [read_only, destructive, idempotent, open_world]
            .iter()
            .all(|hint| hint.is_none())
        {
            return quote!(None);
        }
        let [read_only, destructive, idempotent, open_world] =
            [read_only, destructive, idempotent, open_world].map(|hint| match hint {
                Some(hint) => quote!(Some(#hint)),
                None => quote!(None),
            });
        quote! {
            Some(#sdk::ToolAnnotations {
                title: None,
                read_only_hint: #read_only,
                destructive_hint: #destructive,
                idempotent_hint: #idempotent,
                open_world_hint: #open_world,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn error(options: &str) -> String {
        match syn::parse_str::<Options>(options) {
            Ok(_) => panic!("`{options}` was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn all_options_are_read() {
        let options: Options = syn::parse_str(
            r#"name = "a.b-c_1", title = "T", read_only, destructive = false, idempotent = true, open_world = false, output = Vec<Point>,"#,
        )
        .unwrap();
        assert_eq!(options.name.unwrap().value(), "a.b-c_1");
        assert_eq!(options.title.unwrap().value(), "T");
        assert_eq!(options.hints.read_only, Some(true));
        assert_eq!(options.hints.destructive, Some(false));
        assert_eq!(options.hints.idempotent, Some(true));
        assert_eq!(options.hints.open_world, Some(false));
        assert!(options.output.is_some());
    }

    #[test]
    fn an_unknown_option_is_told_which_ones_there_are() {
        assert_eq!(
            error("readonly"),
            "`#[tool]` has no option `readonly`; it has `name`, `title`, `read_only`, \
             `destructive`, `idempotent`, `open_world`, `task`, `input_schema`, `output`"
        );
    }

    #[test]
    fn wrong_values_are_told_what_is_right() {
        assert_eq!(error("name"), "write `name = \"..\"`");
        assert_eq!(error("title = 3"), "write `title = \"..\"`");
        assert_eq!(error("output"), "write `output = Type`");
        assert_eq!(error("output = 3"), "write `output = Type`");
        assert_eq!(
            error("read_only = \"yes\""),
            "this must be `true` or `false`"
        );
        assert_eq!(error("read_only, read_only"), "`read_only` is given twice");
    }

    #[test]
    fn a_name_that_mcp_does_not_allow_is_refused() {
        let long = format!("name = \"{}\"", "a".repeat(129));
        for options in [
            "name = \"\"",
            "name = \"add numbers\"",
            "name = \"ä\"",
            &long,
        ] {
            assert!(error(options).starts_with("a tool's name has 1 to 128 characters"));
        }
    }
}
