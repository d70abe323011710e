//! A provider whose input schema is JSON and no JSON Schema.

guest_support::provider!(
    list: Ok(vec![guest_support::tool("crooked", r#"{"type":"object","properties":{"a":{"type":"wibble"}}}"#)]),
    call: guest_support::say_name
);
