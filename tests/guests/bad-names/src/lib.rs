//! A provider whose tool names hold control characters, nothing at all, or too much.

use guest_support::{NO_ARGUMENTS, tool};

guest_support::provider!(
    list: Ok(vec![
        tool("evil\u{1b}[2Jname", NO_ARGUMENTS),
        tool("invisible\u{200b}space", NO_ARGUMENTS),
        tool("", NO_ARGUMENTS),
        tool(&"long".repeat(100), NO_ARGUMENTS),
    ]),
    call: guest_support::say_name
);
