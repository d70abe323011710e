//! Writing tools on a laptop: projects are made, built and tested here.
//!
//! - [`language`]: what a tool can be written in, and how each is built.
//! - [`project`]: a folder with a tool's source.
//! - [`template`]: the files of a new project, the SDK among them.
//! - [`cases`]: calls, and what must come back.

pub mod cases;
mod command;
pub mod language;
pub mod project;
mod rust;
pub mod template;

pub use language::Language;
pub use project::{BuildError, Project};
