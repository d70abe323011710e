//! A provider with two tools of the same name.

use guest_support::{NO_ARGUMENTS, tool};

guest_support::provider!(
    list: Ok(vec![tool("twin", NO_ARGUMENTS), tool("twin", NO_ARGUMENTS)]),
    call: guest_support::say_name
);
