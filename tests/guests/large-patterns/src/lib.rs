//! A provider with a few kilobytes of patterns that would take gigabytes compiled.

use guest_support::{Tool, Value, json, tool};

fn list() -> Vec<Tool> {
    let properties: Value = (0..400)
        .map(|n| {
            (
                format!("p{n}"),
                json!({"pattern": format!("\\p{{L}}{{40}}{n}")}),
            )
        })
        .collect();
    let schema = json!({"type": "object", "properties": properties});
    vec![tool("patterned", &schema.to_string())]
}

guest_support::provider!(list: Ok(list()), call: guest_support::say_name);
