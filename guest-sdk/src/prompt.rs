//! Prompts: messages that a person picks, filled with arguments.

use std::fmt::Display;

pub use crate::bindings::prompts::exports::sandglass::tool::prompts::{
    Guest, Prompt as PromptDescription, PromptArgument as ArgumentDescription, PromptError,
    PromptMessage, PromptResult,
};
use crate::{
    complete::Typing,
    contract::{Content, Role},
};

/// What `#[prompt]` makes of a function.
pub trait PromptFunction {
    /// The prompt's name.
    const NAME: &'static str;

    /// What `list-prompts` says about it.
    fn describe() -> PromptDescription;

    /// Reads the arguments, runs the function and writes its messages.
    ///
    /// # Errors
    /// The arguments don't fit, or the function failed.
    fn get(arguments: &[(String, String)]) -> Result<PromptResult, PromptError>;

    /// Suggestions for an argument.
    fn complete(argument: &str, typing: &Typing) -> Vec<String>;
}

type Get = fn(&[(String, String)]) -> Result<PromptResult, PromptError>;

/// A prompt in the list that [`export!`](crate::export) makes.
#[derive(Clone, Copy)]
pub struct Prompt {
    pub(crate) name: &'static str,
    describe: fn() -> PromptDescription,
    get: Get,
    pub(crate) complete: fn(&str, &Typing) -> Vec<String>,
}

impl Prompt {
    /// The prompt that `#[prompt]` made of a function.
    #[doc(hidden)]
    pub const fn of<T: PromptFunction>() -> Self {
        Self {
            name: T::NAME,
            describe: T::describe,
            get: T::get,
            complete: T::complete,
        }
    }
}

/// The contract's `list-prompts`.
pub fn list(prompts: &[Prompt]) -> Vec<PromptDescription> {
    prompts.iter().map(|prompt| (prompt.describe)()).collect()
}

/// The contract's `get-prompt`.
///
/// # Errors
/// As the contract has them.
pub fn get(
    prompts: &[Prompt],
    name: &str,
    arguments: &[(String, String)],
) -> Result<PromptResult, PromptError> {
    let prompt = prompts
        .iter()
        .find(|prompt| prompt.name == name)
        .ok_or_else(|| PromptError::UnknownPrompt(name.to_owned()))?;
    (prompt.get)(arguments)
}

/// What an argument of a prompt can be: text, or what is written as text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a prompt",
    label = "a prompt's arguments are text: `String`, a number, `bool`, or an `Option` of them"
)]
pub trait PromptArgument: Sized {
    /// Whether it must be there.
    #[doc(hidden)]
    const REQUIRED: bool = true;

    /// Reads it.
    #[doc(hidden)]
    fn read(text: Option<&str>) -> Result<Self, String>;
}

impl<T: PromptArgument> PromptArgument for Option<T> {
    const REQUIRED: bool = false;

    fn read(text: Option<&str>) -> Result<Self, String> {
        text.map(|text| T::read(Some(text))).transpose()
    }
}

macro_rules! arguments {
    ($($of:ty),+) => {$(
        impl PromptArgument for $of {
            fn read(text: Option<&str>) -> Result<Self, String> {
                let text = text.ok_or("it is missing")?;
                text.parse().map_err(|_| format!("`{text}` is no {}", stringify!($of)))
            }
        }
    )+};
}

arguments!(
    String, bool, char, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64
);

/// Reads one argument of a prompt.
///
/// # Errors
/// `invalid-arguments`, with its name.
#[doc(hidden)]
pub fn read<T: PromptArgument>(
    name: &str,
    arguments: &[(String, String)],
) -> Result<T, PromptError> {
    let text = arguments.iter().find(|(key, _)| key == name);
    T::read(text.map(|(_, text)| text.as_str()))
        .map_err(|problem| PromptError::InvalidArguments(format!("`{name}`: {problem}")))
}

/// What a prompt can return: text, which is the user's message; messages; or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a prompt",
    label = "a prompt returns a `String`, a `PromptMessage`, a `Vec<PromptMessage>`, or a `Result` of these"
)]
pub trait IntoPrompt {
    /// As the contract has it.
    ///
    /// # Errors
    /// The prompt's own.
    #[doc(hidden)]
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError>;
}

impl IntoPrompt for String {
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError> {
        Ok(vec![PromptMessage::user(Content::text(self))])
    }
}

impl IntoPrompt for &str {
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError> {
        self.to_owned().finish()
    }
}

impl IntoPrompt for PromptMessage {
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError> {
        Ok(vec![self])
    }
}

impl IntoPrompt for Vec<PromptMessage> {
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError> {
        Ok(self)
    }
}

impl<T: IntoPrompt, E: Display> IntoPrompt for Result<T, E> {
    fn finish(self) -> Result<Vec<PromptMessage>, PromptError> {
        self.map_err(|error| PromptError::Failed(error.to_string()))?
            .finish()
    }
}

impl PromptMessage {
    /// What the user says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// What the model is to have said.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
