//! What the sandbox adds to a call in a fresh instance: limits, denials, output
//! capture; then what the path of a call adds to that: catalog, schema, admission.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use sandglass::catalog::{Interpreters, Loader, Source};
use sandglass::invoke::{Call, CallTool, Caller, Invoker, Ledger, StateKey, TenantId};
use sandglass::sandbox::cache::CodeCache;
use sandglass::sandbox::{Component, GrantedFolders, Grants, Secret, Silent, Stores};
use sandglass::source::{FetchSettings, Fetcher};
use sandglass_manifest::SourceRef;
use serde_json::{Map, Value};

use super::Bench;
use crate::cpu;
use crate::native::wasmtime::Bare;
use crate::report::{Bar, Quantity, Row};
use crate::rounds::{Sample, take_turns};

const BAR: Bar = Bar::at_most(1.5, 1.15);

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let runtime = super::runtime()?;
    let bytes = super::read_echo(&bench.parts)?;
    let engine = super::engine(CodeCache::default())?;
    let bare = Bare::load(&bytes, &super::engine_limits(), &engine)?;
    let component = runtime.block_on(Component::load(&engine, "echo", bytes))?;
    let source = Source::new(SourceRef::File(bench.parts.echo.clone()));
    let fetcher = Fetcher::new(FetchSettings::default());
    let loader = Loader::new(
        engine.clone(),
        Stores::default(),
        GrantedFolders::default(),
        fetcher,
        Interpreters::new(bench.parts.interpreters.clone()),
    );
    runtime.block_on(loader.load(vec![source]));
    let invoker = Invoker::new(
        Arc::clone(loader.catalog()),
        Arc::new(Ledger::local(&engine, TenantId::default())),
        StateKey::random(),
    );

    let request = super::call_request();
    let (grants, lane) = (Grants::default(), engine.lane());
    let secret = Secret::new(b"of the bench");
    let calls = bench.effort.calls;
    let [ours, whole_path, bare] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| {
                runtime.block_on(repeat(calls, async || {
                    let called = super::call(&component, request.clone(), &grants, &secret, &lane);
                    super::check(&called.await?)
                }))
            }),
            Box::new(|| {
                runtime.block_on(repeat(calls, async || {
                    let output = invoker.run(tool_call()).await.result?;
                    let value = output.value.context("no value")?;
                    anyhow::ensure!(value == super::REPLY, "not what `echo` answers: {value}");
                    Ok(())
                }))
            }),
            Box::new(|| {
                runtime.block_on(repeat(calls, async || {
                    super::check(&bare.call(&request).await?)
                }))
            }),
        ],
    )?;
    Ok(vec![
        Row::compare("fresh call in process, CPU", &ours, &bare, Quantity::CPU).with_bar(BAR),
        Row::compare("fresh call in process, time", &ours, &bare, Quantity::TIME),
        Row::compare(
            "the same through Invoker::run, CPU",
            &whole_path,
            &bare,
            Quantity::CPU,
        ),
    ])
}

/// What a server makes of a request.
fn tool_call() -> Call<CallTool> {
    let arguments = Map::from_iter([("text".to_owned(), Value::from(super::TEXT))]);
    Call {
        tenant: TenantId::default(),
        caller: Caller::Anonymous,
        operation: CallTool {
            name: "echo".to_owned(),
            arguments,
            meta: None,
        },
        observer: Arc::new(Silent),
        trace: None,
    }
}

/// Makes one call after the other in this process.
pub(super) async fn repeat(calls: u32, call: impl AsyncFn() -> Result<()>) -> Result<Sample> {
    let (cpu, started) = (cpu::own(), Instant::now());
    for _ in 0..calls {
        call().await?;
    }
    Ok(Sample {
        calls: calls.into(),
        cpu: cpu::own() - cpu,
        wall: started.elapsed(),
        latencies: Vec::new(),
    })
}
