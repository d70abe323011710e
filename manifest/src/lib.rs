//! The manifest: one document that says what a host serves, and under which limits.
//!
//! [`Manifest::parse`] turns YAML or JSON text into a resolved, validated [`Manifest`]; everything a
//! document may leave out has its value there, paths are absolute, and no value needs checking again.
//! Nothing is ignored: a key or a value that has no effect is an error that names its place.

mod amount;
mod document;
mod duration;
mod engine;
mod error;
mod field;
mod filter;
mod keys;
mod limits;
mod manifest;
mod name;
mod origin;
mod scalar;
mod schema;
mod size;
mod source;
mod yaml;

pub use amount::{Count, Fuel};
pub use duration::Duration;
pub use engine::Engine;
pub use error::ManifestError;
pub use filter::ToolFilter;
pub use limits::{Limits, Queue};
pub use manifest::{Defaults, Manifest, Tool, Version};
pub use name::{SourceName, ToolPrefix};
pub use origin::{Origin, Surroundings};
pub use scalar::InvalidValue;
pub use schema::json_schema;
pub use size::ByteSize;
pub use source::SourceRef;
