//! URI templates (RFC 6570), the other way round: which URIs are of a template.

use regex::Regex;

/// A template that URIs can be held against.
#[derive(Debug)]
pub struct UriTemplate {
    variables: Vec<String>,
    pattern: Regex,
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other.
    #[error("a brace without its other (RFC 6570, section 2)")]
    Brace,
    /// What stands between braces.
    #[error(
        "`{{{0}}}` is no expression: write `{{name}}`, `{{+name}}`, `{{/name}}`, `{{?name}}` or `{{#name}}` (RFC 6570, section 2.2)"
    )]
    Expression(String),
    /// What it makes is larger than a pattern may be.
    #[error("it cannot be matched: {0}")]
    Pattern(String),
}

impl UriTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut variables = Vec::new();
        let mut pattern = String::from("^");
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, expression) = rest.split_at(open);
            pattern.push_str(&regex::escape(literal));
            let expression = expression.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (expression, after) = expression.split_once('}').ok_or(TemplateError::Brace)?;
            add(expression, &mut variables, &mut pattern)?;
            rest = after;
        }
        pattern.push_str(&regex::escape(rest));
        pattern.push('$');
        let pattern =
            Regex::new(&pattern).map_err(|error| TemplateError::Pattern(error.to_string()))?;
        Ok(Self { variables, pattern })
    }

    /// Whether a URI is one that the template makes.
    pub fn matches(&self, uri: &str) -> bool {
        self.pattern.is_match(uri)
    }

    /// The names of its variables.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
}

/// An expression's operator decides what its variables can hold and what stands before them (RFC 6570, appendix A).
fn add(
    expression: &str,
    variables: &mut Vec<String>,
    pattern: &mut String,
) -> Result<(), TemplateError> {
    let names = expression.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']);
    let operator = &expression[..expression.len() - names.len()];
    let mut count = 0;
    for name in names.split(',') {
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        let name = name.strip_suffix('*').unwrap_or(name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.%".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(TemplateError::Expression(expression.to_owned()));
        }
        variables.push(name.to_owned());
        count += 1;
    }
    let more = count - 1;
    let part = match operator {
        "" => format!("[^/?#,]+(?:,[^/?#,]+){{0,{more}}}"),
        "+" => ".+".to_owned(),
        "#" => "(?:#.*)?".to_owned(),
        "." => format!(r"(?:\.[^/?#.]+){{0,{count}}}"),
        // An exploded list of parts is a path.
        "/" if names.contains('*') => "(?:/[^/?#]+)+".to_owned(),
        "/" => format!("(?:/[^/?#]+){{1,{count}}}"),
        ";" => "(?:;[^/?#;]*)*".to_owned(),
        "?" => r"(?:\?[^#]*)?".to_owned(),
        "&" => "(?:&[^#]*)?".to_owned(),
        _ => return Err(TemplateError::Expression(expression.to_owned())),
    };
    pattern.push_str(&part);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_matches_what_it_makes() {
        for (template, of_it, not) in [
            (
                "test://template/{id}/data",
                "test://template/123/data",
                "test://template/1/2/data",
            ),
            ("file:///{+path}", "file:///a/b.txt", "file://"),
            ("db://{table}{/row}", "db://users/7", "db://users/7/8"),
            ("db://{table}{/parts*}", "db://users/7/8", "db://users"),
            ("q:{name}{?limit,sort}", "q:a?limit=3", "q:a/b"),
            ("q:{name}{?limit,sort}", "q:a", "q:"),
            ("geo:{lat,long}", "geo:1,2", "geo:1,2,3"),
            ("a.b:{x}", "a.b:1", "a-b:1"),
            ("doc:{name}{#part}", "doc:a#b", "doc:a/b"),
        ] {
            let parsed = UriTemplate::parse(template).unwrap();
            assert!(parsed.matches(of_it), "{template} {of_it}");
            assert!(!parsed.matches(not), "{template} {not}");
        }
        let parsed = UriTemplate::parse("db://{table}/{row:3}{?limit,sort*}").unwrap();
        assert_eq!(parsed.variables(), ["table", "row", "limit", "sort"]);
    }

    #[test]
    fn what_is_no_template_is_told() {
        for text in ["a:{", "a:}", "a:{b", "a:b}c", "a:{b{c}}"] {
            assert!(UriTemplate::parse(text).is_err(), "{text}");
        }
        for text in ["a:{}", "a:{b c}", "a:{=b}", "a:{b,}", "a:{+/b}"] {
            let error = UriTemplate::parse(text).unwrap_err();
            assert!(matches!(error, TemplateError::Expression(_)), "{text}");
        }
    }
}
