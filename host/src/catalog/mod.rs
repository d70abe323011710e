//! Which tools, prompts and resources a tenant has right now.
//!
//! A [`Snapshot`] never changes once it is made; [`Catalog`] holds the one that
//! counts and swaps it atomically. So listing and calling never wait for loads.
//!
//! - [`loader`]: which components are served, and how they change while the host runs.
//! - [`served`]: the sources of the manifest, and what became of each.
//! - [`load`]: one component, from a source of the manifest to checked tools.
//! - [`interpreters`]: what runs source text.
//! - [`assemble`]: from loaded components to a snapshot.
//! - [`tool`]: a tool as callers see it, with its compiled validators.
//! - [`prompt`], [`resource`]: prompts, resources, and families of them, likewise.
//! - [`offer`]: what one component has of all that, and [`guest`]: what runs it.
//! - [`checked`]: checks that hold for everything that a component says of itself.
//! - [`seen`]: nothing of that is hidden from a person.
//! - [`definition`], [`pins`]: what a model is told of tools, and whether that has changed behind a reference.

mod assemble;
mod checked;
mod definition;
mod guest;
mod interpreters;
mod load;
pub mod loader;
mod offer;
mod pins;
mod prompt;
mod resource;
mod seen;
mod served;
mod snapshot;
pub mod tool;

pub use guest::Guest;
pub use interpreters::Interpreters;
pub use load::Source;
pub use loader::Loader;
pub use prompt::Prompt;
pub use resource::{Resource, ResourceTemplate};
pub use served::Look;
pub use snapshot::{
    Catalog, Changed, Changes, Reader, Snapshot, SourceState, SourceStatus, TenantCatalog,
};
pub use tool::Tool;
