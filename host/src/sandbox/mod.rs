//! Where guest code runs: wasmtime, narrowed to what a tool host needs.
//!
//! Nothing outside this folder names a wasmtime type, and nothing in here knows of HTTP, MCP or tenants.
//!
//! - [`engine`]: the one wasmtime configuration, and the pool of instance slots.
//! - [`compile`]: from bytes to machine code, bounded, in a process of its own.
//! - [`cache`]: machine code kept by digest: a read-only seed and a writable folder.
//! - [`component`]: a loaded component, and one call of it in a fresh instance.
//! - [`kind`], [`reflect`]: components that list their tools, and others, whose functions are made tools.
//! - [`script`]: source text that is bound to an interpreter.
//! - [`shared`]: components that are in memory already.
//! - [`lanes`]: where guests run: long calls share the CPU by lane.
//! - [`capability`]: what a guest may be granted, one file each.
//! - [`state`]: what a running instance can reach: the store's data and its denials.
//! - [`memory`], [`output`]: the caps on guest memory and on what a guest writes.
//! - [`fault`]: why a call ended early, in words for people.

pub mod bindings;
pub mod cache;
pub mod capability;
pub mod compile;
pub mod component;
pub mod engine;
pub mod fault;
mod kind;
pub mod lanes;
mod memory;
mod output;
pub mod reflect;
mod script;
mod shared;
mod state;

pub use capability::{GrantError, Grants, Stores, Summary, Trail};
pub use component::{Component, Inspection, Listed, LoadError, Payer, Usage};
pub use engine::{Engine, EngineSettings};
pub use fault::Fault;
pub use lanes::Lane;
pub use output::{Observer, Severity, Silent};
pub use script::Script;
