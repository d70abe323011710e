//! What a call of inline source text costs: a fresh instance of its interpreter each, with fuel, beside the same function
//! in FastMCP.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sandglass::catalog::{Interpreters, Loader, Source};
use sandglass::invoke::{Call, CallTool, Caller, Invoker, Ledger, StateKey, TenantId};
use sandglass::sandbox::bindings::{CallRequest, Outcome};
use sandglass::sandbox::cache::CodeCache;
use sandglass::sandbox::{
    Component, Engine, GrantedFolders, Grants, Script, Secret, Silent, Stores,
};
use sandglass::source::{FetchSettings, Fetcher};
use sandglass_manifest::{Inline, Language, Limits, SourceRef};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Bench, mcp};
use crate::http::{self, load_over};
use crate::report::{Bar, Quantity, Row};
use crate::rounds::{Sample, take_turns};
use crate::server::Server;

/// The function.
const PYTHON: &str =
    "def add(a: int, b: int) -> int:\n    \"\"\"Add two numbers.\"\"\"\n    return a + b\n";

/// The same function.
const JAVASCRIPT: &str = "/**\n * Add two numbers.\n * @param {integer} a\n * @param {integer} b\n * @returns {integer}\n */\nexport function add(a, b) {\n  return a + b;\n}\n";

/// Microseconds.
const PYTHON_BAR: Bar = Bar::at_most(3_000.0, 1_200.0);
const JAVASCRIPT_BAR: Bar = Bar::at_most(400.0, 180.0);

/// Calls of a turn, of those that other calls in process make: one takes a millisecond.
const SHARE: u32 = 10;

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let folder = TempDir::with_prefix("sandglass-bench-")?;
    let file = folder.path().join("add.py");
    fs::write(&file, PYTHON)?;
    let fastmcp = Server::fastmcp(&file)?;
    let ours = Server::with_manifest(&bench.parts, json!({"tools": [file]}))?;

    let runtime = super::runtime()?;
    let python = runtime.block_on(invoker(bench, Language::Python, PYTHON))?;
    let javascript = runtime.block_on(invoker(bench, Language::JavaScript, JAVASCRIPT))?;

    let engine = super::engine(CodeCache::default())?;
    let alone = runtime.block_on(component(bench, &engine))?;

    let calls = bench.effort.calls.div_ceil(SHARE);
    let request = mcp::request("add", &json!({"a": 20, "b": 22}));
    let call = async |connection: &mut http::Connection| {
        let answer = connection.exchange(&request).await?;
        answer.expect(200, "42")
    };
    let window = bench.effort.window;
    let [in_process, alone, javascript, ours, fastmcp] = take_turns(
        bench.effort.rounds,
        [
            Box::new(|| runtime.block_on(in_turn(calls, || through(&python)))),
            Box::new(|| runtime.block_on(in_turn(calls, || in_sandbox(&engine, &alone)))),
            Box::new(|| runtime.block_on(in_turn(calls, || through(&javascript)))),
            Box::new(|| load_over(1, &ours, window, call)),
            Box::new(|| load_over(1, &fastmcp, window, call)),
        ],
    )?;
    Ok(vec![
        Row::alone(
            "inline Python `add`, fresh instance, with fuel, in process, p50",
            Quantity::P50,
            in_process.median(|sample| sample.percentile(50)),
        )
        .with_bar(PYTHON_BAR),
        Row::compare(
            "the same / in the sandbox alone, p50",
            &in_process,
            &alone,
            Quantity::P50,
        ),
        Row::compare(
            "the same / FastMCP over HTTP, p50",
            &in_process,
            &fastmcp,
            Quantity::P50,
        ),
        Row::alone(
            "inline JavaScript `add`, fresh instance, with fuel, in process, p50",
            Quantity::P50,
            javascript.median(|sample| sample.percentile(50)),
        )
        .with_bar(JAVASCRIPT_BAR),
        Row::compare(
            "the same / FastMCP over HTTP, p50",
            &javascript,
            &fastmcp,
            Quantity::P50,
        ),
        Row::compare(
            "inline Python over MCP / FastMCP over HTTP, p50",
            &ours,
            &fastmcp,
            Quantity::P50,
        ),
        Row::compare(
            "inline Python over MCP, server CPU",
            &ours,
            &fastmcp,
            Quantity::CPU,
        ),
    ])
}

/// What calls the tool of a source text, in this process.
async fn invoker(bench: &Bench, language: Language, text: &str) -> Result<Invoker> {
    let engine = super::engine(CodeCache::default())?;
    let loader = Loader::new(
        engine.clone(),
        Stores::default(),
        GrantedFolders::default(),
        Fetcher::new(FetchSettings::default()),
        Interpreters::new(bench.parts.interpreters.clone()),
    );
    let inline = Inline {
        language,
        text: text.into(),
    };
    loader
        .load(vec![Source::new(SourceRef::Inline(inline))])
        .await;
    Ok(Invoker::new(
        Arc::clone(loader.catalog()),
        Arc::new(Ledger::local(&engine, TenantId::default())),
        StateKey::random(),
    ))
}

/// The interpreter of Python with the function, and nothing around it.
async fn component(bench: &Bench, engine: &Engine) -> Result<Component> {
    let bytes = fs::read(bench.parts.interpreters.join("python.wasm"))?;
    let script = Script {
        name: "add.py".to_owned(),
        text: PYTHON.into(),
        partial: false,
    };
    let interpreter = Component::load(engine, "python", bytes.into()).await?;
    let component = interpreter.bind("add", script);
    // What calls need of the text is kept by this.
    component.list(&Limits::DEFAULT).await?;
    Ok(component)
}

async fn in_sandbox(engine: &Engine, component: &Component) -> Result<()> {
    let request = CallRequest {
        name: "add".to_owned(),
        arguments: json!({"a": 20, "b": 22}).to_string(),
        meta: None,
        continuation: None,
    };
    let (grants, secret) = (Grants::default(), Secret::new(b"of the bench"));
    let outcome = super::call(component, request, &grants, &secret, &engine.lane()).await?;
    let is_right = matches!(&outcome, Outcome::Done(done) if done.value.as_deref() == Some("42"));
    ensure!(is_right, "not what `add` answers: {outcome:?}");
    Ok(())
}

/// By the whole path of a call: catalog, schema, admission, usage.
async fn through(invoker: &Invoker) -> Result<()> {
    let output = invoker.run(add()).await.result?;
    let value = output.value.context("no value")?;
    ensure!(value == 42, "not what `add` answers: {value}");
    Ok(())
}

/// One call after the other, each with its own time.
async fn in_turn<Called>(calls: u32, call: impl Fn() -> Called) -> Result<Sample>
where
    Called: Future<Output = Result<()>>,
{
    let started = Instant::now();
    let mut latencies = Vec::new();
    for _ in 0..calls {
        let begin = Instant::now();
        call().await?;
        latencies.push(begin.elapsed());
    }
    latencies.sort_unstable();
    Ok(Sample {
        calls: calls.into(),
        wall: started.elapsed(),
        latencies,
        ..Sample::default()
    })
}

fn add() -> Call<CallTool> {
    let arguments = [("a", 20), ("b", 22)];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), Value::from(value)));
    Call {
        tenant: TenantId::default(),
        caller: Caller::Anonymous,
        operation: CallTool {
            name: "add".to_owned(),
            arguments: Map::from_iter(arguments),
            meta: None,
        },
        observer: Arc::new(Silent),
        trace: None,
    }
}
