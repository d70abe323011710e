//! What of MCP a guest has beside tools: prompts, resources, completion, questions, tasks.

use reqwest::Method;
use sandglass_tests::mcp::{
    ACCEPT, Session, Way, bare, failure, message, modern, of_client, read_until, send, text,
};
use sandglass_tests::{Answer, Folder, Host, Launch, conformance, eventually, manifest, sha256};
use serde_json::{Value, json};

/// The suite's fixtures as a source, with more keys.
fn source(more: Value) -> Value {
    let mut source = json!({"source": format!("file:{}", conformance())});
    for (key, value) in more.as_object().into_iter().flatten() {
        source[key] = value.clone();
    }
    source
}

fn launch() -> Launch {
    Launch::manifest(&manifest(&json!([source(json!({}))])))
}

async fn host() -> Host {
    launch().start().await
}

/// A host that knows these tokens, each with its scopes.
async fn with_tokens(tokens: &[(&str, Value)]) -> Host {
    let tokens = tokens
        .iter()
        .map(|(token, scopes)| json!({"sha256": sha256(token), "name": token, "scopes": scopes}));
    let manifest = json!({
        "version": 1,
        "tools": [source(json!({}))],
        "identity": {"tokens": tokens.collect::<Vec<_>>()},
    });
    Launch::manifest(&manifest.to_string()).start().await
}

async fn ask(host: &Host, method: &str, params: Value) -> Answer {
    send(modern(host, method, params)).await
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one[key].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn prompts_get_the_sources_prefix_and_collide_as_tools_do() {
    let prefixed = source(json!({"prefix": "acme", "name": "first"}));
    let same = source(json!({"prefix": "acme", "name": "second", "include": ["greet"]}));
    let host = Launch::manifest(&manifest(&json!([prefixed, same])))
        .start()
        .await;
    let listed = ask(&host, "prompts/list", json!({})).await.result();
    let prompts = names(&listed["prompts"], "name");
    assert!(
        prompts.contains(&"acme_test_simple_prompt".to_owned()),
        "{prompts:?}"
    );
    let params = json!({"name": "acme_test_simple_prompt"});
    let prompt = ask(&host, "prompts/get", params).await.result();
    let said = &prompt["messages"][0]["content"]["text"];
    assert_eq!(said, "This is a simple prompt for testing.");
    let ready = host.get("/ready").await.json();
    assert_eq!(ready["status"], "degraded", "{ready}");
    let reason = ready["failures"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("of `first`"), "{reason}");
}

#[tokio::test]
async fn two_sources_cannot_have_the_same_resource() {
    let first = source(json!({"prefix": "a", "name": "first"}));
    let second = source(json!({"prefix": "b", "name": "second"}));
    let host = Launch::manifest(&manifest(&json!([first, second])))
        .start()
        .await;
    let ready = host.get("/ready").await.json();
    let reason = ready["failures"][0]["reason"].as_str().expect("a reason");
    assert!(
        reason
            .contains("its resource `test://static-binary` has the name of a resource of `first`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_prompts_arguments_are_checked() {
    let host = host().await;
    let name = "test_prompt_with_arguments";
    for (arguments, reason) in [
        (
            json!({"arg1": "a"}),
            "Invalid arguments: `arg2` is required",
        ),
        (
            json!({"arg1": "a", "arg2": "b", "arg3": "c"}),
            "Invalid arguments: test_prompt_with_arguments has no argument `arg3`",
        ),
        (
            json!({"arg1": 1, "arg2": "b"}),
            "Invalid arguments: `arg1` must be a string: a prompt's arguments are text",
        ),
    ] {
        for way in [Way::Session, Way::Modern] {
            let params = json!({"name": name, "arguments": arguments});
            let error = way.request(&host, "prompts/get", params).await.refusal();
            assert_eq!(error["code"], -32602, "{error}");
            assert_eq!(error["message"], reason);
        }
    }
    let unknown = json!({"name": "nobody"});
    let error = ask(&host, "prompts/get", unknown).await.refusal();
    assert_eq!(error["message"], "Unknown prompt: nobody");
}

#[tokio::test]
async fn arguments_and_variables_are_completed() {
    let host = host().await;
    let complete = async |reference: Value, name: &str, value: &str| {
        let argument = json!({"name": name, "value": value});
        let params = json!({"ref": reference, "argument": argument});
        ask(&host, "completion/complete", params).await
    };
    let prompt = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let completed = complete(prompt.clone(), "arg1", "part").await.result();
    assert_eq!(completed["completion"]["values"], json!(["party"]));
    let template = json!({"type": "ref/resource", "uri": "test://template/{id}/data"});
    let completed = complete(template, "id", "12").await.result();
    assert_eq!(completed["completion"]["values"], json!(["12", "123"]));
    let error = complete(prompt, "arg9", "").await.refusal();
    assert_eq!(
        error["message"],
        "Invalid arguments: there is no argument `arg9`"
    );
}

#[tokio::test]
async fn who_watches_a_resource_hears_of_its_change_and_of_no_other() {
    let host = host().await;
    let uri = "test://watched-resource";
    let session = Session::open(&host).await;
    let get = session.with_headers(host.request(Method::GET, "/mcp"));
    let mut legacy = get.send().await.expect("a stream");
    let subscribed = session.request("resources/subscribe", json!({"uri": uri}));
    subscribed.await.result();
    let unknown = session.request("resources/subscribe", json!({"uri": "test://nothing"}));
    assert_eq!(unknown.await.refusal()["code"], -32002);

    let wanted = json!({"notifications": {"resourceSubscriptions": [uri]}});
    let listen = modern(&host, "subscriptions/listen", wanted);
    let mut listening = listen.send().await.expect("a stream");
    read_until(&mut listening, "acknowledged").await;
    let other = json!({"notifications": {"resourceSubscriptions": ["test://static-text"]}});
    let listen = modern(&host, "subscriptions/listen", other);
    let mut elsewhere = listen.send().await.expect("a stream");
    read_until(&mut elsewhere, "acknowledged").await;

    Way::Modern
        .call(&host, "test_update_resource", json!({}))
        .await;
    for stream in [&mut legacy, &mut listening] {
        let told = read_until(stream, "notifications/resources/updated").await;
        assert!(told.contains(uri), "{told}");
    }
    // A second change comes after the first one on every stream.
    let told = read_until(&mut elsewhere, "notifications/");
    let silent = tokio::time::timeout(std::time::Duration::from_millis(100), told);
    assert!(silent.await.is_err(), "nobody watched that");
}

fn call(tool: &str, arguments: Value, capabilities: Value) -> Value {
    of_client(capabilities, json!({"name": tool, "arguments": arguments}))
}

/// The same call with the answers to the questions of the last one.
fn answered(mut params: Value, required: &Value, answers: Value) -> Value {
    params["requestState"] = required["requestState"].clone();
    params["inputResponses"] = answers;
    params
}

#[tokio::test]
async fn a_call_that_asks_is_run_again_with_the_same_randomness() {
    let host = host().await;
    let params = call("test_replay", json!({}), json!({"elicitation": {}}));
    let required = ask(&host, "tools/call", params.clone()).await.result();
    assert_eq!(required["resultType"], "input_required", "{required}");
    let question = &required["inputRequests"]["number"]["params"]["message"];
    let number: String = question
        .as_str()
        .expect("a question")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let yes = json!({"number": {"action": "accept", "content": {"ok": true}}});
    let again = answered(params.clone(), &required, yes);
    let result = ask(&host, "tools/call", again).await.result();
    assert_eq!(text(&result), format!("It was {number}"));
    // Another call has another number.
    let other = ask(&host, "tools/call", params).await.result();
    assert_ne!(
        other["inputRequests"]["number"]["params"]["message"],
        *question
    );
}

#[tokio::test]
async fn what_a_client_brings_back_is_of_its_call_and_of_no_other() {
    let folder = Folder::default();
    let key = folder.write("key", "a secret of thirty-two bytes, or more");
    let (one, other) = (
        launch().arg("--state-key-file").arg(&key).start().await,
        launch().arg("--state-key-file").arg(&key).start().await,
    );
    let stranger = host().await;
    let capabilities = json!({"elicitation": {}});
    let params = call(
        "test_elicitation",
        json!({"message": "Who?"}),
        capabilities.clone(),
    );
    let required = ask(&one, "tools/call", params.clone()).await.result();
    let me = json!({"user": {"action": "accept", "content": {"username": "a", "email": "b"}}});
    let again = answered(params, &required, me.clone());
    // A replica with the same key goes on with the call; one with another does not.
    let result = ask(&other, "tools/call", again.clone()).await.result();
    assert!(text(&result).contains("action=accept"), "{result}");
    let error = ask(&stranger, "tools/call", again).await.refusal();
    assert_eq!(error["code"], -32602, "{error}");
    let otherwise = call(
        "test_elicitation",
        json!({"message": "Else?"}),
        capabilities,
    );
    let error = ask(&one, "tools/call", answered(otherwise, &required, me))
        .await
        .refusal();
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("request state is not valid")),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_that_is_too_short_stops_the_start() {
    let folder = Folder::default();
    let key = folder.write("key", "short");
    let finished = launch().arg("--state-key-file").arg(&key).run().await;
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("at least 32 bytes"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn a_tool_that_cannot_ask_says_what_its_client_lacks() {
    let host = host().await;
    let params = call(
        "test_sampling",
        json!({"prompt": "Hi"}),
        json!({"elicitation": {}}),
    );
    let answer = ask(&host, "tools/call", params).await;
    assert_eq!(answer.status, 400);
    let error = answer.refusal();
    assert_eq!(error["code"], -32021, "{error}");
    assert_eq!(
        error["data"]["requiredCapabilities"],
        json!({"sampling": {}})
    );
    // Without a client to ask there is the tool's own error.
    let arguments = json!({"prompt": "Hi"});
    for way in [Way::Bare, Way::Session] {
        let result = way.call(&host, "test_sampling", arguments.clone()).await;
        assert!(text(&result).contains("cannot be asked"), "{result}");
    }
    let body = json!({"tool": "test_sampling", "arguments": arguments});
    let answer = host.post("/mcp/tools", body.to_string()).await;
    assert_eq!(answer.status, 500, "{answer:?}");
}

#[tokio::test]
async fn scopes_cover_prompts_and_resources_apart_from_tools() {
    let host = with_tokens(&[
        ("tools", json!(["tools:*"])),
        (
            "others",
            json!(["prompts:test_simple_prompt", "resources:*"]),
        ),
    ])
    .await;
    let list = async |with: &str, method: &str, key: &str, name: &str| {
        let request = modern(&host, method, json!({})).bearer_auth(with);
        names(&send(request).await.result()[key], name)
    };
    assert!(
        !list("tools", "tools/list", "tools", "name")
            .await
            .is_empty()
    );
    for (method, key, name) in [
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
        ),
    ] {
        assert!(
            list("tools", method, key, name).await.is_empty(),
            "{method}"
        );
    }
    assert_eq!(
        list("others", "prompts/list", "prompts", "name").await,
        ["test_simple_prompt"]
    );
    assert_eq!(
        list("others", "resources/list", "resources", "uri")
            .await
            .len(),
        3
    );
    let get = modern(&host, "prompts/get", json!({"name": "test_simple_prompt"}));
    let error = send(get.bearer_auth("tools")).await.refusal();
    let text = error["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("scope prompts:test_simple_prompt"), "{text}");
    let read = modern(
        &host,
        "resources/read",
        json!({"uri": "test://static-text"}),
    );
    let error = send(read.bearer_auth("tools")).await.refusal();
    let text = error["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("scope resources:*"), "{text}");
}

const TASKS: &str = "io.modelcontextprotocol/tasks";

async fn task(host: &Host, method: &str, id: &Value) -> Answer {
    let params = of_client(json!({"extensions": {TASKS: {}}}), json!({"taskId": id}));
    ask(host, method, params).await
}

#[tokio::test]
async fn a_long_call_goes_on_as_a_task_and_is_cancelled_with_it() {
    let host = host().await;
    let capabilities = json!({"extensions": {TASKS: {}}});
    let arguments = json!({"seconds": 8, "label": "long"});
    let params = call("slow_compute", arguments, capabilities.clone());
    let begun = ask(&host, "tools/call", params).await.result();
    assert_eq!(begun["resultType"], "task", "{begun}");
    let id = &begun["taskId"];
    let working = eventually("progress is the task's message", async || {
        let state = task(&host, "tasks/get", id).await.result();
        state["statusMessage"].as_str().map(str::to_owned)
    });
    assert!(working.await.contains("of 80"));
    task(&host, "tasks/cancel", id).await.result();
    eventually("it is cancelled", async || {
        let state = task(&host, "tasks/get", id).await.result();
        (state["status"] == "cancelled").then_some(())
    })
    .await;
    // The guest is gone too: its place is free.
    let usage = host.get("/ready").await;
    assert_eq!(usage.status, 200);
    // What ends at once is no task.
    let params = call("slow_compute", json!({"seconds": 0}), capabilities);
    let result = ask(&host, "tools/call", params).await.result();
    assert_eq!(result["resultType"], "complete", "{result}");
    let error = task(&host, "tasks/get", &json!("nobody")).await.refusal();
    assert_eq!(error["code"], -32602);
}

#[tokio::test]
async fn a_task_is_its_callers_alone() {
    let all = json!(["tools:*"]);
    let host = with_tokens(&[("ann", all.clone()), ("bob", all)]).await;
    let capabilities = json!({"elicitation": {}, "extensions": {TASKS: {}}});
    let params = call(
        "confirm_delete",
        json!({"filename": "a"}),
        capabilities.clone(),
    );
    let begin = modern(&host, "tools/call", params).bearer_auth("ann");
    let begun = send(begin).await.result();
    let get = |with: &'static str| {
        let params = of_client(capabilities.clone(), json!({"taskId": begun["taskId"]}));
        send(modern(&host, "tasks/get", params).bearer_auth(with))
    };
    let state = get("ann").await.result();
    assert_eq!(state["status"], "input_required", "{state}");
    assert_eq!(get("bob").await.refusal()["message"], "Unknown task");
}

#[tokio::test]
async fn a_form_of_a_later_revision_is_not_sent_to_an_old_client() {
    let host = host().await;
    let mut initialize = sandglass_tests::mcp::initialize("2025-06-18");
    initialize["capabilities"] = json!({"elicitation": {}});
    let session = Session::with(&host, initialize).await;
    let params = json!({"name": "test_elicitation_sep1330_enums", "arguments": {}});
    let result = session.request("tools/call", params).await.result();
    let text = failure(&result);
    assert!(text.contains("the client cannot be asked for"), "{text}");
    assert!(text.contains("2025-06-18"), "{text}");
}

#[tokio::test]
async fn a_sessions_client_is_asked_while_the_call_waits() {
    let host = host().await;
    let mut initialize = sandglass_tests::mcp::initialize("2025-11-25");
    initialize["capabilities"] = json!({"elicitation": {}});
    let session = Session::with(&host, initialize).await;
    let call = message(
        "tools/call",
        json!({"name": "test_elicitation", "arguments": {"message": "Who?"}}),
    );
    let mut stream = session.prepare(&call).send().await.expect("a stream");
    let asked = read_until(&mut stream, "\n\n").await;
    let asked = asked.lines().find_map(|line| line.strip_prefix("data: "));
    let asked: Value = serde_json::from_str(asked.expect("a message")).expect("JSON");
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    let answer = json!({
        "jsonrpc": "2.0",
        "id": asked["id"],
        "result": {"action": "decline"},
    });
    let accepted = session.prepare(&answer).send().await.expect("an answer");
    assert_eq!(accepted.status(), 202);
    let told = read_until(&mut stream, "User response").await;
    assert!(told.contains("action=decline"), "{told}");
}

#[tokio::test]
async fn who_may_not_read_resources_is_not_told_of_their_changes() {
    let host = with_tokens(&[
        ("bob", json!(["tools:*"])),
        ("ann", json!(["tools:*", "resources:*"])),
    ])
    .await;
    let uri = "test://watched-resource";
    let wanted = json!({"notifications": {"resourceSubscriptions": [uri, "test://nothing"]}});
    for (token, told) in [("bob", false), ("ann", true)] {
        let listen = modern(&host, "subscriptions/listen", wanted.clone()).bearer_auth(token);
        let mut stream = listen.send().await.expect("a stream");
        let acknowledged = read_until(&mut stream, "acknowledged").await;
        assert_eq!(acknowledged.contains(uri), told, "{token}: {acknowledged}");
        assert!(!acknowledged.contains("test://nothing"), "{acknowledged}");
    }
    let read = modern(&host, "resources/read", json!({"uri": uri})).bearer_auth("bob");
    let refused = send(read).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
}

#[tokio::test]
async fn what_is_kept_for_a_client_is_bounded() {
    let host = host().await;
    let uris: Vec<String> = (0..1_001)
        .map(|number| format!("test://{number}"))
        .collect();
    let wanted = json!({"notifications": {"resourceSubscriptions": uris}});
    let refused = ask(&host, "subscriptions/listen", wanted).await;
    assert_eq!((refused.status, refused.code()), (400, -32602));
    let mut initialize = sandglass_tests::mcp::initialize("2025-11-25");
    initialize["capabilities"] = json!({"experimental": {"x": {"y": "z".repeat(64 << 10)}}});
    let refused = bare(&host, "initialize", initialize).header("accept", ACCEPT);
    assert_eq!(send(refused).await.status, 413);
    let long = format!("test://template/{}/data", "x".repeat(2_048));
    let refused = ask(&host, "resources/read", json!({"uri": long})).await;
    assert_eq!(refused.refusal()["code"], -32602);
}

#[tokio::test]
async fn a_form_that_is_filled_in_wrongly_is_asked_again() {
    let host = host().await;
    let params = call("test_replay", json!({}), json!({"elicitation": {}}));
    let required = ask(&host, "tools/call", params.clone()).await.result();
    for content in [json!({"ok": "yes"}), json!({})] {
        let wrong = json!({"number": {"action": "accept", "content": content}});
        let again = answered(params.clone(), &required, wrong);
        let result = ask(&host, "tools/call", again).await.result();
        assert_eq!(result["resultType"], "input_required", "{result}");
    }
    let no = json!({"number": {"action": "decline"}});
    let result = ask(&host, "tools/call", answered(params, &required, no))
        .await
        .result();
    assert_eq!(result["resultType"], "complete", "{result}");
}

#[tokio::test]
async fn a_tool_that_returns_its_questions_late_is_asked_for_as_a_task() {
    let limits = json!({"limits": {"concurrency": 1}});
    let host = Launch::manifest(&manifest(&json!([source(limits)])))
        .start()
        .await;
    let capabilities = json!({"elicitation": {}, "extensions": {TASKS: {}}});
    let busy = call("slow_compute", json!({"seconds": 1}), capabilities.clone());
    ask(&host, "tools/call", busy).await.result();
    // It waits in the queue, and becomes a task before its guest begins.
    let params = call("test_tool_with_task", json!({}), capabilities.clone());
    let begun = ask(&host, "tools/call", params).await.result();
    assert_eq!(begun["resultType"], "task", "{begun}");
    let get = async || {
        let params = of_client(capabilities.clone(), json!({"taskId": begun["taskId"]}));
        ask(&host, "tasks/get", params).await.result()
    };
    eventually("it asks", async || {
        (get().await["status"] == "input_required").then_some(())
    })
    .await;
    let answers = json!({"user_name": {"action": "accept", "content": {"name": "Alice"}}});
    let params = json!({"taskId": begun["taskId"], "inputResponses": answers});
    let update = of_client(capabilities.clone(), params);
    ask(&host, "tasks/update", update).await.result();
    let done = eventually("it is done", async || {
        let state = get().await;
        (state["status"] == "completed").then_some(state)
    })
    .await;
    assert!(text(&done["result"]).contains("Alice"), "{done}");
}
