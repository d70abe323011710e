//! How long a server takes to be ready with many distinct tools, and what they cost it while nobody calls them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use sandglass::sandbox::cache::CodeCache;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Bench;
use super::components::{fill_cache, numbered};
use crate::memory::Memory;
use crate::report::{Bar, Quantity, Row};
use crate::server::Server;

/// Seconds.
const START: Bar = Bar::at_most(3.0, 0.3);

/// KiB a tool.
const IDLE: Bar = Bar::at_most(150.0, 60.0);

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let folder = TempDir::with_prefix("sandglass-bench-")?;
    let cache = TempDir::with_prefix("sandglass-bench-")?;
    let count = bench.effort.components;
    let tools = tools(bench, folder.path(), cache.path(), count)?;
    let start = |tools: &[Value]| -> Result<(Duration, Memory)> {
        let begin = Instant::now();
        let server = Server::with_cache(&bench.parts, json!({ "tools": tools }), cache.path())?;
        Ok((begin.elapsed(), server.memory()?))
    };
    let mut times = Vec::new();
    let (_, one) = start(&tools[..1])?;
    // The first one brings the files into memory.
    let (_, mut many) = start(&tools)?;
    for _ in 0..bench.effort.rounds {
        let (time, memory) = start(&tools)?;
        times.push(time);
        many = memory;
    }
    times.sort_unstable();
    let others = f64::from(count - 1);
    Ok(vec![
        Row::alone(
            format!("start to ready with {count} tools, warm cache"),
            Quantity::SECONDS,
            times[times.len() / 2].as_secs_f64(),
        )
        .with_bar(START),
        Row::alone(
            "resident memory of an idle tool",
            Quantity::KIBIBYTES,
            (many.resident - one.resident) / others,
        )
        .with_bar(IDLE),
        Row::alone(
            "of it private",
            Quantity::KIBIBYTES,
            (many.private - one.private) / others,
        ),
    ])
}

/// So many components, compiled; each with a prefix of its own, since all have the same tool.
fn tools(bench: &Bench, folder: &Path, cache: &Path, count: u32) -> Result<Vec<Value>> {
    let runtime = super::runtime()?;
    let code = CodeCache::new(None, Some(cache.to_owned()));
    let engine = super::engine(code.clone())?;
    let echo = super::read_echo(&bench.parts)?;
    fill_cache(&runtime, &engine, &echo, &code, count)?;
    (0..count)
        .map(|number| {
            let file = folder.join(format!("echo{number}.wasm"));
            fs::write(&file, numbered(&echo, number))?;
            Ok(json!({ "source": file, "prefix": format!("n{number}") }))
        })
        .collect()
}
