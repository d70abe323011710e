//! Questions to the person and the model behind the client.

use sandglass_sdk::{
    Answer, AskError, Content, ElicitationAction, FormElicitation, Question, QuestionKind, ask,
    log,
    schemars::JsonSchema,
    serde::Deserialize,
    serde_json::{self, Value, json},
    tool,
};

/// A form with this schema.
pub fn form(key: &str, message: &str, schema: &Value) -> Question {
    Question {
        key: key.to_owned(),
        ask: QuestionKind::ElicitForm(FormElicitation {
            message: message.to_owned(),
            requested_schema: schema.to_string(),
        }),
    }
}

/// A request for a model's message.
pub fn sample(key: &str, prompt: &str, max_tokens: u32) -> Question {
    let parameters = json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}],
        "maxTokens": max_tokens,
    });
    Question {
        key: key.to_owned(),
        ask: QuestionKind::Sample(parameters.to_string()),
    }
}

/// What a person did with a form, in words.
pub fn answer(key: &str, message: &str, schema: &Value) -> Result<String, AskError> {
    Ok(words(&ask(&[form(key, message, schema)])?))
}

/// Answers in words.
pub fn words(answers: &[Answer]) -> String {
    let words = answers.iter().map(|answer| match answer {
        Answer::Elicited(answer) => {
            let action = match answer.action {
                ElicitationAction::Accept => "accept",
                ElicitationAction::Decline => "decline",
                ElicitationAction::Cancel => "cancel",
            };
            let content = answer.content.as_deref().unwrap_or("null");
            format!("action={action}, content={content}")
        }
        Answer::Sampled(message) => text(message),
        Answer::Roots(roots) => {
            let uris: Vec<_> = roots.iter().map(|root| root.uri.as_str()).collect();
            format!("roots={}", uris.join(","))
        }
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The text of a model's message.
fn text(message: &str) -> String {
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    message["content"]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Asks a model.
#[tool]
pub fn test_sampling(
    /// The prompt to send to the LLM
    prompt: String,
) -> Result<Content, AskError> {
    let answers = ask(&[sample("prompt", &prompt, 100)])?;
    Ok(Content::text(format!("LLM response: {}", words(&answers))))
}

/// Asks for name and address.
#[tool]
pub fn test_elicitation(
    /// The message to show the user
    message: String,
) -> Result<Content, AskError> {
    let schema = json!({
        "type": "object",
        "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
        "required": ["username", "email"],
    });
    let answer = answer("user", &message, &schema)?;
    Ok(Content::text(format!("User response: {answer}")))
}

/// Asks with defaults of all types.
#[tool]
pub fn test_elicitation_sep1034_defaults() -> Result<Content, AskError> {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "User name", "default": "John Doe"},
            "age": {"type": "integer", "description": "User age", "default": 30},
            "score": {"type": "number", "description": "User score", "default": 95.5},
            "status": {
                "type": "string",
                "description": "User status",
                "enum": ["active", "inactive", "pending"],
                "default": "active",
            },
            "verified": {"type": "boolean", "description": "Verification status", "default": true},
        },
        "required": [],
    });
    let answer = answer("defaults", "Please review these values", &schema)?;
    Ok(Content::text(format!("Elicitation completed: {answer}")))
}

/// Asks with enums of all kinds.
#[tool]
pub fn test_elicitation_sep1330_enums() -> Result<Content, AskError> {
    let titled =
        |name: &str, titles: [&str; 3]| {
            let options = (1..).zip(titles);
            json!(options
            .map(|(number, title)| json!({"const": format!("{name}{number}"), "title": title}))
            .collect::<Vec<_>>())
        };
    let options = json!(["option1", "option2", "option3"]);
    let schema = json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {
                "type": "string",
                "oneOf": titled("value", ["First Option", "Second Option", "Third Option"]),
            },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {
                "type": "array",
                "items": {
                    "anyOf": titled("value", ["First Choice", "Second Choice", "Third Choice"]),
                },
            },
        },
        "required": [],
    });
    let answer = answer("enums", "Please choose", &schema)?;
    Ok(Content::text(format!("Elicitation completed: {answer}")))
}

/// Sends the person to a page.
#[tool]
pub fn test_elicitation_url() -> Result<Content, AskError> {
    let page = Question::url(
        "page",
        "Please sign in",
        "https://example.com/sign-in",
        "sign-in-1",
    );
    Ok(Content::text(format!("Page: {}", words(&ask(&[page])?))))
}

/// Needs a client that can be asked for a model's message.
#[tool]
pub fn test_missing_capability() -> Result<Content, AskError> {
    let answers = ask(&[sample("sample", "Hello", 10)])?;
    Ok(Content::text(words(&answers)))
}

/// Fields of a form, by their types.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde")]
#[schemars(crate = "sandglass_sdk::schemars")]
struct Sure {
    /// Whether to go on.
    go_on: bool,
}

/// Says something, then asks.
#[tool]
pub fn test_streaming_elicitation() -> Result<Content, AskError> {
    log::info("About to ask");
    let go_on = match sandglass_sdk::elicit("sure", "Go on?")? {
        sandglass_sdk::Elicited::Accepted(Sure { go_on }) => go_on,
        _ => false,
    };
    Ok(Content::text(format!("Going on: {go_on}")))
}
