//! A provider whose input schema leads through thousands of references to one place: whoever follows them by calling itself
//! runs out of stack.

use guest_support::{Tool, json, tool};

const REFERENCES: usize = 8_000;

fn list() -> Vec<Tool> {
    let definitions: guest_support::Value = (0..REFERENCES)
        .map(|n| (n.to_string(), json!({"$ref": format!("#/$defs/{}", n + 1)})))
        .chain([(REFERENCES.to_string(), json!({"type": "string"}))])
        .collect();
    let schema =
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": definitions});
    vec![tool("chained", &schema.to_string())]
}

guest_support::provider!(list: Ok(list()), call: guest_support::say_name);
