//! Tasks outlive their connection, in a store their host, and with hosts that share one any of them answers for them.

use std::os::unix::fs::PermissionsExt;

use sandglass_tests::mcp::{failure, modern, of_client, send, text};
use sandglass_tests::{Answer, Folder, Host, Launch, Redis, conformance, eventually};
use serde_json::{Value, json};

/// A host whose tasks are in this store, with the key of all hosts of this test.
async fn host(folder: &Folder, store: &Value) -> Host {
    let key = folder.write("key", "a secret of thirty-two bytes, or more");
    let manifest = json!({
        "version": 1,
        "tools": [{
            "source": format!("file:{}", conformance()),
            "limits": {"timeout": "5m"},
        }],
        "stores": {"tasks": store},
        "tasks": {"store": "tasks"},
    });
    let launch = Launch::manifest(&manifest.to_string());
    launch.arg("--state-key-file").arg(key).start().await
}

async fn ask(host: &Host, method: &str, params: Value) -> Answer {
    let extensions = json!({"io.modelcontextprotocol/tasks": {}});
    let capabilities = json!({"elicitation": {}, "extensions": extensions});
    send(modern(host, method, of_client(capabilities, params))).await
}

/// Begins a task; its id.
async fn begin(host: &Host, tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    let begun = ask(host, "tools/call", params).await.result();
    assert_eq!(begun["resultType"], "task", "{begun}");
    begun["taskId"].clone()
}

/// A task that runs for minutes.
async fn begin_long(host: &Host) -> Value {
    begin(host, "slow_compute", json!({"seconds": 240})).await
}

/// A task that asks.
async fn begin_asking(host: &Host) -> Value {
    begin(host, "confirm_delete", json!({"filename": "a.txt"})).await
}

async fn get(host: &Host, id: &Value) -> Value {
    ask(host, "tasks/get", json!({"taskId": id})).await.result()
}

/// What a task is once it is this.
async fn until(host: &Host, id: &Value, status: &str) -> Value {
    eventually(status, async || {
        let task = get(host, id).await;
        (task["status"] == status).then_some(task)
    })
    .await
}

/// `tasks/update` with an answer to one question.
async fn update(host: &Host, id: &Value, key: &str, confirm: Value) -> Answer {
    let answer = json!({"action": "accept", "content": {"confirm": confirm}});
    let params = json!({"taskId": id, "inputResponses": {key: answer}});
    ask(host, "tasks/update", params).await
}

async fn answer(host: &Host, id: &Value) {
    update(host, id, "confirm", json!(true)).await.result();
}

#[tokio::test]
async fn any_host_that_shares_the_store_answers_for_a_task() {
    let (folder, redis) = (Folder::default(), Redis::start());
    let one = host(&folder, &redis.store()).await;
    let other = host(&folder, &redis.store()).await;
    let id = begin_asking(&one).await;
    let asking = until(&other, &id, "input_required").await;
    let asked = &asking["inputRequests"]["confirm"]["params"]["message"];
    assert_eq!(asked, "Delete a.txt?");
    answer(&other, &id).await;
    let done = until(&one, &id, "completed").await;
    assert!(text(&done["result"]).starts_with("a.txt: "), "{done}");
    assert_eq!(get(&other, &id).await, done);
}

#[tokio::test]
async fn what_is_no_answer_is_asked_again_with_another_key() {
    let (folder, redis) = (Folder::default(), Redis::start());
    let host = host(&folder, &redis.store()).await;
    let id = begin_asking(&host).await;
    let open = async || {
        let task = until(&host, &id, "input_required").await;
        let open = task["inputRequests"].as_object().expect("questions");
        open.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(open().await, ["confirm"]);
    update(&host, &id, "other", json!(true)).await.result();
    update(&host, &id, "confirm", json!("perhaps"))
        .await
        .result();
    assert_eq!(open().await, ["confirm-2"]);
    answer(&host, &id).await;
    assert_eq!(open().await, ["confirm-2"], "that key was answered");
    update(&host, &id, "confirm-2", json!(true)).await.result();
    until(&host, &id, "completed").await;
}

/// Longer than a host may be silent about it.
#[tokio::test]
async fn a_task_that_takes_its_time_is_not_given_up() {
    let (folder, redis) = (Folder::default(), Redis::start());
    let one = host(&folder, &redis.store()).await;
    let other = host(&folder, &redis.store()).await;
    let id = begin(&one, "slow_compute", json!({"seconds": 12})).await;
    let ended = eventually("it ends", async || {
        let task = get(&other, &id).await;
        (task["status"] != "working").then_some(task)
    })
    .await;
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[tokio::test]
async fn a_task_is_cancelled_on_any_host() {
    let (folder, redis) = (Folder::default(), Redis::start());
    let one = host(&folder, &redis.store()).await;
    let other = host(&folder, &redis.store()).await;
    let (running, waiting) = (begin_long(&one).await, begin_asking(&one).await);
    eventually("its message comes across", async || {
        let task = get(&other, &running).await;
        task["statusMessage"]
            .as_str()?
            .contains("of 2400")
            .then_some(())
    })
    .await;
    one.calls_running(1).await;
    for id in [&running, &waiting] {
        ask(&other, "tasks/cancel", json!({"taskId": id}))
            .await
            .result();
        assert_eq!(get(&one, id).await["status"], "cancelled");
    }
    // It has minutes to go.
    one.calls_running(0).await;
    answer(&one, &waiting).await;
    assert_eq!(get(&other, &waiting).await["status"], "cancelled");
}

#[tokio::test]
async fn a_task_whose_host_was_killed_says_so_and_one_that_waits_goes_on() {
    let (folder, redis) = (Folder::default(), Redis::start());
    let one = host(&folder, &redis.store()).await;
    let other = host(&folder, &redis.store()).await;
    let (running, waiting) = (begin_long(&one).await, begin_asking(&one).await);
    assert_eq!(get(&other, &running).await["status"], "working");
    one.kill().await;
    answer(&other, &waiting).await;
    until(&other, &waiting, "completed").await;
    let failed = until(&other, &running, "failed").await;
    let reason = failed["error"]["message"].as_str().expect("a reason");
    assert!(reason.contains("The host that ran it ended"), "{reason}");
}

#[tokio::test]
async fn a_host_that_starts_again_has_the_tasks_of_its_file() {
    let folder = Folder::default();
    let file = folder.path().join("tasks.redb");
    let store = json!({"kind": "embedded", "path": file});
    let first = host(&folder, &store).await;
    let (running, waiting) = (begin_long(&first).await, begin_asking(&first).await);
    let ended = begin_asking(&first).await;
    answer(&first, &ended).await;
    let done = until(&first, &ended, "completed").await;
    let mode = std::fs::metadata(&file)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    first.kill().await;
    let second = host(&folder, &store).await;
    assert_eq!(get(&second, &ended).await, done);
    let failed = get(&second, &running).await;
    let reason = failed["error"]["message"].as_str().expect("a reason");
    assert!(reason.contains("The host that ran it ended"), "{reason}");
    answer(&second, &waiting).await;
    until(&second, &waiting, "completed").await;
}

#[tokio::test]
async fn a_host_that_ends_in_order_says_how_its_tasks_ended() {
    let folder = Folder::default();
    let store = json!({"kind": "embedded", "path": folder.path().join("tasks.redb")});
    let mut first = host(&folder, &store).await;
    let waiting = begin_asking(&first).await;
    let id = begin(&first, "slow_compute", json!({"seconds": 8})).await;
    first.terminate();
    eventually("it is ending", async || {
        (first.get("/ready").await.status == 503).then_some(())
    })
    .await;
    // What it could not end any more is another's to begin.
    let refused = update(&first, &waiting, "confirm", json!(true)).await;
    assert!(refused.body.contains("shutting down"), "{refused:?}");
    assert_eq!(first.ended().await, Some(0));
    let second = host(&folder, &store).await;
    let done = get(&second, &id).await;
    assert!(text(&done["result"]).contains("for 8 s"), "{done}");
    answer(&second, &waiting).await;
    until(&second, &waiting, "completed").await;
}

#[tokio::test]
async fn without_its_store_a_host_says_so_and_serves_what_needs_none() {
    let (folder, mut redis) = (Folder::default(), Redis::start());
    let host = host(&folder, &redis.store()).await;
    let id = begin_asking(&host).await;
    redis.kill();
    let told = "the store `tasks` cannot be reached";
    for (method, more) in [
        ("tasks/get", json!({})),
        ("tasks/cancel", json!({})),
        ("tasks/update", json!({"inputResponses": {}})),
    ] {
        let mut params = more;
        params["taskId"] = id.clone();
        let error = ask(&host, method, params).await.refusal();
        assert_eq!(error["code"], -32603, "{method}: {error}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(told), "{method}: {message}");
    }
    let call = async |tool: &str| {
        let params = json!({"name": tool, "arguments": {}});
        ask(&host, "tools/call", params).await.result()
    };
    let refused = call("confirm_delete").await;
    assert!(failure(&refused).contains(told), "{refused}");
    assert_eq!(call("test_simple_text").await["isError"], false);
}

#[tokio::test]
async fn a_tenant_has_so_many_tasks_and_the_oldest_that_ended_makes_room() {
    let folder = Folder::default();
    let store = json!({"kind": "embedded", "path": folder.path().join("tasks.redb")});
    let host = host(&folder, &store).await;
    let mut ids = Vec::new();
    for _ in 0..256 {
        ids.push(begin_asking(&host).await);
    }
    let params = json!({"name": "confirm_delete", "arguments": {}});
    let refused = ask(&host, "tools/call", params).await.result();
    assert!(
        failure(&refused).contains("Too many tasks: 256"),
        "{refused}"
    );
    let cancel = async |id: &Value| ask(&host, "tasks/cancel", json!({"taskId": id})).await;
    for id in [&ids[200], &ids[100]] {
        cancel(id).await.result();
    }
    assert_eq!(get(&host, &ids[100]).await["status"], "cancelled");
    begin_asking(&host).await;
    let error = ask(&host, "tasks/get", json!({"taskId": ids[100]}))
        .await
        .refusal();
    assert_eq!(error["message"], "Unknown task");
    assert_eq!(get(&host, &ids[200]).await["status"], "cancelled");
    until(&host, &ids[0], "input_required").await;
    // What ends at once is none, and takes nobody's place. On a busy machine it may take too long for that, and the next is tried.
    let params = json!({"name": "slow_compute", "arguments": {"seconds": 0}});
    for two in ids[200..].windows(2) {
        let quick = ask(&host, "tools/call", params.clone()).await.result();
        if quick["resultType"] == "complete" {
            assert_eq!(get(&host, &two[0]).await["status"], "cancelled");
            return;
        }
        cancel(&two[1]).await.result();
    }
    panic!("no call ended at once");
}
