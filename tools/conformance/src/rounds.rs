//! Calls that their client makes again with answers (`input_required`).

use std::hash::{BuildHasher, RandomState};

use sandglass_sdk::{
    AskError, Content, Question, ask,
    serde_json::{Value, json},
    tool,
};

use crate::questions::{answer, form, sample, words};

fn object_of(name: &str, r#type: &str) -> Value {
    json!({
        "type": "object",
        "properties": {name: {"type": r#type}},
        "required": [name],
    })
}

/// Asks for a name.
#[tool]
pub fn test_input_required_result_elicitation() -> Result<Content, AskError> {
    let name = answer(
        "user_name",
        "What is your name?",
        &object_of("name", "string"),
    )?;
    Ok(Content::text(format!("Hello, {name}!")))
}

/// Asks a model.
#[tool]
pub fn test_input_required_result_sampling() -> Result<Content, AskError> {
    let question = sample("capital_question", "What is the capital of France?", 100);
    Ok(Content::text(words(&ask(&[question])?)))
}

/// Asks for the client's folders.
#[tool]
pub fn test_input_required_result_list_roots() -> Result<Content, AskError> {
    let answers = ask(&[Question::list_roots("client_roots")])?;
    Ok(Content::text(words(&answers)))
}

/// Asks to be confirmed; the host seals the state.
#[tool]
pub fn test_input_required_result_request_state() -> Result<Content, AskError> {
    let confirmed = answer("confirm", "Please confirm", &object_of("ok", "boolean"))?;
    Ok(Content::text(format!("state-ok: {confirmed}")))
}

/// Likewise, for a client that tampers with the state.
#[tool]
pub fn test_input_required_result_tampered_state() -> Result<Content, AskError> {
    let confirmed = answer("confirm", "Please confirm", &object_of("ok", "boolean"))?;
    Ok(Content::text(format!("Not tampered with: {confirmed}")))
}

/// Asks three things at once.
#[tool]
pub fn test_input_required_result_multiple_inputs() -> Result<Content, AskError> {
    let answers = ask(&[
        form(
            "user_name",
            "What is your name?",
            &object_of("name", "string"),
        ),
        sample("greeting", "Generate a greeting", 50),
        Question::list_roots("client_roots"),
    ])?;
    Ok(Content::text(words(&answers)))
}

/// Asks one thing after the other.
#[tool]
pub fn test_input_required_result_multi_round() -> Result<Content, AskError> {
    let name = answer(
        "step1",
        "Step 1: What is your name?",
        &object_of("name", "string"),
    )?;
    let color = answer(
        "step2",
        "Step 2: What is your favorite color?",
        &object_of("color", "string"),
    )?;
    Ok(Content::text(format!("{name}; {color}")))
}

/// Asks what the client can be asked.
#[tool]
pub fn test_input_required_result_capabilities() -> Result<Content, AskError> {
    match answer(
        "user_name",
        "What is your name?",
        &object_of("name", "string"),
    ) {
        Err(AskError::Unsupported(_)) => {
            let answers = ask(&[sample("name", "Make up a name", 20)])?;
            Ok(Content::text(words(&answers)))
        }
        answer => Ok(Content::text(answer?)),
    }
}

/// Asks with a random number, and has the same number after the answer.
#[tool]
pub fn test_replay() -> Result<Content, AskError> {
    let number = RandomState::new().hash_one(0);
    let message = format!("Is {number} your number?");
    answer("number", &message, &object_of("ok", "boolean"))?;
    Ok(Content::text(format!("It was {number}")))
}
