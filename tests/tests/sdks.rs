//! Prompts, resources, completions and questions of components that the SDKs made: `guest-sdk/examples/notes.rs`, and
//! `tests/foreign/sdk` in Python and JavaScript.

use std::time::Duration;

use reqwest::Method;
use sandglass_tests::mcp::{Session, Way, read_until, text};
use sandglass_tests::{Host, Launch, foreign, manifest, refused, root, talk};
use serde_json::{Value, json};

const WAYS: [Way; 2] = [Way::Session, Way::Modern];

#[tokio::test]
async fn the_example_is_the_same_in_rust() {
    the_example(&serving("notes_rust").await).await;
}

#[tokio::test]
async fn a_component_in_python_has_all_of_mcp() {
    let host = serving("notes_python").await;
    the_example(&host).await;
    everything_else(&host).await;
}

#[tokio::test]
async fn a_component_in_javascript_has_all_of_mcp() {
    let host = serving("notes_javascript").await;
    the_example(&host).await;
    everything_else(&host).await;
}

const INLINE_PYTHON: &str = r#"
from sandglass import elicit, progress

def ask(name: str) -> str:
    progress(1, 2, "asking")
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    return elicit("sure", f"Delete {name}?", schema).action
"#;

#[tokio::test]
async fn inline_python_asks_too() {
    let host = Host::start(&manifest(&json!([{ "python": INLINE_PYTHON }]))).await;
    inline_source_asks(&host).await;
    let prompt = "from sandglass import prompt\n\n@prompt\ndef greet(): return 'Hi'\n";
    let told = refused(Launch::manifest(&manifest(&json!([{ "python": prompt }])))).await;
    assert!(told.contains("a module with prompts is built"), "{told}");
}

async fn inline_source_asks(host: &Host) {
    for way in WAYS {
        let call = json!({ "name": "ask", "arguments": { "name": "milk" } });
        let no = |_: &str, _: &Value| json!({ "action": "decline" });
        let talk = talk(way, host, "tools/call", call, no).await;
        assert_eq!(text(talk.result()), "decline", "{way:?} {talk:?}");
        assert_eq!(talk.asked[0]["params"]["message"], "Delete milk?");
        let asking = |notice: &Value| notice["params"]["message"] == "asking";
        assert!(talk.notices.iter().any(asking), "{way:?} {talk:?}");
    }
}

async fn serving(component: &str) -> Host {
    let source = foreign(component);
    // First of all, since it compiles the component: with an interpreter in it that may take a while.
    let inspect = Launch::command(&["inspect", &source]);
    let inspected = inspect.run_within(Duration::from_secs(180)).await;
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    let manifest = format!("version: 1\ntools: ['file:{source}']\n");
    Launch::manifest(&manifest).start().await
}

/// What the documentation shows.
async fn the_example(host: &Host) {
    for way in WAYS {
        a_prompt_has_arguments_and_a_message(way, host).await;
        resources_are_listed_and_read(way, host).await;
        arguments_are_completed(way, host).await;
        a_tool_asks_a_person(way, host).await;
    }
    a_change_of_a_resource_reaches_its_subscribers(host).await;
}

async fn everything_else(host: &Host) {
    for way in WAYS {
        messages_are_of_all_kinds(way, host).await;
        resources_hold_all_kinds(way, host).await;
        questions_of_all_kinds_have_their_answers(way, host).await;
    }
    who_cannot_be_asked_is_told_apart(host).await;
}

async fn a_prompt_has_arguments_and_a_message(way: Way, host: &Host) {
    let listed = result(way, host, "prompts/list", json!({})).await;
    assert_eq!(
        found(&listed["prompts"], "name", "rewrite"),
        &json!({
            "name": "rewrite",
            "description": "Rewrites a note.",
            "arguments": [
                { "name": "name", "description": "Which note.", "required": true },
                { "name": "tone", "description": "How it is to sound.", "required": false },
            ],
        }),
        "{way:?}"
    );
    let rewritten = json!({ "name": "rewrite", "arguments": { "name": "milk" } });
    let got = result(way, host, "prompts/get", rewritten).await;
    assert_eq!(
        (&got["description"], &got["messages"]),
        (
            &json!("Rewrites a note."),
            &json!([{
                "role": "user",
                "content": { "type": "text", "text": "Rewrite in a plain tone: Buy milk." },
            }])
        ),
        "{way:?}"
    );
}

async fn messages_are_of_all_kinds(way: Way, host: &Host) {
    let listed = result(way, host, "prompts/list", json!({})).await;
    assert_eq!(found(&listed["prompts"], "name", "look")["title"], "Look");
    let look = json!({ "name": "look", "arguments": { "times": "2" } });
    let got = result(way, host, "prompts/get", look).await;
    let roles: Vec<_> = got["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| (&message["role"], &message["content"]["type"]))
        .collect();
    let (user, assistant, image, text) = (
        &json!("user"),
        &json!("assistant"),
        &json!("image"),
        &json!("text"),
    );
    assert_eq!(roles, [(user, image), (user, image), (assistant, text)]);
    let wrong = json!({ "name": "look", "arguments": { "times": "two" } });
    way.request(host, "prompts/get", wrong).await.refusal();
}

async fn resources_are_listed_and_read(way: Way, host: &Host) {
    let listed = result(way, host, "resources/list", json!({})).await;
    assert_eq!(
        found(&listed["resources"], "uri", "notes://index"),
        &json!({
            "uri": "notes://index",
            "name": "index",
            "description": "The names of all notes.",
            "mimeType": "text/plain",
        }),
        "{way:?}"
    );
    let listed = result(way, host, "resources/templates/list", json!({})).await;
    let note = found(
        &listed["resourceTemplates"],
        "uriTemplate",
        "notes://note/{name}",
    );
    assert_eq!(note["mimeType"], "text/plain", "{way:?} {note}");
    for (uri, expected) in [
        (
            "notes://index",
            json!([{ "uri": "notes://index", "mimeType": "text/plain", "text": "mail\nmilk" }]),
        ),
        (
            "notes://note/m%69lk",
            json!([{ "uri": "notes://note/m%69lk", "mimeType": "text/plain", "text": "Buy milk." }]),
        ),
    ] {
        let read = result(way, host, "resources/read", json!({ "uri": uri })).await;
        assert_eq!(read["contents"], expected, "{way:?} {uri}");
    }
    for uri in ["notes://note/nothing", "notes://note/a/b"] {
        let read = way
            .request(host, "resources/read", json!({ "uri": uri }))
            .await;
        let error = read.refusal();
        assert!(
            error["message"].to_string().contains("not found"),
            "{way:?} {uri} {error}"
        );
    }
}

async fn resources_hold_all_kinds(way: Way, host: &Host) {
    let listed = result(way, host, "resources/list", json!({})).await;
    let pixel = found(&listed["resources"], "uri", "pixel:one");
    assert_eq!(pixel["name"], "a pixel");
    let pixel = result(way, host, "resources/read", json!({ "uri": "pixel:one" })).await;
    assert!(pixel["contents"][0]["blob"].is_string(), "{way:?} {pixel}");
    let files = result(
        way,
        host,
        "resources/read",
        json!({ "uri": "files:///a/b" }),
    )
    .await;
    assert_eq!(
        files["contents"],
        json!([
            { "uri": "files:///a/b", "text": "a/b" },
            { "uri": "files:///b", "mimeType": "text/plain", "blob": "Yg==" },
        ]),
        "{way:?}"
    );
    let read = way
        .request(host, "resources/read", json!({ "uri": "files:///none" }))
        .await;
    assert!(read.body.contains("the disk is full"), "{way:?} {read:?}");
}

async fn arguments_are_completed(way: Way, host: &Host) {
    for (target, argument, value, expected) in [
        (
            json!({ "type": "ref/prompt", "name": "rewrite" }),
            "name",
            "mi",
            json!(["milk"]),
        ),
        (
            json!({ "type": "ref/prompt", "name": "rewrite" }),
            "tone",
            "",
            json!([]),
        ),
        (
            json!({ "type": "ref/resource", "uri": "notes://note/{name}" }),
            "name",
            "m",
            json!(["mail", "milk"]),
        ),
    ] {
        let params = json!({ "ref": target, "argument": { "name": argument, "value": value } });
        let completed = result(way, host, "completion/complete", params).await;
        assert_eq!(
            completed["completion"]["values"], expected,
            "{way:?} {target}"
        );
    }
}

async fn a_tool_asks_a_person(way: Way, host: &Host) {
    let call = json!({ "name": "delete", "arguments": { "name": "milk" } });
    for (answer, expected) in [
        (
            json!({ "action": "accept", "content": { "delete": true } }),
            "Deleted milk",
        ),
        (
            json!({ "action": "accept", "content": { "delete": false } }),
            "Kept milk",
        ),
        (json!({ "action": "decline" }), "Kept milk"),
        (json!({ "action": "cancel" }), "Kept milk"),
    ] {
        let talk = talk(way, host, "tools/call", call.clone(), |_, _| answer.clone()).await;
        assert_eq!(text(talk.result()), expected, "{way:?} {talk:?}");
        let [asked] = &talk.asked[..] else {
            panic!("one question: {talk:?}");
        };
        assert_eq!(asked["method"], "elicitation/create");
        assert_eq!(asked["params"]["message"], "Delete milk?");
        assert_eq!(
            asked["params"]["requestedSchema"],
            json!({
                "type": "object",
                "properties": { "delete": { "type": "boolean", "description": "Whether the note may go." } },
                "required": ["delete"],
            })
        );
        let progress: Vec<_> = talk
            .notices
            .iter()
            .filter(|notice| notice["method"] == "notifications/progress")
            .map(|notice| &notice["params"]["message"])
            .collect();
        let deleted = expected.starts_with("Deleted");
        assert_eq!(
            progress,
            [&json!("deleted")][..usize::from(deleted)],
            "{way:?}"
        );
    }
}

async fn questions_of_all_kinds_have_their_answers(way: Way, host: &Host) {
    let answer = |method: &str, params: &Value| match method {
        "elicitation/create" if params["mode"] == "url" => {
            assert_eq!(params["url"], "https://example.com/sign-in");
            json!({ "action": "accept" })
        }
        "elicitation/create" => {
            let properties = &params["requestedSchema"]["properties"];
            assert_eq!(properties["size"]["enum"], json!(["small", "large"]));
            assert_eq!(properties["size"]["default"], "small");
            assert_eq!(properties["count"]["description"], "How many.");
            assert_eq!(params["requestedSchema"]["required"], json!(["name"]));
            json!({ "action": "accept", "content": { "name": "tea", "size": "large", "count": 2, "gift": true } })
        }
        "sampling/createMessage" => {
            assert_eq!(params["maxTokens"], 10);
            json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hi" } })
        }
        "roots/list" => json!({ "roots": [{ "uri": "file:///work" }] }),
        other => panic!("{other} is no question"),
    };
    let call = json!({ "name": "ask_all", "arguments": {} });
    let talk = talk(way, host, "tools/call", call, answer).await;
    assert_eq!(talk.asked.len(), 4, "{way:?} {talk:?}");
    let expected = json!({
        "order": { "name": "tea", "size": "large", "count": 2, "gift": true },
        "page": "accept",
        "text": "Hi",
        "roots": ["file:///work"],
    });
    assert_eq!(
        talk.result()["structuredContent"],
        expected,
        "{way:?} {talk:?}"
    );
}

async fn who_cannot_be_asked_is_told_apart(host: &Host) {
    let answer = host.call("ask_or_not", json!({})).await.json();
    let told = answer["result"].as_str().expect("text");
    assert!(told.starts_with("unsupported: "), "{told}");
}

async fn a_change_of_a_resource_reaches_its_subscribers(host: &Host) {
    let session = Session::open(host).await;
    let index = json!({ "uri": "notes://index" });
    session.request("resources/subscribe", index).await.result();
    let get = session.with_headers(host.request(Method::GET, "/mcp"));
    let mut stream = get.send().await.expect("a stream");
    let call = json!({ "name": "delete", "arguments": { "name": "milk" } });
    let yes = |_: &str, _: &Value| json!({ "action": "accept", "content": { "delete": true } });
    talk(Way::Modern, host, "tools/call", call, yes).await;
    let told = read_until(&mut stream, "notifications/resources/updated").await;
    assert!(told.contains("notes://index"), "{told}");
}

async fn result(way: Way, host: &Host, method: &str, params: Value) -> Value {
    way.request(host, method, params).await.result()
}

fn found<'a>(listed: &'a Value, key: &str, value: &str) -> &'a Value {
    let listed = listed.as_array().expect("a list");
    listed
        .iter()
        .find(|one| one[key] == value)
        .unwrap_or_else(|| panic!("{value} is not in {listed:?}"))
}

/// What the documentation shows is what is built and called here.
#[test]
fn the_documentation_shows_what_is_tested() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect(path);
    let documentation = read("docs/authoring.md");
    for (language, file) in [
        ("rust", "guest-sdk/examples/notes.rs"),
        ("python", "tests/foreign/sdk/notes.py"),
        ("js", "tests/foreign/sdk/notes.js"),
    ] {
        let shown = format!("```{language}\n{}```\n", read(file));
        assert!(
            documentation.contains(&shown),
            "docs/authoring.md does not show {file} as it is"
        );
    }
}
