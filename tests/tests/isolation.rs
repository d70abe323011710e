//! Each promise of the sandbox, with a hostile guest that tries to break it.

use sandglass_tests::mcp::{Session, Way, failure, send};
use sandglass_tests::{Folder, Host, Launch, eventually, grow_table, guest};
use serde_json::{Value, json};

/// Calls of these may take a second, or 50 million instructions, or 16 MiB, or 4 KiB of log.
fn tight() -> String {
    manifest("fuel: 50_000_000, timeout: 60s, memory: 16MiB, output: 64KiB, log: 4KiB")
}

/// The same, and time is short.
fn hurried() -> String {
    tight().replace("60s", "1s")
}

fn manifest(limits: &str) -> String {
    format!(
        "version: 1\ndefaults: {{ limits: {{ {limits} }} }}\ntools:\n  - file:{}\n  - file:{}\n",
        guest("hostile"),
        guest("plain")
    )
}

/// What a failing call says over REST, and over MCP in each way.
async fn failures(host: &Host, tool: &str, arguments: Value) -> Vec<String> {
    let answer = host.call(tool, arguments.clone()).await;
    assert_eq!(answer.status, 500, "{tool}: {answer:?}");
    let mut told = vec![answer.error()];
    for way in Way::ALL {
        told.push(failure(&way.call(host, tool, arguments.clone()).await).to_owned());
    }
    told
}

/// Each attempt fails with one of these texts, and the host is well after it.
async fn assert_fails(host: &Host, tool: &str, arguments: Value, expected: &[&str]) {
    for told in failures(host, tool, arguments).await {
        assert!(
            expected.iter().any(|part| told.contains(part)),
            "{tool}: {told:?} has none of {expected:?}"
        );
        assert!(told.len() < 4_096, "{tool}: an error is short");
    }
    host.assert_well().await;
    let answer = host.call("echo", json!({ "text": "still here" })).await;
    assert_eq!(answer.status, 200, "after {tool}: {answer:?}");
}

const FUEL: &str = "Fuel limit exceeded: the call used its budget of 50000000";
const TIME: &str = "Time limit exceeded: the call did not finish within 1s";
const MEMORY: &str = "Memory limit exceeded: the call needs more than 16MiB";
const OUTPUT: &str = "Output limit exceeded: the result is larger than 64KiB";
const TRAP: &str = "The tool trapped: ";

#[tokio::test]
async fn an_endless_loop_ends_with_its_fuel() {
    let host = Host::start(&tight()).await;
    assert_fails(&host, "spin_forever", json!({}), &[FUEL]).await;
}

#[tokio::test]
async fn a_loop_of_long_instructions_ends_with_fuel_or_time() {
    let host = Host::start(&hurried()).await;
    assert_fails(&host, "spin_fill", json!({}), &[FUEL, TIME]).await;
}

#[tokio::test]
async fn a_loop_of_long_instructions_ends_in_time_where_fuel_is_plenty() {
    let host = Host::start(&manifest("fuel: 1_000_000_000_000, timeout: 1s")).await;
    assert_fails(&host, "spin_fill", json!({}), &[TIME]).await;
}

#[tokio::test]
async fn a_flood_of_host_calls_ends_with_fuel_or_time() {
    let host = Host::start(&hurried()).await;
    assert_fails(&host, "spin_hostcall", json!({}), &[FUEL, TIME]).await;
    assert_fails(&host, "flood_progress", json!({}), &[FUEL, TIME]).await;
}

#[tokio::test]
async fn a_call_that_waits_in_the_host_ends_in_time() {
    let host = Host::start(&hurried()).await;
    assert_fails(&host, "sleep_forever", json!({}), &[TIME]).await;
}

#[tokio::test]
async fn memory_is_capped() {
    let host = Host::start(&tight()).await;
    assert_fails(&host, "allocate_forever", json!({}), &[MEMORY]).await;
    assert!(host.peak_memory() < 1 << 30, "{} bytes", host.peak_memory());
}

#[tokio::test]
async fn tables_count_as_memory() {
    let folder = Folder::default();
    let component = folder.write("grow_table.wasm", grow_table());
    let yaml = tight()
        + &format!("  - file:{component}\n")
        + &format!(
            "  - {{ source: 'file:{component}', prefix: small, limits: {{ memory: 128KiB }} }}\n"
        );
    let host = Host::start(&yaml).await;
    // A table of 10,000 pointers and a page of memory are more than this.
    let small = "Memory limit exceeded: the call needs more than 128KiB";
    assert_fails(&host, "small_grow_table", json!({}), &[small]).await;
    // With more memory the engine's own bound on a table may come first; the guest traps when it gets no more.
    assert_fails(&host, "grow_table", json!({}), &[MEMORY, TRAP]).await;
    assert!(host.peak_memory() < 1 << 30, "{} bytes", host.peak_memory());
}

#[tokio::test]
async fn deep_recursion_is_a_trap() {
    let host = Host::start(&tight()).await;
    assert_fails(&host, "recurse", json!({}), &[TRAP]).await;
}

#[tokio::test]
async fn unreachable_is_a_trap() {
    let host = Host::start(&tight()).await;
    assert_fails(&host, "trap_unreachable", json!({}), &[TRAP]).await;
}

#[tokio::test]
async fn a_panic_is_a_trap_that_gives_its_reason() {
    let host = Host::start(&tight()).await;
    for told in failures(&host, "panic_message", json!({})).await {
        assert!(
            told.starts_with(TRAP) && told.contains("boom: the reason"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn output_is_capped() {
    let host = Host::start(&manifest("memory: 256MiB, output: 64KiB, timeout: 60s")).await;
    assert_fails(
        &host,
        "big_output",
        json!({ "bytes": 20_000_000 }),
        &[OUTPUT],
    )
    .await;
    assert_fails(&host, "big_output", json!({ "bytes": 70_000 }), &[OUTPUT]).await;
    assert_fails(
        &host,
        "big_content",
        json!({ "blocks": 200_000 }),
        &[OUTPUT],
    )
    .await;
    assert_fails(&host, "panic_message", json!({}), &[TRAP]).await;
    assert!(host.peak_memory() < 1 << 30, "{} bytes", host.peak_memory());
    let answer = host.call("big_output", json!({ "bytes": 60_000 })).await;
    assert_eq!(answer.status, 200, "below the cap: {:?}", answer.status);
}

#[tokio::test]
async fn a_result_that_is_no_json_or_too_deep_is_an_error() {
    let host = Host::start(&tight()).await;
    assert_fails(&host, "invalid_json_value", json!({}), &["JSON"]).await;
    let answer = host.call("deep_json", json!({ "depth": 20_000 })).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    for way in Way::ALL {
        let answer = way
            .call(&host, "deep_json", json!({ "depth": 20_000 }))
            .await;
        assert_eq!(answer["isError"], true, "{way:?}");
    }
    host.assert_well().await;
}

#[tokio::test]
async fn a_result_that_breaks_its_own_schema_is_an_error() {
    let host = Host::start(&tight()).await;
    for told in failures(&host, "non_matching_output", json!({})).await {
        assert!(told.contains("schema"), "{told}");
    }
}

#[tokio::test]
async fn the_log_of_a_call_is_capped() {
    let launch = Launch::manifest(&tight()).env("LOG_LEVEL", "DEBUG");
    let host = launch.start().await;
    let flooded = |host: &Host| host.log().matches("flood ").count() * "flood ".len();
    let answer = host.call("flood_log", json!({ "lines": 2_000 })).await;
    assert_eq!(answer.status, 200, "a chatty tool still works: {answer:?}");
    // Each line may be written twice (as the guest's and in the record of the call), never without end.
    assert!(
        flooded(&host) <= 3 * 4_096,
        "{} bytes of a log of 4KiB",
        flooded(&host)
    );
    assert_fails(&host, "flood_log", json!({}), &[FUEL, TIME]).await;
    assert!(
        flooded(&host) <= 5 * 3 * 4_096,
        "{} bytes of a log of 4KiB in five calls",
        flooded(&host)
    );
}

#[tokio::test]
async fn the_stdout_of_a_call_is_capped() {
    let launch = Launch::manifest(&tight()).env("LOG_LEVEL", "DEBUG");
    let host = launch.start().await;
    let answer = host.call("flood_stdout", json!({ "lines": 2_000 })).await;
    assert_eq!(answer.status, 200, "a chatty tool still works: {answer:?}");
    assert_fails(&host, "flood_stdout", json!({}), &[FUEL, TIME]).await;
    let flooded = host.log().matches("flood ").count() * "flood ".len();
    assert!(
        flooded <= 5 * 3 * 4_096,
        "{flooded} bytes of a log of 4KiB in five calls"
    );
    assert_eq!(
        host.stdout(),
        "",
        "nothing of a guest's on the host's stdout"
    );
}

#[tokio::test]
async fn what_a_guest_prints_is_in_the_log() {
    let host = Launch::manifest(&tight())
        .env("LOG_LEVEL", "DEBUG")
        .start()
        .await;
    let answer = host
        .call("print", json!({ "line": "a line to be found\u{1b}[31m" }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("the line is in the log", async || {
        host.log().contains("a line to be found").then_some(())
    })
    .await;
    assert!(
        !host.log().contains('\u{1b}'),
        "a guest sends no escape sequences to the operator's terminal"
    );
    assert_eq!(host.stdout(), "");
}

#[tokio::test]
async fn nothing_is_remembered_between_calls() {
    let host = Host::start(&tight()).await;
    let session = Session::open(&host).await;
    for round in 0..5 {
        let secret = json!({ "secret": format!("secret {round}") });
        let answer = host.call("remember", secret.clone()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "result": null })),
            "REST, round {round}"
        );
        let answer = session
            .request(
                "tools/call",
                json!({ "name": "remember", "arguments": secret }),
            )
            .await;
        let result = answer.result();
        assert!(
            !result.to_string().contains("secret"),
            "one session, round {round}: {result}"
        );
        for way in Way::ALL {
            let result = way.call(&host, "remember", secret.clone()).await;
            assert!(
                !result.to_string().contains("secret"),
                "{way:?}, round {round}: {result}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_granted_by_default() {
    let launch = Launch::manifest(&tight()).env("SECRET_OF_THE_HOST", "do not tell");
    let host = launch.start().await;
    for (tool, nothing) in [
        ("read_env", json!([])),
        ("read_files", json!([])),
        ("dns_lookup", json!([])),
        (
            "open_socket",
            json!({ "tcp": false, "udp": false, "listen": false }),
        ),
    ] {
        let answer = host
            .call(tool, json!({ "address": host.authority() }))
            .await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "result": nothing })),
            "{tool}"
        );
    }
    let arguments = host.call("read_args", json!({})).await.json();
    assert!(
        arguments["result"]
            .as_array()
            .is_some_and(|all| all.len() <= 1),
        "{arguments}"
    );
}

#[tokio::test]
async fn outbound_http_is_refused_without_a_grant() {
    let host = Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n",
        guest("reach")
    ))
    .await;
    for authority in [
        host.authority(),
        "169.254.169.254:1",
        "localhost:1",
        "example.com:1",
    ] {
        let url = format!("http://{authority}/");
        let answer = host.call("http", json!({ "url": url })).await;
        assert_eq!(answer.status, 200, "{authority}: {answer:?}");
        let told = &answer.json()["result"]["error"];
        assert!(
            told.as_str().is_some_and(|told| told.contains("Denied")),
            "{authority}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_question_that_nobody_can_answer_does_not_hang() {
    let host = Host::start(&tight()).await;
    let answer = host.call("ask", json!({})).await;
    assert!([200, 500].contains(&answer.status), "{answer:?}");
    let result = Way::Bare.call(&host, "ask", json!({})).await;
    assert!(result["content"].is_array(), "{result}");
}

#[tokio::test]
async fn secrets_and_host_paths_stay_out_of_the_log_and_of_errors() {
    let launch = Launch::manifest(&tight())
        .env("LOG_LEVEL", "TRACE")
        .env("SECRET_OF_THE_HOST", "do-not-tell");
    let host = launch.start().await;
    for path in ["/mcp/tools", "/mcp"] {
        for header in ["authorization", "cookie", "x-api-key"] {
            let request = host
                .request(reqwest::Method::POST, path)
                .header(header, "Bearer token-of-the-caller");
            send(
                request
                    .header("content-type", "application/json")
                    .body("{}"),
            )
            .await;
        }
    }
    for tool in [
        "panic_message",
        "trap_unreachable",
        "allocate_forever",
        "spin_forever",
        "recurse",
    ] {
        for told in failures(&host, tool, json!({})).await {
            assert!(
                !told.contains("/work") && !told.contains("/target/") && !told.contains("/root"),
                "{tool}: {told}"
            );
        }
    }
    let log = host.log();
    assert!(
        !log.contains("token-of-the-caller"),
        "a caller's credential is in the log"
    );
    assert!(
        !log.contains("do-not-tell"),
        "the environment is in the log"
    );
}

#[tokio::test]
async fn the_same_call_burns_the_same_fuel() {
    // A budget that is enough once is always enough, and one that is not never is.
    for (fuel, enough) in [("500_000_000", true), ("5_000_000", false)] {
        let host = Host::start(&manifest(&format!("fuel: {fuel}, timeout: 5m"))).await;
        for _ in 0..5 {
            let answer = host
                .call("spin_forever", json!({ "rounds": 10_000_000 }))
                .await;
            assert_eq!(answer.status == 200, enough, "{fuel}: {answer:?}");
        }
    }
}
