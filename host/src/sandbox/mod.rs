//! Where guest code runs: wasmtime, narrowed to what a tool host needs.
//!
//! Nothing outside this folder names a wasmtime type, and nothing in here knows of HTTP, MCP or tenants.
//!
//! - [`engine`]: the one wasmtime configuration, and the pool of instance slots.
//! - [`compile`], [`segments`]: from bytes to machine code, bounded, in a process of its own.
//! - [`cache`], [`seal`]: machine code kept by digest: a read-only seed and a writable folder.
//! - [`compiled`], [`listing`]: a component as all who load it share it, and what was noted of it at an earlier start.
//! - [`component`]: a loaded component, and one call of it in a fresh instance.
//! - [`kind`], [`reflect`]: components that list their tools, and others, whose functions are made tools.
//! - [`provided`], [`request`]: what a component has, and what it can be asked to do.
//! - [`dialogue`], [`origin`]: questions in the middle of a call, and how it is run again for their answers.
//! - [`script`]: source text that is bound to an interpreter.
//! - [`shared`], [`failures`]: components that are in memory already, and those that cannot be loaded.
//! - [`lanes`], [`file_share`]: where guests run: long calls share the CPU by lane, and files too.
//! - [`capability`]: what a guest may be granted, one file each.
//! - [`state`]: what a running instance can reach: the store's data and its denials.
//! - [`linked`], [`meter`]: the functions that a guest can call, what each costs, and how that is paid.
//! - [`memory`], [`output`]: the caps on a guest's memory, on what the host holds for it, and on what it writes.
//! - [`fault`]: why a call ended early, in words for people.

pub mod bindings;
pub mod cache;
pub mod capability;
pub mod compile;
pub mod compiled;
pub mod component;
pub mod dialogue;
pub mod engine;
mod failures;
pub mod fault;
mod file_share;
mod kind;
pub mod lanes;
mod linked;
mod listing;
mod memory;
mod meter;
pub mod origin;
mod output;
mod provided;
pub mod reflect;
pub mod request;
mod script;
mod seal;
mod segments;
mod shared;
mod state;

pub use capability::{
    BucketError, Grant, GrantError, GrantedFolders, Grants, MAX_URI, NoRecords, OwnFile, Records,
    Secrecy, Stores, Summary, Trail,
};
pub use compiled::{Inspection, LoadError};
pub use component::{Component, Ended, Listed, Payer, Ran, Run, Usage};
pub use dialogue::{Askable, Dialogue, Fresh, Round};
pub use engine::{Engine, EngineSettings};
pub use fault::Fault;
pub use lanes::{Lane, SHORT};
pub use origin::{Origin, Secret};
pub use output::{Observer, Severity, Silent};
pub use provided::Provided;
pub use request::{PromptRequest, ReadRequest, Request};
pub use script::Script;

pub use crate::turns::Share;
