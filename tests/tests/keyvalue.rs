//! A granted store keeps what tools put there, up to its quota; no other store can be seen.

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Folder, Host, Launch, Reach, guest, tool};
use serde_json::{Value, json};

/// Two stores, of which one is granted.
fn stores(folder: &Folder) -> String {
    let store = |name: &str| {
        format!(
            "  {name}: {{ kind: embedded, path: '{}', quota: 1MiB }}\n",
            folder.path().join(format!("{name}.redb")).display()
        )
    };
    format!(
        "{}stores:\n{}{}",
        Reach::manifest("{ keyvalue: [ cache ] }"),
        store("cache"),
        store("other")
    )
}

fn kv(op: &str, key: &str, value: &str) -> Value {
    json!({ "store": "cache", "op": op, "key": key, "value": value })
}

#[tokio::test]
async fn a_store_keeps_values_from_call_to_call_and_over_a_restart() {
    let folder = Folder::default();
    for round in 0..2 {
        let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
        if round == 0 {
            assert_eq!(reach.ok("kv", kv("get", "a", "")).await, Value::Null);
            reach.ok("kv", kv("set", "a", "one")).await;
            reach.ok("kv", kv("set", "b", "two")).await;
        }
        assert_eq!(
            reach.ok("kv", kv("get", "a", "")).await,
            "one",
            "round {round}"
        );
        assert_eq!(reach.ok("kv", kv("exists", "b", "")).await, true);
        let listed = reach.ok("kv", kv("list", "", "")).await;
        assert_eq!(listed["keys"], json!(["a", "b"]), "{listed}");
        let mut host = reach.host;
        host.terminate();
        assert_eq!(host.ended().await, Some(0));
    }
    let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
    reach.ok("kv", kv("delete", "a", "")).await;
    assert_eq!(reach.ok("kv", kv("exists", "a", "")).await, false);
}

#[tokio::test]
async fn a_projects_cases_begin_with_an_empty_store_also_beside_a_host_that_has_it_open() {
    let folder = Folder::default();
    let manifest = stores(&folder);
    let reach = Reach::launch(Launch::manifest(&manifest)).await;
    reach.ok("kv", kv("set", "a", "the host's")).await;
    folder.write("Cargo.toml", "[package]\nname = \"a\"\n");
    folder.write("sandglass.yaml", &manifest);
    let cases = json!([
        { "tool": "kv", "arguments": kv("exists", "a", ""), "result": { "ok": false } },
        { "tool": "kv", "arguments": kv("set", "a", "the case's"), },
        { "tool": "kv", "arguments": kv("get", "a", ""), "result": { "ok": "the case's" } },
    ]);
    folder.write("tests.yaml", cases.to_string());
    // As often as one likes.
    for _ in 0..2 {
        let test = Launch::command(&["test", "--no-build", "--json"]).arg(folder.path());
        let finished = test.run().await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    assert_eq!(reach.ok("kv", kv("get", "a", "")).await, "the host's");
}

#[tokio::test]
async fn counting_is_atomic() {
    let folder = Folder::default();
    let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
    let calls = (0..20).map(|_| reach.ok("kv", kv("increment", "n", "")));
    let mut counted: Vec<u64> = futures::future::join_all(calls)
        .await
        .iter()
        .map(|count| count.as_u64().expect("a number"))
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_that_is_not_granted_cannot_be_told_from_one_that_is_not_there() {
    let folder = Folder::default();
    let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
    let open = async |store: &str| {
        let arguments = json!({ "store": store, "op": "open" });
        reach.refused("kv", arguments).await
    };
    let told = open("other").await;
    for name in [
        "nowhere",
        "",
        "Cache",
        "cache ",
        "../cache",
        "default/cache",
    ] {
        assert_eq!(open(name).await, told, "{name}");
    }
}

#[tokio::test]
async fn a_full_store_is_an_error_and_the_host_is_well() {
    let folder = Folder::default();
    let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
    reach.ok("kv", kv("set", "before", "kept")).await;
    let fill = json!({ "store": "cache", "bytes": 100_000, "times": 100 });
    let filled = reach.ok("kv_fill", fill).await;
    let written = filled["written"].as_u64().expect("a number");
    assert!(
        (1..=10).contains(&written),
        "1 MiB has ten of 100 kB: {filled}"
    );
    let told = filled["error"].as_str().expect("the store was full");
    assert!(told.contains("1MiB"), "{told}");
    assert_eq!(reach.ok("kv", kv("get", "before", "")).await, "kept");
    reach.ok("kv", kv("delete", "fill 0", "")).await;
    reach.ok("kv", kv("set", "after", "fits again")).await;
    reach.host.assert_well().await;
}

#[tokio::test]
async fn short_keys_fill_a_store_too() {
    let folder = Folder::default();
    let reach = Reach::launch(Launch::manifest(&stores(&folder))).await;
    let batch = |number: u32| {
        let keys: Vec<_> = (0..1_000).map(|key| format!("{number}{key:03}")).collect();
        json!({ "store": "cache", "op": "set_many", "keys": keys, "value": "" })
    };
    // 260 bytes a key, with what it costs.
    for number in 0..4 {
        reach.ok("kv", batch(number)).await;
    }
    let told = reach.refused("kv", batch(4)).await;
    assert!(told.contains("is full: quota 1MiB"), "{told}");
}

#[tokio::test]
async fn tenants_share_a_store_and_neither_keys_nor_quota() {
    let folder = Folder::default();
    let yaml = stores(&folder)
        + &format!(
            "tenants:\n  acme:\n    tools: [ {{ source: 'file:{}', allow: {{ keyvalue: [ cache ] }} }} ]\n",
            guest("reach")
        );
    let reach = Reach::launch(Launch::manifest(&yaml)).await;
    let of_acme = async |tool: &str, arguments: Value| {
        let call = json!({ "tool": tool, "arguments": arguments });
        let answer = reach.host.post("/t/acme/mcp/tools", call.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["result"]["ok"].take()
    };
    reach
        .ok("kv", kv("set", "whose", "the default tenant's"))
        .await;
    let fill = json!({ "store": "cache", "bytes": 100_000, "times": 100 });
    let filled = reach.ok("kv_fill", fill.clone()).await;
    assert_eq!(of_acme("kv", kv("get", "whose", "")).await, Value::Null);
    assert_eq!(of_acme("kv", kv("list", "", "")).await["keys"], json!([]));
    for key in ["whose", "default/whose", "default\0whose"] {
        of_acme("kv", kv("delete", key, "")).await;
    }
    let kept = reach.ok("kv", kv("get", "whose", "")).await;
    assert_eq!(kept, "the default tenant's");
    let others = of_acme("kv_fill", fill).await;
    assert_eq!(others["written"], filled["written"], "{others}");
}

#[tokio::test]
async fn snippets_are_kept_in_a_granted_store() {
    let folder = Folder::default();
    let yaml = format!(
        "version: 1\nstores: {{ snippets: {{ kind: embedded, path: '{}' }} }}\ntools:\n  - source: file:{}\n    allow: {{ keyvalue: [ snippets ] }}\n",
        folder.path().join("snippets.redb").display(),
        tool("snippets")
    );
    let host = Host::start(&yaml).await;
    let call = async |name: &str, arguments: Value| {
        host.call(name, arguments).await.json()["result"].take()
    };
    assert_eq!(call("list_snippets", json!({})).await, json!([]));
    let snippet = json!({ "name": "greeting", "text": "Good morning" });
    assert_eq!(call("save_snippet", snippet).await, "Saved greeting");
    assert_eq!(call("list_snippets", json!({})).await, json!(["greeting"]));
    let named = json!({ "name": "greeting" });
    let result = Way::Session.call(&host, "get_snippet", named.clone()).await;
    assert_eq!(text(&result), "Good morning");
    assert_eq!(
        call("delete_snippet", named.clone()).await,
        "Deleted greeting"
    );
    let result = Way::Modern.call(&host, "get_snippet", named).await;
    assert!(
        failure(&result).starts_with("There is no snippet greeting"),
        "{result}"
    );
}
