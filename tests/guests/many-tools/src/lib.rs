//! A provider with more tools than one page of an MCP list holds.

use guest_support::{NO_ARGUMENTS, tool};

guest_support::provider!(
    list: Ok((0..1_200).rev().map(|n| tool(&format!("tool_{n:04}"), NO_ARGUMENTS)).collect()),
    call: guest_support::say_name
);
