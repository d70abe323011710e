//! What a tenant has compiled costs that tenant's turns alone, and what cannot be compiled is compiled once.

use std::fmt::Write;
use std::path::Path;

use sandglass_manifest::Digest;
use sandglass_tests::{Folder, Host, Launch, Mounted, degraded, eventually, replace, serves, tool};
use serde_json::json;

/// How nice the process is that compiles (`setpriority(2)`).
const NICENESS: &str = "10";

/// Slow components of one tenant.
const SLOW: u8 = 8;

/// Functions of each, and local variables of each function, all of which its loop needs: some 25 seconds of CPU time.
const FUNCTIONS: u32 = 200;
const LOCALS: u32 = 1_000;

/// A component that takes long to compile.
fn slow() -> Vec<u8> {
    let mut functions = String::new();
    for function in 0..FUNCTIONS {
        _ = write!(
            functions,
            "(func (param i32) (local{}) loop",
            " i32".repeat(LOCALS as usize)
        );
        for local in 1..LOCALS {
            let other = (local * 7 + function) % LOCALS;
            _ = write!(
                functions,
                " local.get {local} local.get {other} i32.add local.set {local}"
            );
        }
        functions.push_str(" local.get 1 br_if 0 end)\n");
    }
    let text = format!(
        r#"(component
            (core module $module {functions} (func (export "f") (result i32) i32.const 1))
            (core instance $instance (instantiate $module))
            (func (export "number") (result u32) (canon lift (core func $instance "f"))))"#
    );
    wat::parse_str(text).expect("it is a component")
}

/// A component like another one, with another digest: a custom section more, whose name is one letter.
fn another(component: &[u8], number: u8) -> Vec<u8> {
    [component, &[0, 2, 1, b'a' + number]].concat()
}

/// How often the host has begun to compile these bytes.
fn compiled(host: &Host, bytes: &[u8]) -> usize {
    let digest = Digest::of(bytes).to_string();
    let log = host.log();
    let lines = log.lines();
    lines
        .filter(|line| line.contains("compiling") && line.contains(&digest))
        .count()
}

/// How nice the processes are that a process has started.
fn niceness_of_children(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let children = tasks.flatten().filter_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children"));
        children.ok()
    });
    let children: Vec<String> = children
        .flat_map(|it| it.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let niceness = children.iter().filter_map(|child| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        // The 19th field; the second, in brackets, is the program's name (proc_pid_stat(5)).
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(16).map(str::to_owned)
    });
    niceness.collect()
}

#[tokio::test]
async fn slow_components_of_a_tenant_keep_no_other_tenants_version_waiting() {
    let (own, cache, mut flood) = (Folder::default(), Folder::default(), Mounted::default());
    let component = |name: &str| std::fs::read(tool(name)).expect("it is built");
    let file = own.write("tool.wasm", component("echo"));
    flood.set(&[("good.wasm", &component("echo"))]);
    let manifest = json!({
        "version": 1,
        "engine": { "cache_dir": cache.path() },
        "tools": [file],
        "tenants": { "flood": { "tools": [flood.path()] } },
    });
    let launch = Launch::manifest(&manifest.to_string()).env("LOG_LEVEL", "DEBUG");
    let host = launch.start().await;
    serves(&host, &["echo"]).await;

    // All at once, as a ConfigMap changes: all of them are in the queue before the other tenant's.
    let slow = slow();
    let slow: Vec<Vec<u8>> = (0..SLOW).map(|number| another(&slow, number)).collect();
    let names: Vec<String> = (0..SLOW).map(|number| format!("{number}.wasm")).collect();
    let files = names.iter().zip(&slow);
    let files: Vec<(&str, &[u8])> = files.map(|(name, it)| (&**name, &**it)).collect();
    flood.set(&files);
    let begun = |host: &Host| slow.iter().filter(|it| compiled(host, it) > 0).count();
    eventually("a slow one is being compiled", async || {
        (begun(&host) > 0).then_some(())
    })
    .await;
    eventually("its process is nice to those that serve", async || {
        let niceness = niceness_of_children(host.pid());
        let is_nice = !niceness.is_empty() && niceness.iter().all(|it| it == NICENESS);
        is_nice.then_some(())
    })
    .await;
    replace(Path::new(&file), component("calculator"));
    serves(&host, &["add", "divide", "multiply", "subtract"]).await;
    assert!(
        begun(&host) < slow.len(),
        "all of them were before it\n{}",
        host.log()
    );
}

#[tokio::test]
async fn what_cannot_be_compiled_is_not_compiled_again() {
    let (folder, cache) = (Folder::default(), Folder::default());
    let echo = std::fs::read(tool("echo")).expect("it is built");
    let damaged = &echo[..echo.len() / 2];
    folder.write("good.wasm", &echo);
    folder.write("damaged.wasm", damaged);
    let manifest = json!({
        "version": 1,
        "engine": { "cache_dir": cache.path() },
        "tools": [folder.path()],
    });
    let launch = Launch::manifest(&manifest.to_string()).env("LOG_LEVEL", "DEBUG");
    let host = launch.start().await;
    let reload = async || {
        let answer = reqwest::Client::new().post(host.management("/reload"));
        let answer = answer.send().await.expect("it answers");
        assert_eq!(answer.status(), 200);
    };
    for _ in 0..3 {
        reload().await;
        let reason = degraded(&host).await;
        assert!(reason.contains("not a valid component"), "{reason}");
    }
    // Once this is in the log, all that came before it is.
    let calculator = std::fs::read(tool("calculator")).expect("it is built");
    folder.write("good.wasm", &calculator);
    eventually("a new version is compiled", async || {
        (compiled(&host, &calculator) == 1).then_some(())
    })
    .await;
    assert_eq!(compiled(&host, damaged), 1, "{}", host.log());
}
