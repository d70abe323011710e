//! What the number of loaded components adds to a call. Each number is loaded in a
//! process of its own: unwind tables and registries of code belong to a process.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandglass::sandbox::cache::{CodeCache, Origin};
use sandglass::sandbox::{Component, Engine, Grants, Secret};
use sandglass::source::Digest;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::Bench;
use super::fresh_call::repeat;
use crate::memory::Memory;
use crate::parts::Parts;
use crate::process::Process;
use crate::report::{Bar, Quantity, Row};
use crate::rounds::{Sample, Subject, take_turns};

const BAR: Bar = Bar::at_most(1.3, 1.05);

/// How many components a process loads, and from where.
#[derive(Args)]
pub struct Arguments {
    #[arg(long)]
    count: u32,
    #[arg(long)]
    echo: PathBuf,
    #[arg(long)]
    cache: PathBuf,
}

/// The first line of such a process.
#[derive(Serialize, Deserialize)]
struct Loaded {
    /// How long all of them took from the cache.
    load: Duration,
    /// Resident memory then.
    memory: Memory,
}

/// What such a process is asked for, one a line.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Order {
    calls: u32,
    which: Which,
}

/// Which components are called.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Which {
    /// All of them, one after the other.
    All,
    /// The first only.
    First,
}

/// What it answers.
#[derive(Serialize, Deserialize)]
struct Answer {
    cpu: Duration,
    wall: Duration,
}

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let cache = TempDir::with_prefix("sandglass-bench-")?;
    let (hundred, most) = (100, bench.effort.components);
    let mut one = Loader::start(&bench.parts, cache.path(), 1)?;
    let mut some = Loader::start(&bench.parts, cache.path(), hundred)?;
    let mut many = Loader::start(&bench.parts, cache.path(), most)?;

    let mut compare = |which: Which| {
        let order = Order {
            calls: bench.effort.calls,
            which,
        };
        take_turns(
            bench.effort.rounds,
            [one.subject(order), some.subject(order), many.subject(order)],
        )
    };
    let [one_of_all, some_of_all, many_of_all] = compare(Which::All)?;
    let [one_first, some_first, many_first] = compare(Which::First)?;
    let row = |count, which, series, baseline| {
        let measure = format!("call at {count} components / at one, {which}, CPU");
        Row::compare(measure, series, baseline, Quantity::CPU)
    };
    let (with, without) = (&many.loaded.memory, &one.loaded.memory);
    Ok(vec![
        row(hundred, "all in turn", &some_of_all, &one_of_all),
        // Not held to the bar: what each has of its own is not in the CPU's caches when its turn comes.
        row(most, "all in turn", &many_of_all, &one_of_all),
        row(hundred, "always the first", &some_first, &one_first),
        row(most, "always the first", &many_first, &one_first).with_bar(BAR),
        Row::alone(
            "resident memory a loaded component, idle",
            Quantity::KIBIBYTES,
            (with.resident - without.resident) / f64::from(most - 1),
        ),
        Row::alone(
            "of it private",
            Quantity::KIBIBYTES,
            (with.private - without.private) / f64::from(most - 1),
        ),
        Row::alone(
            "loading a component from the cache, time",
            Quantity::TIME,
            many.loaded.load.as_secs_f64() * 1e6 / f64::from(most),
        ),
    ])
}

/// A process with loaded components.
struct Loader {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    loaded: Loaded,
    /// Ends when this is dropped.
    _process: Process,
}

impl Loader {
    fn start(parts: &Parts, cache: &Path, count: u32) -> Result<Self> {
        let mut command = Command::new(&parts.bench);
        command
            .arg("components")
            .args(["--count", &count.to_string()])
            .arg("--echo")
            .arg(&parts.echo)
            .arg("--cache")
            .arg(cache);
        let (process, orders, mut answers) = Process::start_piped(&mut command)?;
        let loaded = next(&mut answers)?;
        Ok(Self {
            orders,
            answers,
            loaded,
            _process: process,
        })
    }

    fn subject(&mut self, order: Order) -> Subject<'_> {
        Box::new(move || {
            say(&mut self.orders, &order)?;
            let answer: Answer = next(&mut self.answers)?;
            Ok(Sample {
                calls: order.calls.into(),
                cpu: answer.cpu,
                wall: answer.wall,
                latencies: Vec::new(),
            })
        })
    }
}

fn say(output: &mut impl Write, message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    Ok(output.flush()?)
}

fn next<T: serde::de::DeserializeOwned>(input: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the loading process said {line:?}"))
}

/// Such a process: loads, says so, and then does what it is asked until stdin ends.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = super::runtime()?;
    let code = CodeCache::new(None, Some(arguments.cache.clone()));
    let engine = super::engine(code.clone())?;
    let echo = fs::read(&arguments.echo)?;
    fill_cache(&runtime, &engine, &echo, &code, arguments.count)?;
    let started = Instant::now();
    let components = (0..arguments.count)
        .map(|number| {
            let loading = Component::load(&engine, "echo", numbered(&echo, number).into());
            let component = runtime.block_on(loading)?;
            let origin = component.origin();
            ensure!(
                origin == Origin::Cache,
                "it was compiled again: how `sandbox::cache` names its files has changed"
            );
            Ok(component)
        })
        .collect::<Result<Vec<Component>>>()?;
    let load = started.elapsed();
    drop(echo);
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let memory = Memory::of(std::process::id())?;
    say(&mut stdout, &Loaded { load, memory })?;

    let request = super::call_request();
    let (grants, lane) = (Grants::default(), engine.lane());
    let secret = Secret::new(b"of the bench");
    while !stdin.fill_buf()?.is_empty() {
        let order: Order = next(&mut stdin)?;
        let turn = std::cell::Cell::new(0);
        let sample = runtime.block_on(repeat(order.calls, async || {
            let component = &components[turn.get()];
            if let Which::All = order.which {
                turn.set((turn.get() + 1) % components.len());
            }
            let called = super::call(component, request.clone(), &grants, &secret, &lane);
            super::check(&called.await?)
        }))?;
        let (cpu, wall) = (sample.cpu, sample.wall);
        say(&mut stdout, &Answer { cpu, wall })?;
    }
    Ok(())
}

/// Compiles one component, and keeps its machine code for all others too: it is the same.
pub fn fill_cache(
    runtime: &tokio::runtime::Runtime,
    engine: &Engine,
    echo: &[u8],
    cache: &CodeCache,
    count: u32,
) -> Result<()> {
    let first = numbered(echo, 0);
    let (digest, version) = (Digest::of(&first), engine.compatibility_hash());
    runtime.block_on(Component::load(engine, "echo", first.into()))?;
    let code = cache.code(&digest, version);
    let code = code.context("the cache has no code of the component")?;
    for number in 1..count {
        let digest = Digest::of(&numbered(echo, number));
        if cache.code(&digest, version).is_none() {
            cache.keep(&digest, version, &code);
        }
    }
    Ok(())
}

/// The same component under another digest: with a custom section that says a number
/// (component model, "Binary": section 0 has a name and any bytes).
pub fn numbered(component: &[u8], number: u32) -> Vec<u8> {
    let payload = number.to_le_bytes();
    let mut bytes = component.to_vec();
    // The id, the section's length, the name's length; the name, and the rest.
    bytes.extend([0, 2 + payload.len() as u8, 1, b'n']);
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_components_differ() {
        let digests: std::collections::BTreeSet<String> = (0..300)
            .map(|number| Digest::of(&numbered(b"\0asm\x0d\0\x01\0", number)).hex())
            .collect();
        assert_eq!(digests.len(), 300);
    }
}
