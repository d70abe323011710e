//! A provider whose schema is expensive to check: many patterns, each of which goes over the whole text.

use guest_support::{Tool, json, say_name, tool};

/// So many patterns.
const PATTERNS: usize = 100;

fn list() -> Vec<Tool> {
    let patterns: Vec<_> = (0..PATTERNS)
        .map(|n| json!({ "pattern": format!("^(x|z{n})*$") }))
        .collect();
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string", "allOf": patterns } },
    });
    vec![tool("check", &schema.to_string())]
}

guest_support::provider!(list: Ok(list()), call: say_name);
