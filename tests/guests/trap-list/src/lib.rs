//! A provider that panics when asked for its tools.

fn list() -> Result<Vec<guest_support::Tool>, String> {
    panic!("no list today")
}

guest_support::provider!(list: list(), call: guest_support::say_name);
