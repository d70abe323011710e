//! Which tools a tenant has right now.
//!
//! A [`Snapshot`] never changes once it is made; [`Catalog`] holds the one that
//! counts and swaps it atomically. So listing and calling never wait for loads.
//!
//! - [`loader`]: which components are served, and how they change while the host runs.
//! - [`load`]: one component, from a source of the manifest to checked tools.
//! - [`interpreters`]: what runs source text.
//! - [`assemble`]: from loaded components to a snapshot.
//! - [`tool`]: a tool as callers see it, with its compiled validators.
//! - [`definition`], [`pins`]: what a model is told of tools, and whether that has changed behind a reference.
//! - [`schema`]: JSON schemas, checked and compiled once, at load.
//! - [`applications`]: what checking an instance costs.

mod applications;
mod assemble;
mod definition;
mod interpreters;
mod load;
pub mod loader;
mod pins;
pub mod schema;
mod snapshot;
pub mod tool;

pub use interpreters::Interpreters;
pub use load::Source;
pub use loader::{Loader, Look};
pub use snapshot::{Catalog, Changes, Snapshot, SourceState, SourceStatus, TenantTools};
pub use tool::Tool;
