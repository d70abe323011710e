//! What is measured: one file a question.

pub mod components;
mod fresh_call;
mod inline;
mod listeners;
pub mod mcp;
mod neighbour;
pub mod rest;
mod session;
mod start;
mod stdio;

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use sandglass::open_files;
use sandglass::sandbox::bindings::{CallRequest, Outcome};
use sandglass::sandbox::cache::CodeCache;
use sandglass::sandbox::compile::Compiler;
use sandglass::sandbox::{
    Component, Dialogue, Ended, Engine, EngineSettings, Grants, Lane, Run, Secret, Silent,
};
use sandglass_manifest::{Engine as EngineLimits, Limits, Manifest, Surroundings};
use serde_json::{Value, json};

use crate::parts::Parts;
use crate::report::Row;
use crate::rounds::Effort;

/// What `echo` is called with, and what it answers.
const TEXT: &str = "hello, sandglass";
const REPLY: &str = "Echo: hello, sandglass";

/// What all questions need.
pub struct Bench {
    parts: Parts,
    effort: Effort,
}

/// A question about costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Question {
    /// What the sandbox adds to a call in a fresh instance of bare wasmtime
    FreshCall,
    /// What the number of loaded components adds to a call
    Components,
    /// What a REST call costs beside a native handler
    Rest,
    /// What an MCP call (2026-07-28) costs beside a native rmcp tool, and beside one in FastMCP
    Mcp,
    /// What a session of its own for each call costs beside a bare call
    Session,
    /// What sessions that only listen cost
    Listeners,
    /// What a call over stdio costs beside a native rmcp tool
    Stdio,
    /// What a tenant notices of another one that takes all the places it has
    Neighbour,
    /// What a call of inline Python and JavaScript costs, beside the same function in FastMCP
    Inline,
    /// How long a server takes to be ready with many tools, and what idle ones cost
    Start,
}

impl Question {
    /// These, or all.
    pub fn chosen(only: &[Self]) -> impl Iterator<Item = Self> {
        Self::value_variants()
            .iter()
            .copied()
            .filter(move |question| only.is_empty() || only.contains(question))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::FreshCall => "fresh-call",
            Self::Components => "components",
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Session => "session",
            Self::Listeners => "listeners",
            Self::Stdio => "stdio",
            Self::Neighbour => "neighbour",
            Self::Inline => "inline",
            Self::Start => "start",
        }
    }

    /// Measures.
    pub fn answer(self, bench: &Bench) -> Result<Vec<Row>> {
        match self {
            Self::FreshCall => fresh_call::measure(bench),
            Self::Components => components::measure(bench),
            Self::Rest => rest::measure(bench),
            Self::Mcp => mcp::measure(bench),
            Self::Session => session::measure(bench),
            Self::Listeners => listeners::measure(bench),
            Self::Stdio => stdio::measure(bench),
            Self::Neighbour => neighbour::measure(bench),
            Self::Inline => inline::measure(bench),
            Self::Start => start::measure(bench),
        }
    }
}

impl Bench {
    /// Finds what must have been built.
    pub fn new(effort: Effort) -> Result<Self> {
        Ok(Self {
            parts: Parts::find()?,
            effort,
        })
    }
}

/// The engine's limits of a host without a manifest.
fn engine_limits() -> EngineLimits {
    Manifest::absent(&Surroundings::of_process()).engine
}

/// The host's engine in this process.
fn engine(cache: CodeCache) -> Result<Engine> {
    let limits = engine_limits();
    open_files::allow_many();
    Ok(Engine::new(EngineSettings {
        max_memory: limits.max_memory.get(),
        max_instances: limits.max_instances.get(),
        compiler: Compiler::InProcess,
        cache,
    })?)
}

/// The runtime of calls in process: one thread, so that all CPU time is theirs.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

fn read_echo(parts: &Parts) -> Result<Bytes> {
    let bytes =
        fs::read(&parts.echo).with_context(|| format!("cannot read {}", parts.echo.display()))?;
    Ok(bytes.into())
}

/// A call of `echo` as a component gets it.
fn call_request() -> CallRequest {
    CallRequest {
        name: "echo".to_owned(),
        arguments: json!({"text": TEXT}).to_string(),
        meta: None,
        continuation: None,
    }
}

/// Calls a component as a host does, with nobody to listen or to be asked.
async fn call(
    component: &Component,
    request: CallRequest,
    grants: &Grants,
    secret: &Secret,
    lane: &Lane,
) -> Result<Outcome> {
    let run = Run {
        limits: &Limits::DEFAULT,
        grants,
        observer: Arc::new(Silent),
        dialogue: Dialogue::default(),
        secret,
    };
    match component.call(request, run, lane, ()).await.0.ended? {
        Ended::Returned(outcome) => Ok(outcome),
        Ended::Asked(_) => bail!("it asks"),
    }
}

/// Fails unless a component gave the right answer.
fn check(outcome: &Outcome) -> Result<()> {
    let right = matches!(
        outcome,
        Outcome::Done(success)
            if success.value.as_deref().is_some_and(|value| value.trim_matches('"') == REPLY)
    );
    ensure!(right, "not what `echo` answers: {outcome:?}");
    Ok(())
}

/// A `tools/call` of `echo` with this `_meta`.
fn tools_call(id: u64, meta: Option<Value>) -> Value {
    let mut params = json!({"name": "echo", "arguments": {"text": TEXT}});
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}
