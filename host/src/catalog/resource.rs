//! Resources, and families of them, as callers see them.

use std::sync::Arc;

use sandglass_text::Line;
use serde_json::{Map, Value};

use super::checked::{self, Unfit};
use super::definition::Definition;
use super::guest::Guest;
use super::seen;
use crate::sandbox::{MAX_URI, bindings};
use crate::schema::{Account, Exhausted, TemplateError, UriTemplate};

/// A resource of a loaded component, checked and ready to be read.
pub struct Resource {
    /// As its component describes it.
    pub described: bindings::ResourceLink,
    /// What callers are told of it, told apart.
    pub definition: Definition,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// What reads it.
    pub guest: Arc<Guest>,
}

/// A family of resources of a loaded component.
pub struct ResourceTemplate {
    /// As its component describes it.
    pub described: bindings::ResourceTemplate,
    /// Which URIs are of it.
    pub template: UriTemplate,
    /// What callers are told of it, told apart.
    pub definition: Definition,
    /// The author's `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// Whether its component completes its variables.
    pub completes: bool,
    /// What reads them.
    pub guest: Arc<Guest>,
}

/// Why a resource is refused. Its component is left out with it.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// What it says of itself.
    #[error("resource `{0}`: {1}")]
    Unfit(Line, Unfit),
    /// The URI.
    #[error(
        "resource `{0}`: a URI has a scheme, at most {MAX_URI} characters and no spaces (RFC 3986)"
    )]
    Uri(Line),
    /// The template.
    #[error("resource template `{0}`: {1}")]
    Template(Line, TemplateError),
    /// With all the others of its component it is too much.
    #[error("its component {0}")]
    Exhausted(#[from] Exhausted),
}

impl Resource {
    /// Checks what the component says of a resource.
    pub fn new(
        described: bindings::ResourceLink,
        guest: Arc<Guest>,
    ) -> Result<Self, ResourceError> {
        check_uri(&described.uri)?;
        let unfit = |unfit| ResourceError::Unfit(Line::name(&described.uri), unfit);
        let meta = checked::read_meta(described.meta.as_ref()).map_err(unfit)?;
        seen::check_resource(&described, meta.as_ref()).map_err(|found| unfit(found.into()))?;
        Ok(Self {
            definition: Definition::of_resource(&described),
            described,
            meta,
            guest,
        })
    }
}

impl ResourceTemplate {
    /// Checks what the component says of a family of resources; the component's account pays for the look-ups.
    pub fn new(
        described: bindings::ResourceTemplate,
        completes: bool,
        guest: Arc<Guest>,
        account: &mut Account,
    ) -> Result<Self, ResourceError> {
        account.template()?;
        check_uri(&described.uri_template)?;
        let template = UriTemplate::parse(&described.uri_template)
            .map_err(|error| ResourceError::Template(Line::name(&described.uri_template), error))?;
        let unfit = |unfit| ResourceError::Unfit(Line::name(&described.uri_template), unfit);
        let meta = checked::read_meta(described.meta.as_ref()).map_err(unfit)?;
        seen::check_template(&described, meta.as_ref()).map_err(|found| unfit(found.into()))?;
        Ok(Self {
            definition: Definition::of_template(&described),
            described,
            template,
            meta,
            completes,
            guest,
        })
    }
}

/// As much of RFC 3986 as keeps text that is no URI out of lists.
fn check_uri(uri: &str) -> Result<(), ResourceError> {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_text = uri
        .chars()
        .all(|character| !character.is_whitespace() && !character.is_control());
    if !is_scheme || !is_text || uri.len() > MAX_URI {
        return Err(ResourceError::Uri(Line::name(uri)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_a_scheme_and_no_spaces() {
        for uri in [
            "test://a",
            "file:///a/b",
            "urn:isbn:1",
            "a+b.c-d:x",
            "note:é",
        ] {
            assert!(check_uri(uri).is_ok(), "{uri}");
        }
        let long = format!("a:{}", "x".repeat(MAX_URI));
        for uri in [
            "", "a", "//a/b", ":a", "1a:b", "a b:c", "a:b c", "a:\u{7}", &long,
        ] {
            assert!(check_uri(uri).is_err(), "{uri}");
        }
    }
}
