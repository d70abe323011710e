//! A call that asks is run again for its answers: what comes before a question is repeated, and what follows an answer is known to
//! nobody before it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandglass_tests::mcp::{Way, modern, of_client, send, text};
use sandglass_tests::{Host, manifest, talk};
use serde_json::{Value, json};

const FLIPS: &str = r#"
import json, os, time
from sandglass import elicit

SCHEMA = {"type": "object", "properties": {"heads": {"type": "boolean"}}}

def flip() -> str:
    seen = [os.urandom(8).hex()]
    times = [time.time()]
    for name in ("first", "second"):
        elicit(name, seen[0], SCHEMA)
        seen.append(os.urandom(8).hex())
        times.append(time.time())
    return json.dumps({"seen": seen, "times": times})
"#;

async fn host() -> Host {
    Host::start(&manifest(&json!([{ "python": FLIPS }]))).await
}

async fn call(host: &Host, state: Option<&Value>, answers: Value) -> Value {
    let mut params = json!({ "name": "flip", "arguments": {} });
    if let Some(state) = state {
        params["requestState"] = state.clone();
        params["inputResponses"] = answers;
    }
    let params = of_client(json!({ "elicitation": {} }), params);
    send(modern(host, "tools/call", params)).await.result()
}

/// What a whole call has seen, from the state after its first run on.
async fn flip(host: &Host, state: &Value, first: bool, second: bool) -> Value {
    let answer = |heads: bool| json!({ "action": "accept", "content": { "heads": heads } });
    let asked = call(host, Some(state), json!({ "first": answer(first) })).await;
    let state = &asked["requestState"];
    let result = call(host, Some(state), json!({ "second": answer(second) })).await;
    serde_json::from_str(text(&result)).expect("what it has seen")
}

#[tokio::test]
async fn randomness_after_an_answer_depends_on_all_answers_so_far() {
    let host = host().await;
    let asked = call(&host, None, json!({})).await;
    let state = &asked["requestState"];
    let known = flip(&host, state, true, true).await["seen"].clone();
    let again = flip(&host, state, true, true).await["seen"].clone();
    assert_eq!(known, again, "the same answers lead to the same");
    assert_eq!(
        asked["inputRequests"]["first"]["params"]["message"],
        known[0]
    );
    for (first, second) in [(true, false), (false, true), (false, false)] {
        let seen = flip(&host, state, first, second).await["seen"].clone();
        assert_eq!(seen[0], known[0], "what came before is repeated");
        assert_eq!(seen[1] == known[1], first, "{seen} {known}");
        assert_ne!(seen[2], known[2], "{seen} {known}");
    }
}

#[tokio::test]
async fn the_clock_goes_on_from_when_the_answer_came() {
    let host = host().await;
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is later")
            .as_secs_f64()
    };
    let asked = call(&host, None, json!({})).await;
    // A person takes a while.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answered = now();
    let times = flip(&host, &asked["requestState"], true, true).await["times"].clone();
    let time = |index: usize| times[index].as_f64().expect("a time");
    assert!(time(0) <= answered - 1.0, "{times}");
    assert!(time(1) >= answered && time(2) >= time(1), "{times}");
    assert!(time(2) <= now(), "{times}");
}

#[tokio::test]
async fn a_session_repeats_what_came_before_its_questions_too() {
    let host = host().await;
    let flip = json!({ "name": "flip", "arguments": {} });
    let yes = |_: &str, _: &Value| json!({ "action": "accept", "content": { "heads": true } });
    let talk = talk(Way::Session, &host, "tools/call", flip, yes).await;
    let seen: Value = serde_json::from_str(text(talk.result())).expect("what it has seen");
    let seen = &seen["seen"];
    assert_eq!(talk.asked.len(), 2);
    for asked in &talk.asked {
        assert_eq!(asked["params"]["message"], seen[0]);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2], "{seen}");
}
