//! A JSDoc comment: what it says of a function, its parameters and its result.

use crate::types::{Property, Type};

/// What stands between `/**` and `*/`.
#[derive(Debug, Default, PartialEq)]
pub struct Doc {
    /// The text before the first tag.
    pub description: Option<String>,
    /// In the order in which they are written.
    pub parameters: Vec<Parameter>,
    /// The type of the result, where it is said.
    pub returns: Option<Type>,
}

/// A `@param` tag.
#[derive(Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as the function has it.
    pub name: String,
    /// Its type; anything where none is written.
    pub kind: Type,
    /// Brackets or the type say that it may be left out.
    pub optional: bool,
    /// What it is for.
    pub description: Option<String>,
}

impl Doc {
    /// Reads a comment, from `/**` to `*/`.
    pub fn parse(comment: &str) -> Result<Self, String> {
        let mut doc = Self::default();
        let text = lines(comment).join("\n");
        let (description, tags) = split(&text);
        doc.description = some(description);
        for tag in tags {
            let (word, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
            match word {
                "@param" | "@arg" | "@argument" => doc.parameter(rest)?,
                "@returns" | "@return" => {
                    doc.returns = braces(rest)?
                        .0
                        .map(Type::parse)
                        .transpose()?
                        .map(|(kind, _)| kind);
                }
                "@description" | "@desc" => doc.description = some(rest),
                // Other tags say nothing that a caller needs.
                _ => {}
            }
        }
        Ok(doc)
    }

    /// `{type} name - description`, `[name]`, `[name=default]`, or `object.property` or `list[].property` of a parameter before.
    fn parameter(&mut self, text: &str) -> Result<(), String> {
        let (kind, rest) = braces(text)?;
        let (kind, marked) = kind
            .map(Type::parse)
            .transpose()?
            .unwrap_or((Type::Any, false));
        let (name, bracketed, rest) = match rest.strip_prefix('[') {
            Some(inside) => {
                let (inside, rest) = in_brackets(inside)
                    .ok_or_else(|| format!("`@param {text}`: `]` is missing"))?;
                let name = inside.split_once('=').map_or(inside, |(name, _)| name);
                (name.trim(), true, rest)
            }
            None => {
                let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (name, false, rest)
            }
        };
        if name.is_empty() {
            return Err(format!(
                "`@param {}` has no name: write `@param {{type}} name - description`",
                text.trim()
            ));
        }
        let parameter = Parameter {
            name: name.to_owned(),
            optional: marked || bracketed || kind.may_be_nothing(),
            kind,
            description: some(rest.trim_start().trim_start_matches("- ")),
        };
        match first_of(name) {
            (_, "") => self.parameters.push(parameter),
            (first, path) => {
                let first = self.parameters.iter_mut().find(|known| known.name == first);
                first
                    .and_then(|first| add_property(&mut first.kind, path, parameter))
                    .ok_or_else(|| {
                        let before = name.rsplit_once('.').map_or(name, |(before, _)| before);
                        let (before, kind) = match before.strip_suffix("[]") {
                            Some(list) => (list, "object[]"),
                            None => (before, "object"),
                        };
                        format!("`@param {name}`: write `@param {{{kind}}} {before}` before it")
                    })?;
            }
        }
        Ok(())
    }
}

/// The first name of `name.other` or `name[].other`, and what follows it.
fn first_of(path: &str) -> (&str, &str) {
    path.split_at(path.find(['.', '[']).unwrap_or(path.len()))
}

/// What stands before the bracket that closes, and after it.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// Makes an object with properties of an object, or of a list's items with `[]`; none where it is something else.
fn add_property(kind: &mut Type, path: &str, parameter: Parameter) -> Option<()> {
    if let Some(path) = path.strip_prefix("[]") {
        let Type::List(item) = kind else {
            return None;
        };
        return add_property(item, path, parameter);
    }
    let path = path.strip_prefix('.')?;
    if matches!(kind, Type::Any | Type::Plain("object")) {
        *kind = Type::Object(Vec::new());
    }
    let Type::Object(properties) = kind else {
        return None;
    };
    match first_of(path) {
        (name, "") => properties.push(Property {
            name: name.to_owned(),
            kind: parameter.kind,
            optional: parameter.optional,
            description: parameter.description,
        }),
        (name, path) => {
            let parent = properties
                .iter_mut()
                .find(|property| property.name == name)?;
            add_property(&mut parent.kind, path, parameter)?;
        }
    }
    Some(())
}

/// The comment's lines without what decorates them.
fn lines(comment: &str) -> Vec<&str> {
    let inside = comment.trim_start_matches("/**").trim_end_matches("*/");
    inside
        .lines()
        .map(|line| {
            let line = line.trim();
            line.strip_prefix('*').map_or(line, str::trim)
        })
        .collect()
}

/// The text before the first tag, and each tag with the lines that belong to it.
fn split(text: &str) -> (&str, Vec<&str>) {
    let mut starts: Vec<usize> = text.match_indices("\n@").map(|(at, _)| at + 1).collect();
    if text.starts_with('@') {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let tags = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| text[start..end].trim_end())
        .collect();
    (&text[..starts.first().copied().unwrap_or(text.len())], tags)
}

/// What stands in braces at the beginning, if something does, and what follows.
fn braces(text: &str) -> Result<(Option<&str>, &str), String> {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return Ok((None, text));
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((Some(&text[1..at]), text[at + 1..].trim_start()));
        }
    }
    Err(format!(
        "`{}`: `}}` is missing",
        text.lines().next().unwrap_or(text)
    ))
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: Type, optional: bool, description: Option<&str>) -> Parameter {
        Parameter {
            name: name.to_owned(),
            kind,
            optional,
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn a_comment_is_read() {
        let doc = Doc::parse(
            "/**\n   * Adds two numbers,\n   * exactly.\n   *\n   * @param {number} a - The first\n   *   one.\n   * @param {number=} b The second.\n   * @param [c=3]\n   * @throws {Error} never\n   * @returns {Promise<number>} the sum\n   */",
        );
        let number = Type::Plain("number");
        assert_eq!(
            doc,
            Ok(Doc {
                description: Some("Adds two numbers,\nexactly.".to_owned()),
                parameters: vec![
                    parameter("a", number.clone(), false, Some("The first\none.")),
                    parameter("b", number.clone(), true, Some("The second.")),
                    parameter("c", Type::Any, true, None),
                ],
                returns: Some(number),
            })
        );
        assert_eq!(
            Doc::parse("/** One line. */").map(|doc| doc.description),
            Ok(Some("One line.".to_owned()))
        );
        assert_eq!(Doc::parse("/***/"), Ok(Doc::default()));
    }

    #[test]
    fn properties_of_an_object_are_read() {
        let doc = Doc::parse(
            "/**\n * @param {object} user - Who.\n * @param {string} user.name - Name.\n * @param {number} [user.age]\n */",
        );
        let doc = doc.expect("a comment");
        let [user] = &doc.parameters[..] else {
            panic!("{doc:?}");
        };
        assert_eq!(
            serde_json::Value::Object(user.kind.schema()),
            serde_json::json!({
                "type": "object",
                "properties": { "name": { "type": "string", "description": "Name." }, "age": { "type": "number" } },
                "required": ["name"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn properties_of_a_lists_items_are_read() {
        let doc = Doc::parse(
            "/**\n * @param {object} u\n * @param {object[]} u.kids - All.\n * @param {string} u.kids[].name - Name.\n \
             * @param {number} [u.kids[].age=3] - Years.\n * @param {Array<object>} list\n * @param {number} list[].n\n */",
        );
        let doc = doc.expect("a comment");
        let [u, list] = &doc.parameters[..] else {
            panic!("{doc:?}");
        };
        let kid = serde_json::json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Name." },
                "age": { "type": "number", "description": "Years." },
            },
            "required": ["name"],
            "additionalProperties": false,
        });
        assert_eq!(
            serde_json::Value::Object(u.kind.schema())["properties"]["kids"],
            serde_json::json!({ "type": "array", "items": kid, "description": "All." })
        );
        let list = serde_json::Value::Object(list.kind.schema());
        assert_eq!(list["items"]["required"], serde_json::json!(["n"]));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (tag, problem) in [
            ("@param {number a", "`{number a`: `}` is missing"),
            ("@param {number}", "has no name"),
            ("@param {number} [a", "`]` is missing"),
            ("@param {number} a.b", "write `@param {object} a` before it"),
            (
                "@param {number} a[].b",
                "write `@param {object[]} a` before it",
            ),
            (
                "@param {object} a\n@param {number} a.b[].c",
                "write `@param {object[]} a.b` before it",
            ),
            ("@returns {Foo}", "`Foo` is not known"),
        ] {
            let told = Doc::parse(&format!("/** {tag} */")).expect_err(tag);
            assert!(told.contains(problem), "{tag}: {told}");
        }
    }
}
