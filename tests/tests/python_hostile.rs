//! Python that tries to get out of its sandbox, or to leave something for the next call.

use sandglass_tests::Hostile;

const SOURCE: &str = "python/hostile.py";

#[tokio::test]
async fn what_is_not_granted_fails_and_says_so() {
    let hostile = Hostile::serve(SOURCE).await;
    hostile
        .fails(&[
            (
                "spin",
                "Fuel limit exceeded: the call used its budget of 2000000000",
            ),
            (
                "eat",
                "Memory limit exceeded: the call needs more than 128MiB",
            ),
            (
                "eat_at_once",
                "Memory limit exceeded: the call needs more than 128MiB",
            ),
            (
                "eat_more_than_there_is",
                "Memory limit exceeded: the call needs more than 128MiB",
            ),
            ("lie_about_memory", "the fridge is full"),
            ("nest_source", "Parser stack overflowed"),
            ("recurse", "maximum recursion depth exceeded"),
            ("recurse_without_limit", "Memory limit exceeded"),
            ("deep_result", "call stack exhausted"),
            (
                "big_result",
                "Output limit exceeded: the result is larger than 1MiB",
            ),
            ("shell", "module 'os' has no attribute 'system'"),
            ("process", "does not support processes"),
            ("password_file", "No such file or directory: '/etc/passwd'"),
            ("folder", "No such file or directory"),
            ("write_file", "No such file or directory"),
            ("connect", "[Errno"),
            ("raw_socket", "Permission denied"),
            (
                "request",
                "this tool is not allowed to reach http://127.0.0.1:1",
            ),
            ("native", "there is no module `ctypes` here"),
            ("import_trick", "there is no module `requests` here"),
            ("load_file", "No such file or directory"),
            ("leave", "the tool ended itself with sys.exit(3)"),
            ("leave_hard", "The tool ended itself with exit status"),
            ("abort", "The tool trapped"),
            ("interrupt", "KeyboardInterrupt"),
            ("thread", "can't start new thread"),
            ("forge_result", "not JSON"),
        ])
        .await;
}

#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    Hostile::serve(SOURCE).await.leaves_nothing().await;
}

#[tokio::test]
async fn seeds_and_clocks_differ_between_calls_of_one_snapshot() {
    let hostile = Hostile::serve(SOURCE).await;
    let calls = hostile.has_seeds_and_clocks_of_its_own().await;
    // But for this one: see docs/python.md.
    assert!(
        calls.iter().all(|seeds| seeds["hash"] == calls[0]["hash"]),
        "{calls:?}"
    );
}
