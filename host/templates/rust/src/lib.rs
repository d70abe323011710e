//! {{name}}: tools for AI agents.

use sandglass_sdk::{export, tool};

/// Greets a person.
#[tool]
fn greet(
    /// Whom to greet.
    name: String,
) -> String {
    format!("Hello, {name}!")
}

export!(greet);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{serde_json::json, testing};

    use super::TOOLS;

    #[test]
    fn a_person_is_greeted() {
        let reply = testing::call(TOOLS, "greet", json!({"name": "Ada"})).unwrap();
        assert_eq!(reply.value, Some(json!("Hello, Ada!")));
    }
}
