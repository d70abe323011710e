//! The smallest tool that does something: it answers with what it was given.

use sandglass_sdk::{export, tool};

/// Echo the input text.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn echo(
    /// The text to echo.
    text: String,
) -> String {
    format!("Echo: {text}")
}

export!(echo);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{serde_json::json, testing};

    use super::TOOLS;

    #[test]
    fn the_text_comes_back() {
        let reply = testing::call(TOOLS, "echo", json!({"text": "Grüße \"1\"\n"})).unwrap();
        assert_eq!(reply.value, Some(json!("Echo: Grüße \"1\"\n")));
        assert_eq!((reply.content, reply.is_error), (None, false));
    }

    #[test]
    fn text_is_required() {
        assert!(testing::call(TOOLS, "echo", json!({})).is_err());
    }
}
