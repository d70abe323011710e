//! Where guest code runs: wasmtime, narrowed to what a tool host needs.
//!
//! Nothing outside this folder names a wasmtime type, and nothing in here knows of HTTP, MCP or tenants.
//!
//! - [`engine`]: the one wasmtime configuration, and the pool of instance slots.
//! - [`compile`]: from bytes to machine code, bounded, in a process of its own.
//! - [`cache`]: machine code kept by digest: a read-only seed and a writable folder.
//! - [`component`]: a loaded component, and one call of it in a fresh instance.
//! - [`state`]: what a running instance can reach: the store's data and its denials.
//! - [`memory`], [`output`]: the caps on guest memory and on what a guest writes.
//! - [`fault`]: why a call ended early, in words for people.

pub mod bindings;
pub mod cache;
pub mod compile;
pub mod component;
pub mod engine;
pub mod fault;
mod memory;
mod output;
mod state;

pub use component::{Component, Inspection, LoadError, Usage};
pub use engine::{Engine, EngineSettings};
pub use fault::Fault;
pub use output::{Observer, Severity, Silent};
