//! The MCP Inspector's command line works unchanged, in both eras, over HTTP and over pipes.

use sandglass_tests::{Client, Finished, Host, Launch, client_program, guest, tool};
use serde_json::Value;

const ERAS: [&str; 3] = ["legacy", "modern", "auto"];

fn manifest() -> String {
    let (time, plain) = (tool("time"), guest("plain"));
    format!(
        "version: 1\ntools:\n  - file:{time}\n  - source: file:{plain}\n    include: [echo, fail]\n"
    )
}

/// The Inspector with an empty home, so that nobody's settings count.
fn inspector(home: &std::path::Path) -> Client {
    let client = Client::program("SANDGLASS_NODE").arg(client_program("SANDGLASS_INSPECTOR"));
    client
        .env("HOME", home)
        .args(&["--cli", "--format", "json", "--quiet"])
}

fn result(finished: &Finished) -> Value {
    let printed = finished.json();
    // The result itself, or the result in an envelope.
    printed.get("result").cloned().unwrap_or(printed)
}

fn check_list(finished: &Finished) {
    let list = result(finished);
    let names: Vec<&str> = list["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    for name in ["convert_time", "echo", "fail", "get_current_time"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
}

fn check_current(finished: &Finished) {
    let current = result(finished);
    assert_eq!(
        current["structuredContent"]["timezone"], "Europe/Warsaw",
        "{current}"
    );
}

fn check_conversion(finished: &Finished) {
    let conversion = result(finished);
    assert_eq!(
        conversion["structuredContent"]["time_difference"], "+5.75h",
        "{conversion}"
    );
}

fn current(arguments: &str) -> [&str; 6] {
    [
        "--method",
        "tools/call",
        "--tool-name",
        "get_current_time",
        "--tool-args-json",
        arguments,
    ]
}

const CONVERT: [&str; 6] = [
    "--method",
    "tools/call",
    "--tool-name",
    "convert_time",
    "--tool-args-json",
    r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Kathmandu"}"#,
];

#[tokio::test]
async fn it_lists_and_calls_over_http() {
    let host = Host::start(&manifest()).await;
    let url = format!("{}/mcp", host.url());
    for era in ERAS {
        let common = [
            "--server-url",
            url.as_str(),
            "--transport",
            "http",
            "--protocol-era",
            era,
        ];
        let list =
            inspector(host.folder())
                .args(&common)
                .args(&["--method", "tools/list", "--strict"]);
        check_list(&list.succeed().await);
        let current = inspector(host.folder())
            .args(&common)
            .args(&current(r#"{"timezone":"Europe/Warsaw"}"#));
        check_current(&current.succeed().await);
    }
}

#[tokio::test]
async fn it_sees_a_failure_as_one() {
    let host = Host::start(&manifest()).await;
    let url = format!("{}/mcp", host.url());
    for era in ERAS {
        let client = inspector(host.folder()).args(&["--server-url", &url, "--transport", "http"]);
        let client = client.args(&["--protocol-era", era]);
        let finished = client
            .args(&current(r#"{"timezone":"Mars/Olympus"}"#))
            .run()
            .await;
        assert_ne!(finished.code, Some(0), "{era}: {finished:?}");
        assert!(
            finished.stdout.contains("Invalid timezone")
                || finished.stderr.contains("Invalid timezone"),
            "{era}: {finished:?}"
        );
    }
}

#[tokio::test]
async fn it_lists_and_calls_over_pipes() {
    let launch = Launch::command(&["serve", "--stdio"]);
    let file = launch.write("manifest.yaml", manifest());
    let launch = launch.arg("--config").arg(file);
    let command = launch.as_command();
    let command = command.as_std();
    for era in ERAS {
        for method in [&["--method", "tools/list", "--strict"][..], &CONVERT[..]] {
            let mut client =
                inspector(launch.folder()).args(&["--transport", "stdio", "--protocol-era", era]);
            client = client.args(method).arg("--").arg(command.get_program());
            for argument in command.get_args() {
                client = client.arg(argument);
            }
            let finished = client.succeed().await;
            if method.len() == CONVERT.len() {
                check_conversion(&finished)
            } else {
                check_list(&finished)
            }
        }
    }
}
