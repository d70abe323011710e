//! Suggestions while a person types an argument.

pub use crate::bindings::completion::exports::sandglass::tool::completion::{
    CompletionRequest, CompletionResult, CompletionTarget, Guest,
};
use crate::{prompt::Prompt, resource::Resource};

/// What a person has typed so far, for a function that is named by `#[complete(..)]`.
///
/// ```
/// use sandglass_sdk::Typing;
///
/// fn tones(typing: &Typing) -> Vec<String> {
///     ["formal", "friendly", "funny"]
///         .into_iter()
///         .filter(|tone| tone.starts_with(typing.value()))
///         .map(str::to_owned)
///         .collect()
/// }
/// # let typing = Typing::new("f", [("name", "Ann")]);
/// # assert_eq!(tones(&typing).len(), 3);
/// # assert_eq!(typing.settled("name"), Some("Ann"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typing {
    value: String,
    context: Vec<(String, String)>,
}

impl Typing {
    /// For tests: what is typed, and the arguments that are settled already.
    pub fn new<'a>(value: &str, settled: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let settled = settled.into_iter();
        Self {
            value: value.to_owned(),
            context: settled
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// What is there so far.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Another argument, if it is settled already.
    pub fn settled(&self, name: &str) -> Option<&str> {
        let mut context = self.context.iter();
        let (_, value) = context.find(|(settled, _)| settled == name)?;
        Some(value)
    }
}

/// The contract's `complete`.
///
/// # Errors
/// There is no such prompt or template.
#[doc(hidden)]
pub fn complete(
    prompts: &[Prompt],
    resources: &[Resource],
    request: CompletionRequest,
) -> Result<CompletionResult, String> {
    let typing = Typing {
        value: request.value,
        context: request.context,
    };
    let values = match &request.target {
        CompletionTarget::Prompt(name) => {
            let prompt = prompts.iter().find(|prompt| prompt.name == name);
            let prompt = prompt.ok_or_else(|| format!("there is no prompt `{name}`"))?;
            (prompt.complete)(&request.argument, &typing)
        }
        CompletionTarget::Resource(template) => {
            let resource = resources.iter().find(|resource| resource.uri == template);
            let resource = resource.ok_or_else(|| format!("there is no resource `{template}`"))?;
            (resource.complete)(&request.argument, &typing)
        }
    };
    Ok(CompletionResult {
        total: Some(values.len() as u64),
        has_more: false,
        values,
    })
}
