//! Which tools a tenant has right now.
//!
//! A [`Snapshot`] never changes once it is made; [`Catalog`] holds the one that
//! counts and swaps it atomically. So listing and calling never wait for loads.
//!
//! - [`tool`]: a tool as callers see it, with its compiled validators.
//! - [`schema`]: JSON schemas, checked and compiled once, at load.
//! - [`applications`]: what checking an instance costs.
//! - [`load`]: from the manifest's tools to a snapshot.

mod applications;
pub mod load;
pub mod schema;
mod snapshot;
pub mod tool;

pub use load::{Source, load};
pub use snapshot::{Catalog, Snapshot, SourceState, SourceStatus, TenantTools};
pub use tool::Tool;
