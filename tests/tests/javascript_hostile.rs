//! JavaScript that tries to get out of its sandbox, or to leave something for the next call.

use sandglass_tests::Hostile;

const SOURCE: &str = "javascript/hostile.js";

#[tokio::test]
async fn what_is_not_granted_fails_and_says_so() {
    let fuel = "Fuel limit exceeded: the call used its budget of 2000000000";
    let memory = "Memory limit exceeded: the call needs more than 128MiB";
    let hostile = Hostile::serve(SOURCE).await;
    hostile.fails(&[
        ("spin", fuel),
        ("eat", memory),
        ("strings", "string too long"),
        ("recurse", "The tool trapped: call stack exhausted"),
        ("deep_result", fuel),
        (
            "big_result",
            "Output limit exceeded: the result is larger than 1MiB",
        ),
        (
            "cycle",
            "the tool's result can't be written as JSON: circular reference",
        ),
        ("backtrack", fuel),
        ("forever", fuel),
        (
            "never",
            "it waits for a promise that nothing will ever settle",
        ),
        ("load", "fs"),
        ("require_it", "require is not defined"),
        (
            "request",
            "cannot fetch http://127.0.0.1:1/: it is not granted; an operator grants it at this tool's source, `allow: { http: [ { host: 127.0.0.1, port: 1 } ] }`",
        ),
        ("scheme", "`file:` cannot be fetched"),
        ("get_out", "not a function"),
        ("bytecode", "bjson is not defined"),
]).await;
}

#[tokio::test]
async fn what_waits_too_long_ends_with_its_time() {
    let hostile = Hostile::serve_for(SOURCE, "5s").await;
    hostile.fails(&[("late", "Time limit exceeded")]).await;
}

#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    Hostile::serve(SOURCE).await.leaves_nothing().await;
}

#[tokio::test]
async fn seeds_and_clocks_differ_between_calls_of_one_snapshot() {
    let hostile = Hostile::serve(SOURCE).await;
    let calls = hostile.has_seeds_and_clocks_of_its_own().await;
    for seeds in calls {
        assert!(seeds["year"].as_u64() >= Some(2024), "{seeds}");
        assert!(seeds["uptime"].as_f64().is_some(), "{seeds}");
    }
}
