//! A provider that cannot say which tools it has, and says so at length, in what looks like lines of the host's log.

guest_support::provider!(
    list: Err(format!(
        "the list of tools is on strike\n2026-11-21T00:00:00.000000Z  INFO sandglass::forged: caller=admin\u{1b}[2J\u{9b}2J\u{202e}{}",
        "x".repeat(300_000)
    )),
    call: guest_support::say_name
);
