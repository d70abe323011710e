//! What guests say of their data: JSON schemas, with their patterns, and URI templates.
//!
//! All of it comes from strangers. It goes one way, for tools, prompts, resources and forms alike: it is read, its nesting,
//! references, number and size are bounded, and only then is it compiled; and what checking a value would cost is counted
//! before the value is checked.
//!
//! - [`json_schema`]: a schema, and how values are checked.
//! - [`account`]: what all schemas of a component may have together.
//! - [`graph`]: a schema's subschemas, and which of them each applies; [`reference`]: what `$ref` points to.
//! - [`cost`]: what checking a value costs.
//! - [`pattern`]: what a pattern takes to keep and to match.
//! - [`form`]: the schemas of forms that people fill in.
//! - [`subschemas`]: which keywords hold schemas; [`integers`]: integers have 64 bits.
//! - [`uri_template`]: families of URIs.

mod account;
mod cost;
mod form;
mod graph;
pub mod integers;
mod json_schema;
mod pattern;
mod reference;
pub mod subschemas;
mod uri_template;

#[cfg(test)]
mod tests;

pub use account::{Account, Exhausted};
pub use cost::Cost;
pub use form::Form;
pub use json_schema::{Schema, SchemaError};
pub use uri_template::{TemplateError, UriTemplate};
