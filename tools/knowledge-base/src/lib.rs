//! Questions and answers from a file that the operator grants, as the knowledge
//! base of the MCP guides for OpenAI and Azure OpenAI tells them.

use std::{fmt::Write, fs, io};

use sandglass_sdk::{
    export,
    serde_json::{self, Value},
    tool,
};

/// Where the file lies, as the tool sees it.
const FILE: &str = "/data/kb.json";

/// What an operator writes so that the file is there.
const GRANT: &str = "grant the folder that holds kb.json in the manifest, at this tool's source: \
                     `allow: { files: [ { host: /path/to/folder, guest: /data, access: read } ] }`";

/// Retrieve the entire knowledge base as a formatted string.
///
/// Returns all its questions and answers.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn get_knowledge_base() -> Result<String, String> {
    formatted(fs::read_to_string(FILE))
}

/// What a file holds, for a model to read.
fn formatted(file: io::Result<String>) -> Result<String, String> {
    let json = file.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => format!("Error: {FILE} is not UTF-8"),
        _ => format!("Error: Knowledge base file not found: {FILE}: {error}; {GRANT}"),
    })?;
    let base: Value = serde_json::from_str(&json)
        .map_err(|error| format!("Error: Invalid JSON in knowledge base file: {FILE}: {error}"))?;
    let mut text = String::from("Here is the retrieved knowledge base:\n\n");
    match base {
        Value::Array(items) => {
            for (n, item) in (1..).zip(&items) {
                let (question, answer) = match item {
                    Value::Object(pair) => (
                        pair.get("question")
                            .map_or_else(|| "Unknown question".to_owned(), plain),
                        pair.get("answer")
                            .map_or_else(|| "Unknown answer".to_owned(), plain),
                    ),
                    other => (format!("Item {n}"), plain(other)),
                };
                write!(text, "Q{n}: {question}\nA{n}: {answer}\n\n")
                    .expect("a String takes any text");
            }
        }
        other => {
            write!(text, "Knowledge base content: {other:#}\n\n").expect("a String takes any text")
        }
    }
    Ok(text)
}

/// Text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

export!(get_knowledge_base);

#[cfg(test)]
mod tests {
    use std::io;

    use sandglass_sdk::{CallError, serde_json::json, testing};

    use super::{TOOLS, formatted};

    fn of(json: &str) -> Result<String, String> {
        formatted(Ok(json.to_owned()))
    }

    #[test]
    fn questions_and_answers_are_numbered() {
        assert_eq!(
            of(r#"[{"question": "Why?", "answer": "So."}, {"answer": 7}, "left over", {"question": "x"}]"#)
                .unwrap(),
            "Here is the retrieved knowledge base:\n\n\
             Q1: Why?\nA1: So.\n\n\
             Q2: Unknown question\nA2: 7\n\n\
             Q3: Item 3\nA3: left over\n\n\
             Q4: x\nA4: Unknown answer\n\n"
        );
    }

    #[test]
    fn what_is_no_list_is_told_as_json() {
        assert_eq!(
            of(r#"{"b": "ä", "a": [1]}"#).unwrap(),
            "Here is the retrieved knowledge base:\n\n\
             Knowledge base content: {\n  \"b\": \"ä\",\n  \"a\": [\n    1\n  ]\n}\n\n"
        );
    }

    #[test]
    fn the_sample_has_only_whole_pairs() {
        let text = of(include_str!("../kb.json")).unwrap();
        assert!(text.contains("Q5: "), "{text}");
        assert!(
            !text.contains("Unknown") && !text.contains("Item "),
            "{text}"
        );
    }

    #[test]
    fn without_the_file_the_error_says_what_to_grant() {
        let Err(CallError::Failed(error)) = testing::call(TOOLS, "get_knowledge_base", json!({}))
        else {
            panic!("there is no /data/kb.json where tests run");
        };
        assert!(
            error.starts_with("Error: Knowledge base file not found: /data/kb.json: "),
            "{error}"
        );
        assert!(error.contains("guest: /data, access: read"), "{error}");
    }

    #[test]
    fn a_broken_file_is_told_with_the_place() {
        assert_eq!(
            of("[\n  {]").unwrap_err(),
            "Error: Invalid JSON in knowledge base file: /data/kb.json: key must be a string at line 2 column 4"
        );
        assert_eq!(
            formatted(Err(io::ErrorKind::InvalidData.into())).unwrap_err(),
            "Error: /data/kb.json is not UTF-8"
        );
    }
}
