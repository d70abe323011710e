//! Questions to the person or the model behind the client.
//!
//! The host may end the instance at a question and run the call again from
//! its start with the answers at hand. So one rule holds: **what happens
//! before a question may happen again.**

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    bindings::sandglass::tool::host::AskError as HostError,
    contract::{
        Answer, ElicitationAction, FormElicitation, Question, QuestionKind, UrlElicitation,
    },
    host, schema,
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AskError {
    /// The host or the client can't ask this kind of question; says what is missing.
    #[error("{0}")]
    Unsupported(String),
    /// Nobody answered in time.
    #[error("nobody answered in time")]
    TimedOut,
    /// The client answered with an error, or with something that is no answer to the question.
    #[error("{0}")]
    Failed(String),
}

/// What a person did with a form.
#[derive(Clone, Debug, PartialEq)]
pub enum Elicited<T> {
    /// Filled it in.
    Accepted(T),
    /// Said no.
    Declined,
    /// Closed it.
    Cancelled,
}

/// Asks a person to fill in a form, whose fields are those of `T`: plain
/// text, numbers, booleans, enums without data, and `Option`s of them. Doc
/// comments describe the fields.
///
/// `key` is the question's name within this call.
///
/// ```
/// use sandglass_sdk::{Elicited, elicit, schemars::JsonSchema, serde::Deserialize, tool};
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Sure {
///     /// Whether the file may go.
///     delete: bool,
/// }
///
/// /// Deletes a file, if a person agrees.
/// #[tool]
/// fn delete(path: String) -> Result<String, sandglass_sdk::AskError> {
///     match elicit("sure", &format!("Delete {path}?"))? {
///         Elicited::Accepted(Sure { delete: true }) => Ok(format!("Deleted {path}")),
///         _ => Ok(format!("Kept {path}")),
///     }
/// }
/// ```
///
/// # Errors
/// There is nobody to ask, or no answer came; in native tests always.
pub fn elicit<T: DeserializeOwned + JsonSchema>(
    key: &str,
    message: &str,
) -> Result<Elicited<T>, AskError> {
    let [Answer::Elicited(answer)] = &ask(&[Question::form::<T>(key, message)])?[..] else {
        return Err(AskError::Failed(
            "the answer is not that of a form".to_owned(),
        ));
    };
    match answer.action {
        ElicitationAction::Accept => {
            serde_json::from_str(answer.content.as_deref().unwrap_or("{}"))
                .map(Elicited::Accepted)
                .map_err(|error| {
                    AskError::Failed(format!("the form's answer does not fit: {error}"))
                })
        }
        ElicitationAction::Decline => Ok(Elicited::Declined),
        ElicitationAction::Cancel => Ok(Elicited::Cancelled),
    }
}

/// Asks all questions at once. The answers come in the order of the questions.
///
/// # Errors
/// There is nobody to ask, or no answer came; in native tests always.
pub fn ask(questions: &[Question]) -> Result<Vec<Answer>, AskError> {
    host::ask(questions).map_err(|error| match error {
        HostError::Unsupported(what) => AskError::Unsupported(what),
        HostError::TimedOut => AskError::TimedOut,
        HostError::Failed(message) => AskError::Failed(message),
    })
}

impl Question {
    /// A form for a person; see [`elicit`].
    pub fn form<T: JsonSchema>(key: impl Into<String>, message: impl Into<String>) -> Self {
        let form = FormElicitation {
            message: message.into(),
            requested_schema: schema::of_form::<T>(),
        };
        Self {
            key: key.into(),
            ask: QuestionKind::ElicitForm(form),
        }
    }

    /// A page that a person should open. `elicitation_id` names it in a later
    /// notice that it is done.
    pub fn url(
        key: impl Into<String>,
        message: impl Into<String>,
        url: impl Into<String>,
        elicitation_id: impl Into<String>,
    ) -> Self {
        let page = UrlElicitation {
            message: message.into(),
            url: url.into(),
            elicitation_id: elicitation_id.into(),
        };
        Self {
            key: key.into(),
            ask: QuestionKind::ElicitUrl(page),
        }
    }

    /// A request to the model: the parameters of MCP `sampling/createMessage`.
    ///
    /// # Errors
    /// The parameters can't be written as JSON.
    pub fn sample(key: impl Into<String>, parameters: impl Serialize) -> serde_json::Result<Self> {
        let parameters = serde_json::to_string(&parameters)?;
        Ok(Self {
            key: key.into(),
            ask: QuestionKind::Sample(parameters),
        })
    }

    /// Which folders and files the client lets servers work on.
    pub fn list_roots(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ask: QuestionKind::ListRoots,
        }
    }
}
