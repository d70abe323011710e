//! A provider that cannot say which tools it has.

guest_support::provider!(
    list: Err("the list of tools is on strike".into()),
    call: guest_support::say_name
);
