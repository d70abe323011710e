//! Whatever function of the host a guest calls without end, and however large what it calls it with: the call ends with
//! its limits, and nobody else notices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use sandglass_tests::flood::{Flood, Flooded, beside, flooding_while_listing};
use sandglass_tests::{Folder, Host, PATIENCE, eventually, replace, root, tool, within};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wit_parser::{Function, Resolve, WorldItem};

/// One flood at a time: the tests measure what others notice of it.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Different floods at once: more than most machines have processors.
const AT_ONCE: usize = 16;

const LIMIT: Duration = Duration::from_secs(2);

/// What a machine that does much else may take beyond the limit.
const GRACE: Duration = Duration::from_secs(10);

/// What the host holds at most while [`AT_ONCE`] floods run, and what it holds longer than they do.
const HELD: u64 = 600 << 20;
const KEPT: u64 = 100 << 20;

/// Functions that no guest gets to call, by the beginning of their names, and why.
const OUT_OF_REACH: [(&str, &str); 7] = [
    ("wasi:http/types#[method]incoming-request.", INCOMING),
    ("wasi:http/types#[static]response-outparam.", INCOMING),
    ("wasi:sockets/tcp#", SOCKETS),
    ("wasi:sockets/udp#[method]udp-socket.", SOCKETS),
    (
        "wasi:sockets/udp#[method]incoming-datagram-stream.",
        SOCKETS,
    ),
    (
        "wasi:sockets/udp#[method]outgoing-datagram-stream.",
        SOCKETS,
    ),
    (
        "wasi:sockets/ip-name-lookup#[method]resolve-address-stream.",
        "a name lookup is refused, so that there is no answer to read",
    ),
];
const INCOMING: &str = "the host gives nobody a request to answer";
const SOCKETS: &str = "a socket is refused when it is made, so that there is none to call";

/// Interfaces of which nothing can be called without a grant.
const NEED_GRANTS: [&str; 5] = [
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
    "wasi:keyvalue/store",
];

/// Functions whose fuel depends on more than the guest, and on what.
const VARYING: [(&str, &str); 4] = [
    ("wasi:io/streams#[method]input-stream.read", FILE_READ),
    ("wasi:io/streams#[method]input-stream.skip", FILE_READ),
    ("wasi:io/streams#[method]output-stream.splice", FILE_READ),
    (
        "wasi:keyvalue/store#[method]bucket.list-keys",
        "on the keys that other calls have set",
    ),
];
const FILE_READ: &str = "on when the system has read the file";

/// Functions that wait for a disk or a server in each round, so that time may end them first.
const WAITING: [&str; 6] = [
    "wasi:filesystem/types#[method]descriptor.sync",
    "wasi:filesystem/types#[method]descriptor.sync-data",
    "wasi:http/outgoing-handler#handle",
    "wasi:http/types#[method]incoming-response.consume",
    "wasi:http/types#[method]incoming-body.stream",
    "wasi:http/types#[static]incoming-body.finish",
];

/// A flood that is ended by time.
fn plenty_of_fuel() -> Value {
    limits(1_000_000_000_000, "2s")
}

fn limits(fuel: u64, timeout: &str) -> Value {
    json!({
        "fuel": fuel,
        "timeout": timeout,
        "memory": "16MiB",
        "concurrency": 64,
        "http": { "requests": 1_000_000, "sent": "1GiB", "received": "1GiB" },
    })
}

/// The functions of all interfaces that a component can import here.
fn host_functions() -> BTreeSet<String> {
    let mut resolve = Resolve::default();
    let mut worlds = Vec::new();
    for file in [
        "io",
        "clocks",
        "random",
        "filesystem",
        "sockets",
        "cli",
        "http",
    ] {
        let path = root().join(format!("guest-sdk/python/wit/deps/{file}.wit"));
        let package = resolve.push_file(path).expect("WASI is WIT");
        worlds.extend(resolve.select_world(&[package], Some("imports")));
    }
    let (contract, _) = resolve
        .push_dir(root().join("wit"))
        .expect("the contract is WIT");
    for world in ["everything", "interpreter"] {
        worlds.push(
            resolve
                .select_world(&[contract], Some(world))
                .expect("the contract has this world"),
        );
    }
    for name in ["config", "keyvalue"] {
        let (package, _) = resolve
            .package_names
            .iter()
            .find(|(package, _)| package.name == name)
            .map(|(package, id)| (*id, package))
            .expect("the contract depends on it");
        worlds.extend(resolve.select_world(&[package], Some("imports")));
    }
    worlds
        .iter()
        .flat_map(|world| &resolve.worlds[*world].imports)
        .filter_map(|(_, item)| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        })
        .flat_map(|interface| {
            let name = resolve.id_of(interface).expect("it has a name");
            let (name, _version) = name.split_once('@').expect("it has a version");
            resolve.interfaces[interface]
                .functions
                .values()
                .map(|function: &Function| format!("{name}#{}", function.name))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A function's name, without what tells two ways of calling it apart.
fn name(function: &str) -> &str {
    function.split_once(' ').map_or(function, |(name, _)| name)
}

/// Whether a function ends the call itself.
fn exits(function: &str) -> bool {
    function.starts_with("wasi:cli/exit#")
}

/// Calls these at once.
async fn all_at_once(flood: &Flood, functions: &[String]) -> Vec<Flooded> {
    join_all(functions.iter().map(|function| flood.call(function))).await
}

fn assert_ended(call: &Flooded, within: Duration) {
    let Flooded {
        function,
        told,
        took,
        ..
    } = call;
    let limit = ["Fuel", "Time", "Output", "Memory"]
        .iter()
        .any(|limit| told.starts_with(&format!("{limit} limit exceeded")));
    assert!(
        limit || told.starts_with("The tool trapped: ") || exits(function),
        "{function}: {told}"
    );
    assert!(*took < within, "{function} took {took:?}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_host_is_flooded() {
    let flood = Flood::start(&plenty_of_fuel()).await;
    let flooded: BTreeSet<String> = flood
        .functions()
        .await
        .iter()
        .map(|function| name(function).to_owned())
        .collect();
    let (out_of_reach, called): (BTreeSet<String>, _) =
        host_functions().into_iter().partition(|function| {
            OUT_OF_REACH
                .iter()
                .any(|(beginning, _)| function.starts_with(beginning))
        });
    assert!(out_of_reach.is_disjoint(&flooded), "{out_of_reach:?}");
    let differ: Vec<_> = called.symmetric_difference(&flooded).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_can_be_called_as_the_floods_call_it() {
    let flood = Flood::start(&limits(1_000_000_000_000, "60s")).await;
    let mut failed = Vec::new();
    for function in flood.functions().await {
        let arguments = json!({ "function": function, "size": 1_000, "rounds": 2 });
        let answer = flood.host.call("flood", arguments).await;
        let is_right = if exits(&function) {
            answer.error().contains("exit")
        } else {
            answer.status == 200
        };
        if !is_right {
            failed.push((function, answer));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_in_time_and_nobody_else_notices() {
    let _alone = ALONE.lock().await;
    let flood = Flood::start(&plenty_of_fuel()).await;
    let before = flood.host.memory();
    let functions = flood.functions().await;
    for batch in functions.chunks(AT_ONCE) {
        for call in beside(&flood.host, all_at_once(&flood, batch)).await {
            assert_ended(&call, LIMIT + GRACE);
        }
        let peak = flood.host.peak_memory();
        assert!(peak < HELD, "{peak} bytes held, in or before {batch:#?}");
    }
    given_back(&flood.host, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_floods_of_cheap_calls_as_can_be_leave_others_alone() {
    let _alone = ALONE.lock().await;
    let flood = Flood::start(&plenty_of_fuel()).await;
    for function in [
        "sandglass:tool/host#cancelled",
        "wasi:clocks/monotonic-clock#now",
        "wasi:random/random#get-random-u64",
    ] {
        let same = vec![function.to_owned(); AT_ONCE];
        for call in beside(&flood.host, all_at_once(&flood, &same)).await {
            assert_ended(&call, LIMIT + GRACE);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_floods_of_the_dearest_calls_as_can_be_leave_others_alone() {
    let _alone = ALONE.lock().await;
    let flood = Flood::start(&plenty_of_fuel()).await;
    for function in [
        "wasi:random/random#get-random-bytes",
        "wasi:filesystem/types#[method]descriptor.read-directory",
        "sandglass:tool/host#log",
        "wasi:keyvalue/store#[method]bucket.set",
    ] {
        let same = vec![function.to_owned(); AT_ONCE];
        for call in beside(&flood.host, all_at_once(&flood, &same)).await {
            assert_ended(&call, LIMIT + GRACE);
        }
        let peak = flood.host.peak_memory();
        assert!(peak < HELD, "{peak} bytes held, in or before {function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_with_their_fuel_and_burn_the_same_again() {
    let _alone = ALONE.lock().await;
    let flood = Flood::start(&limits(50_000_000, "50s")).await;
    let functions = flood.functions().await;
    for batch in functions.chunks(AT_ONCE) {
        let mut burnt: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for _ in 0..2 {
            flood.tidy();
            for call in all_at_once(&flood, batch).await {
                assert_ended(&call, PATIENCE * 2);
                if call.told.starts_with("Time limit") {
                    let waits = WAITING.contains(&name(&call.function));
                    assert!(waits, "{}: {}", call.function, call.told);
                    continue;
                }
                let fuel = flood.fuel(&call).await;
                burnt.entry(call.function).or_default().push(fuel);
            }
        }
        for (function, burnt) in burnt {
            let varies = VARYING.iter().any(|(known, _)| *known == name(&function));
            let same = burnt.iter().all(|fuel| *fuel == burnt[0]);
            assert!(varies || same, "{function}: {burnt:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_while_listing_end_in_time_and_nobody_else_notices() {
    let _alone = ALONE.lock().await;
    let interfaces: BTreeSet<String> = {
        let flood = Flood::start(&plenty_of_fuel()).await;
        flood
            .functions()
            .await
            .iter()
            .filter_map(|function| Some(function.split_once('#')?.0.to_owned()))
            .filter(|interface| !NEED_GRANTS.contains(&interface.as_str()))
            .collect()
    };
    let folder = Folder::default();
    let place = |n: usize| folder.path().join(format!("flood-{n}.wasm"));
    // Something to be replaced.
    for n in 0..interfaces.len() {
        std::fs::write(place(n), "not yet").expect("the folder is ours");
    }
    let host = Host::start(
        &json!({
            "version": 1,
            "defaults": { "limits": plenty_of_fuel() },
            "tools": [folder.path(), tool("time")],
            "tenants": { "quiet": { "tools": [tool("echo")] } },
        })
        .to_string(),
    )
    .await;
    let before = host.memory();
    for (n, interface) in interfaces.iter().enumerate() {
        replace(&place(n), flooding_while_listing(&format!("{interface}#")));
    }
    let all_failed = within(PATIENCE * 6, "each list ends with a limit", async || {
        let failures = host.get("/ready").await.json()["failures"].take();
        let ended = failures
            .as_array()?
            .iter()
            .filter(|failure| {
                let reason = failure.to_string();
                [" limit exceeded", "exit", "The tool trapped: "]
                    .iter()
                    .any(|end| reason.contains(end))
            })
            .count();
        (ended == interfaces.len()).then_some(())
    });
    beside(&host, all_failed).await;
    let peak = host.peak_memory();
    assert!(peak < HELD, "{peak} bytes held");
    given_back(&host, before).await;
}

/// Waits until the host holds hardly more than it did before.
async fn given_back(host: &Host, before: u64) {
    eventually("the host gives back what it held", async || {
        (host.memory() < before + KEPT).then_some(())
    })
    .await;
}
