//! The interpreter of inline JavaScript: QuickJS as a component of `sandglass:tool`, in which a source text is bound to
//! the tools that it exports.
//!
//! The engine with its globals is made once, when the component is built ([`engine`]); a snapshot of that memory is what
//! each call starts from. Reading the text ([`source`]) happens in `list-tools`, which keeps the compiled module
//! ([`program`]) for calls.

#[cfg(target_family = "wasm")]
mod clocks;
#[cfg(target_family = "wasm")]
mod component;
pub mod engine;
mod globals;
mod host;
mod jsdoc;
pub mod program;
pub mod source;
pub mod tool;
pub mod types;
mod waits;
