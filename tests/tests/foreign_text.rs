//! What authors, callers and guests write deceives nobody who reads the host's log, its errors or a terminal.

use sandglass_tests::{Folder, Host, Launch, eventually, guest, manifest, refused};
use serde_json::json;

/// What a line of the log would be.
const FORGED: &str = "2026-11-21T00:00:00.000000Z  INFO sandglass::forged: caller=admin";

/// Controls of terminals, and a character that turns the direction of what follows.
const HIDDEN: [char; 5] = ['\u{1b}', '\u{9b}', '\r', '\u{202e}', '\u{2028}'];

/// More than any line of the log has.
const LONGEST: usize = 32 << 10;

/// Each line begins as the host's own do, and is none that somebody else has made up.
fn assert_own_lines(log: &str) {
    for line in log.lines() {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        let &[time, level, target] = &words[..] else {
            panic!("no line of the host's: {line:?}")
        };
        let is_time = time.len() == FORGED.find(' ').unwrap_or_default() && time.ends_with('Z');
        let is_level = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level);
        assert!(is_time && is_level && target.ends_with(':'), "{line:?}");
        assert_ne!(target, "sandglass::forged:", "{line:?}");
        assert!(line.len() < LONGEST, "{} bytes: {line:?}", line.len());
    }
    assert!(!log.contains(HIDDEN), "{log:?}");
}

async fn has_logged(host: &Host, text: &str) {
    eventually("the log has it", async || {
        host.log().contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_forges_a_line_of_the_log() {
    let sources = ["bad_list", "hostile", "plain"].map(guest);
    let host = Launch::manifest(&manifest(&json!(sources)))
        .env("LOG_LEVEL", "TRACE")
        .start()
        .await;
    has_logged(&host, "the list of tools is on strike").await;
    let hidden = String::from_iter(HIDDEN);
    for (number, forged) in [
        format!("[\"done\",\n{FORGED}\n]"),
        format!("[\"done\",\n\"{FORGED}\"]"),
        json!(format!("a\n{FORGED}{hidden}")).to_string(),
    ]
    .into_iter()
    .enumerate()
    {
        let logger = format!("logger {number}\n{FORGED}");
        let arguments = json!({"data": forged, "logger": logger});
        let answer = host.call("log_raw", arguments).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        has_logged(&host, &format!("logger {number}")).await;
    }
    for line in [
        format!("printed\r{FORGED}"),
        format!("a\n{FORGED}\u{85}{FORGED}{hidden}"),
    ] {
        let answer = host.call("print", json!({"line": line})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    host.call(&format!("unknown\n{FORGED}{hidden}"), json!({}))
        .await;
    host.call("panic_message", json!({})).await;
    host.get("/no%0A2026/such%1b[2Jpath").await;
    let log = host.log();
    assert_own_lines(&log);
    assert!(log.contains("[\"done\",\"2026"), "JSON is one line: {log}");
}

#[tokio::test]
async fn a_long_reason_is_cut_wherever_it_is_told() {
    let sources = ["bad_list", "plain"].map(guest);
    let host = Launch::manifest(&manifest(&json!(sources))).start().await;
    let ready = host.get("/ready").await;
    assert!(ready.body.len() < 8 << 10, "{} bytes", ready.body.len());
    let reason = ready.json()["failures"][0]["reason"].to_string();
    assert!(
        reason.contains("the list of tools is on strike") && reason.contains("bytes more"),
        "{reason}"
    );
    let ready = host.manage("/ready").await;
    assert!(ready.body.len() < 8 << 10, "{} bytes", ready.body.len());
    let long = host.call(&"x".repeat(100_000), json!({})).await;
    assert_eq!(long.status, 404);
    assert!(long.body.len() < 1 << 10, "{} bytes", long.body.len());
    for command in ["inspect", "call"] {
        let mut launch = Launch::command(&[command, &guest("bad_list")]);
        if command == "call" {
            launch = launch.arg("tool");
        }
        let told = refused(launch).await;
        assert!(told.len() < 8 << 10, "{} bytes", told.len());
        assert!(!told.contains(HIDDEN), "{told:?}");
    }
}

#[tokio::test]
async fn a_terminal_is_shown_all_that_a_result_has() {
    let text = format!("red{}\n\ttext", String::from_iter(HIDDEN));
    let arguments = json!({"text": text}).to_string();
    let call = |options: &[&str]| {
        let plain = guest("plain");
        let words = ["call", plain.as_str(), "echo", arguments.as_str()];
        let words = [&words[..], options].concat();
        Launch::command(&words).run()
    };
    let shown = call(&[]).await;
    let line = "red\\u{1b}\\u{9b}\\r\\u{202e}\\u{2028}\n\ttext\n";
    assert!(shown.stdout.starts_with(line), "{shown:?}");
    let exact = call(&["--json"]).await;
    assert!(!exact.stdout.contains(HIDDEN), "{exact:?}");
    assert_eq!(exact.json()["result"], text);
}

#[tokio::test]
async fn a_tool_that_hides_text_from_people_is_not_served() {
    let folder = Folder::default();
    for (source, place, character) in [
        (
            "def pick(a: str) -> str:\n    \"\"\"Pick.\\U000e0041\\U000e0042\"\"\"\n    return a\n",
            "/description",
            "U+E0041",
        ),
        (
            "from typing import Literal\ndef pick(a: Literal['b', 'c\\u200b']) -> str:\n    return a\n",
            "/inputSchema/properties/a",
            "U+200B",
        ),
    ] {
        let file = folder.write("tool.py", source);
        let tools = json!([{"source": format!("file:{file}")}]);
        let finished = Launch::manifest(&manifest(&tools)).run().await;
        assert_eq!(finished.code, Some(3), "{finished:?}");
        for part in ["tool `pick`", place, character] {
            assert!(finished.stderr.contains(part), "{part}: {finished:?}");
        }
    }
}
