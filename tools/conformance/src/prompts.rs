//! Prompts.

use sandglass_sdk::{
    AskError, Content, PromptMessage, ResourceContents, Typing, prompt, serde_json::json,
};

use crate::{content::PIXEL, questions::answer};

/// A simple prompt.
#[prompt]
pub fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// A prompt with arguments.
#[prompt]
pub fn test_prompt_with_arguments(
    /// First test argument
    #[complete(words)]
    arg1: String,
    /// Second test argument
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

fn words(typing: &Typing) -> Vec<String> {
    let words = ["paris", "park", "party"].into_iter();
    words
        .filter(|word| word.starts_with(typing.value()))
        .map(str::to_owned)
        .collect()
}

/// A prompt with a resource.
#[prompt]
#[allow(non_snake_case, reason = "the suite names it so")]
pub fn test_prompt_with_embedded_resource(
    /// URI of the resource to embed
    resourceUri: String,
) -> Vec<PromptMessage> {
    let text = "Embedded resource content for testing.";
    let resource = ResourceContents::text(resourceUri, text).with_mime_type("text/plain");
    vec![
        PromptMessage::user(Content::resource(resource)),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

/// A prompt with an image.
#[prompt]
pub fn test_prompt_with_image() -> Vec<PromptMessage> {
    vec![
        PromptMessage::user(Content::image(PIXEL, "image/png")),
        PromptMessage::user("Please analyze the image above."),
    ]
}

/// A prompt that asks for its context.
#[prompt]
pub fn test_input_required_result_prompt() -> Result<String, AskError> {
    let schema = json!({
        "type": "object",
        "properties": {"context": {"type": "string"}},
        "required": ["context"],
    });
    let context = answer(
        "user_context",
        "What context should the prompt use?",
        &schema,
    )?;
    Ok(format!("Use this context: {context}"))
}
