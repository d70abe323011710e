//! URI templates (RFC 6570), the other way round: which URIs are of a template.
//!
//! A URI is held against the parts one after the other: which places in it each part can end at, given those that the one
//! before ended at. So a look takes a walk over the URI for each expression, and a template the memory of its text.

use sandglass_text::Line;

/// Expressions of a template: each may cost a walk over the URI.
const MAX_EXPRESSIONS: usize = 16;

/// A template that URIs can be held against.
#[derive(Debug)]
pub struct UriTemplate {
    variables: Vec<String>,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Expansion),
}

/// What an expression makes (RFC 6570, appendix A).
#[derive(Debug, Clone, Copy)]
enum Expansion {
    /// Any characters at all, at least one: `{+a}`.
    Anything,
    /// Nothing, or a mark and any characters but these: `{#a}`, `{?a}`, `{&a}`.
    Rest { mark: u8, but: &'static [u8] },
    /// Values without these characters, with a mark before each; so many at least and at most.
    Values {
        mark: u8,
        but: &'static [u8],
        /// The first value has no mark, the others are set apart by it.
        between: bool,
        /// A value may be empty.
        empty: bool,
        least: usize,
        most: usize,
    },
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
    Expression(Line),
    /// More expressions than a look may cost.
    #[error("it has {0} expressions; at most {MAX_EXPRESSIONS} are accepted")]
    Expressions(usize),
}

impl UriTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut variables = Vec::new();
        let mut parts = Vec::new();
        let mut rest = text;
        let mut expressions = 0;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, expression) = rest.split_at(open);
            parts.push(Part::Literal(literal.to_owned()));
            let expression = expression.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (expression, after) = expression.split_once('}').ok_or(TemplateError::Brace)?;
            parts.push(Part::Expression(expansion(expression, &mut variables)?));
            expressions += 1;
            rest = after;
        }
        if expressions > MAX_EXPRESSIONS {
            return Err(TemplateError::Expressions(expressions));
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self { variables, parts })
    }

    /// Whether a URI is one that the template makes.
    pub fn matches(&self, uri: &str) -> bool {
        let uri = uri.as_bytes();
        let mut ends = vec![false; uri.len() + 1];
        ends[0] = true;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => ends = after_literal(uri, literal.as_bytes(), &ends),
                Part::Expression(expansion) => ends = expansion.after(uri, &ends),
            }
            if !ends.contains(&true) {
                return false;
            }
        }
        ends[uri.len()]
    }

    /// The names of its variables.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
}

fn after_literal(uri: &[u8], literal: &[u8], starts: &[bool]) -> Vec<bool> {
    let mut ends = vec![false; starts.len()];
    for (start, _) in starts.iter().enumerate().filter(|(_, is_one)| **is_one) {
        if uri[start..].starts_with(literal) {
            ends[start + literal.len()] = true;
        }
    }
    ends
}

impl Expansion {
    /// The places that it can end at, from these.
    fn after(self, uri: &[u8], starts: &[bool]) -> Vec<bool> {
        let mut ends = vec![false; starts.len()];
        match self {
            Self::Anything => {
                let first = starts.iter().position(|is_one| *is_one);
                ends[first.map_or(starts.len(), |first| first + 1)..].fill(true);
            }
            Self::Rest { mark, but } => {
                let mut inside = false;
                for place in 0..starts.len() {
                    ends[place] = inside || starts[place];
                    let Some(byte) = uri.get(place) else { break };
                    inside = (inside && !but.contains(byte)) || (starts[place] && *byte == mark);
                }
            }
            Self::Values {
                mark,
                but,
                between,
                empty,
                least,
                most,
            } => {
                // The fewest values with which a place is reached: more of them are never needed to go on from there, and
                // `least` is one at most.
                let mut inside: Option<usize> = None;
                let mut at_mark: Option<usize> = None;
                for place in 0..starts.len() {
                    let start = starts[place].then_some(0);
                    let ended = inside.or(at_mark.filter(|_| empty));
                    ends[place] = ended.is_some_and(|values| values >= least)
                        || (start.is_some() && least == 0);
                    let Some(byte) = uri.get(place) else { break };
                    let is_value = !but.contains(byte) && *byte != mark;
                    let begin = if between { start.map(|_| 1) } else { None };
                    let on = fewest(fewest(inside, at_mark), begin);
                    let before_mark = if between { ended } else { fewest(start, ended) };
                    at_mark = before_mark
                        .map(|values| values + 1)
                        .filter(|values| *byte == mark && *values <= most);
                    inside = on.filter(|_| is_value);
                }
            }
        }
        ends
    }
}

fn fewest(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}

/// An expression's operator decides what its variables can hold and what stands before them (RFC 6570, appendix A).
fn expansion(expression: &str, variables: &mut Vec<String>) -> Result<Expansion, TemplateError> {
    let names = expression.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']);
    let operator = &expression[..expression.len() - names.len()];
    let mut count = 0;
    for name in names.split(',') {
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        let name = name.strip_suffix('*').unwrap_or(name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.%".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(TemplateError::Expression(Line::name(expression)));
        }
        variables.push(name.to_owned());
        count += 1;
    }
    let values = |mark, but, least, most| Expansion::Values {
        mark,
        but,
        between: false,
        empty: false,
        least,
        most,
    };
    Ok(match operator {
        "" => Expansion::Values {
            mark: b',',
            but: b"/?#",
            between: true,
            empty: false,
            least: 1,
            most: count,
        },
        "+" => Expansion::Anything,
        "#" => Expansion::Rest {
            mark: b'#',
            but: b"",
        },
        "." => values(b'.', b"/?#", 0, count),
        // An exploded list of parts is a path.
        "/" if names.contains('*') => values(b'/', b"?#", 1, usize::MAX),
        "/" => values(b'/', b"?#", 1, count),
        ";" => Expansion::Values {
            mark: b';',
            but: b"/?#",
            between: false,
            empty: true,
            least: 0,
            most: usize::MAX,
        },
        "?" => Expansion::Rest {
            mark: b'?',
            but: b"#",
        },
        "&" => Expansion::Rest {
            mark: b'&',
            but: b"#",
        },
        _ => return Err(TemplateError::Expression(Line::name(expression))),
    })
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
