//! Writing tools on a laptop: projects are made, built and tested here.
//!
//! - [`language`]: what a tool can be written in, and how each is built.
//! - [`project`]: a folder with a tool's source.
//! - [`template`]: the files of a new project, the SDK among them.
//! - [`cases`]: calls, and what must come back.

pub mod cases;
mod command;
mod javascript;
pub mod language;
pub mod project;
mod python;
mod rust;
pub mod template;

pub use language::Language;
pub use project::{BuildError, Project};

/// The file of a component of this name. Names of crates and packages have `-`, those of modules `_`.
fn component_name(name: &str) -> String {
    format!("{}.wasm", name.replace('-', "_"))
}
