//! Resources: what a client can read by URI.

use std::fmt::Display;

pub use crate::bindings::resources::exports::sandglass::tool::resources::{
    Guest, ReadError, ResourceTemplate,
};
use crate::{
    complete::Typing,
    contract::{ResourceContents, ResourceLink},
    host,
};

/// What `#[resource]` makes of a function.
pub trait ResourceFunction {
    /// The resource's URI, or the template of its URIs.
    const URI: &'static str;

    /// What clients are told of it.
    fn describe() -> Summary;

    /// Runs the function with the values of the template's variables.
    ///
    /// # Errors
    /// There is nothing, or the function failed.
    fn read(uri: &str, variables: &[(&str, String)]) -> Result<Vec<ResourceContents>, ReadError>;

    /// Suggestions for a variable.
    fn complete(variable: &str, typing: &Typing) -> Vec<String>;
}

/// What the attributes of a function say about its resource.
pub struct Summary {
    /// Its name.
    pub name: &'static str,
    /// Its title, for people.
    pub title: Option<&'static str>,
    /// Its doc comment.
    pub description: &'static str,
    /// What it holds.
    pub mime_type: Option<&'static str>,
}

type Read = fn(&str, &[(&str, String)]) -> Result<Vec<ResourceContents>, ReadError>;

/// A resource, or a family of them, in the list that [`export!`](crate::export) makes.
#[derive(Clone, Copy)]
pub struct Resource {
    pub(crate) uri: &'static str,
    describe: fn() -> Summary,
    read: Read,
    pub(crate) complete: fn(&str, &Typing) -> Vec<String>,
}

impl Resource {
    /// The resource that `#[resource]` made of a function.
    #[doc(hidden)]
    pub const fn of<T: ResourceFunction>() -> Self {
        Self {
            uri: T::URI,
            describe: T::describe,
            read: T::read,
            complete: T::complete,
        }
    }

    fn is_template(&self) -> bool {
        self.uri.contains('{')
    }
}

/// Tells clients that have subscribed to it that a resource has changed. A tool calls it that has changed one; the
/// host passes it on once the call has ended. In native tests it does nothing.
pub fn updated(uri: &str) {
    host::updated(uri);
}

/// The contract's `list-resources`.
pub fn list(resources: &[Resource]) -> Vec<ResourceLink> {
    let resources = resources.iter().filter(|resource| !resource.is_template());
    resources
        .map(|resource| {
            let summary = (resource.describe)();
            ResourceLink {
                title: summary.title.map(str::to_owned),
                description: Some(summary.description.to_owned()),
                mime_type: summary.mime_type.map(str::to_owned),
                ..ResourceLink::new(resource.uri, summary.name)
            }
        })
        .collect()
}

/// The contract's `list-resource-templates`.
pub fn list_templates(resources: &[Resource]) -> Vec<ResourceTemplate> {
    let templates = resources.iter().filter(|resource| resource.is_template());
    templates
        .map(|resource| {
            let summary = (resource.describe)();
            ResourceTemplate {
                uri_template: resource.uri.to_owned(),
                name: summary.name.to_owned(),
                title: summary.title.map(str::to_owned),
                description: Some(summary.description.to_owned()),
                mime_type: summary.mime_type.map(str::to_owned),
                icons: Vec::new(),
                annotations: None,
                meta: None,
            }
        })
        .collect()
}

/// The contract's `read-resource`.
///
/// # Errors
/// As the contract has them.
pub fn read(resources: &[Resource], uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
    if let Some(resource) = resources.iter().find(|resource| resource.uri == uri) {
        return (resource.read)(uri, &[]);
    }
    resources
        .iter()
        .find_map(|resource| Some((resource, variables(resource.uri, uri)?)))
        .map_or(Err(ReadError::NotFound), |(resource, variables)| {
            (resource.read)(uri, &variables)
        })
}

/// The values of a template's variables in a URI that it matches: `{name}` is a part without `/`, `{+name}` one with it.
fn variables<'a>(template: &'a str, uri: &str) -> Option<Vec<(&'a str, String)>> {
    let Some((literal, rest)) = template.split_once('{') else {
        return (template == uri).then(Vec::new);
    };
    let uri = uri.strip_prefix(literal)?;
    let (variable, rest) = rest.split_once('}')?;
    let (name, whole) = match variable.strip_prefix('+') {
        Some(name) => (name, true),
        None => (variable, false),
    };
    // The longest part that lets the rest match.
    let ends = uri.char_indices().map(|(at, _)| at).chain([uri.len()]);
    ends.collect::<Vec<_>>()
        .into_iter()
        .rev()
        .filter(|end| *end > 0 && (whole || !uri[..*end].contains(['/', '?', '#'])))
        .find_map(|end| {
            let mut found = variables(rest, &uri[end..])?;
            found.insert(0, (name, decode(&uri[..end])));
            Some(found)
        })
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |byte: &u8| char::from(*byte).to_digit(16);
        let encoded = match (first, after) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)),
            _ => None,
        };
        match encoded {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one variable of a template.
///
/// # Errors
/// There is nothing at a URI whose variable is none of the function's type.
#[doc(hidden)]
pub fn variable<T: std::str::FromStr>(
    name: &str,
    variables: &[(&str, String)],
) -> Result<T, ReadError> {
    let text = variables.iter().find(|(key, _)| *key == name);
    text.and_then(|(_, text)| text.parse().ok())
        .ok_or(ReadError::NotFound)
}

/// What a resource can return: text, bytes, [`ResourceContents`] or several of them; an `Option` of these, where `None`
/// is that there is nothing; or a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be what a resource holds",
    label = "a resource returns a `String`, a `Vec<u8>`, `ResourceContents`, a `Vec` of them, or an `Option` or `Result` of these"
)]
pub trait IntoResource {
    /// As the contract has it.
    ///
    /// # Errors
    /// The resource's own.
    #[doc(hidden)]
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError>;
}

impl IntoResource for String {
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        Ok(vec![ResourceContents::text(uri, self)])
    }
}

impl IntoResource for &str {
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        self.to_owned().finish(uri)
    }
}

impl IntoResource for Vec<u8> {
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        Ok(vec![ResourceContents::blob(uri, self)])
    }
}

impl IntoResource for ResourceContents {
    fn finish(self, _: &str) -> Result<Vec<ResourceContents>, ReadError> {
        Ok(vec![self])
    }
}

impl IntoResource for Vec<ResourceContents> {
    fn finish(self, _: &str) -> Result<Vec<ResourceContents>, ReadError> {
        Ok(self)
    }
}

impl<T: IntoResource> IntoResource for Option<T> {
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        self.ok_or(ReadError::NotFound)?.finish(uri)
    }
}

impl<T: IntoResource, E: Display> IntoResource for Result<T, E> {
    fn finish(self, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        self.map_err(|error| ReadError::Failed(error.to_string()))?
            .finish(uri)
    }
}

/// Fills in the MIME type that the attribute gives.
#[doc(hidden)]
pub fn typed(contents: Vec<ResourceContents>, mime_type: Option<&str>) -> Vec<ResourceContents> {
    let contents = contents.into_iter();
    contents
        .map(|one| ResourceContents {
            mime_type: one.mime_type.or_else(|| mime_type.map(str::to_owned)),
            ..one
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn the_variables_of_a_template_are_found_in_its_uris() {
        let found = |template, uri| {
            variables(template, uri).map(|found| {
                let values = found.into_iter();
                values.map(|(_, value)| value).collect::<Vec<_>>()
            })
        };
        let some = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
        assert_eq!(found("a://{x}/data", "a://123/data"), some(&["123"]));
        assert_eq!(found("a://{x}/{y}", "a://1/2"), some(&["1", "2"]));
        assert_eq!(found("a://{+path}", "a://b/c.txt"), some(&["b/c.txt"]));
        assert_eq!(found("a://{x}", "a://caf%C3%A9%20"), some(&["café "]));
        assert_eq!(found("a://b", "a://b"), some(&[]));
        for (template, uri) in [
            ("a://{x}", "a://b/c"),
            ("a://{x}", "a://"),
            ("a://{x}/d", "a://1/e"),
        ] {
            assert_eq!(found(template, uri), None, "{template} {uri}");
        }
    }
}
