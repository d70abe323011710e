//! What a tool gives back.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    contract::{CallError, Content, Success},
    schema,
};

/// A result of which the tool itself says how it reads: a value for programs
/// together with blocks for readers.
///
/// A tool that returns a plain value needs none of this: the host makes the
/// text from the value.
///
/// ```
/// use sandglass_sdk::{Output, tool};
///
/// /// Rolls a die.
/// #[tool]
/// fn roll() -> Output<u8> {
///     Output::new(4).with_text("The die shows four.")
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Output<T> {
    value: T,
    content: Option<Vec<Content>>,
    is_error: bool,
}

/// In place of a value where there is none; see [`Output::content`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoValue;

impl<T> Output<T> {
    /// A value. Without blocks the host makes a text from it.
    pub fn new(value: T) -> Self {
        Self {
            value,
            content: None,
            is_error: false,
        }
    }

    /// Adds a block of text.
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with_content([Content::text(text)])
    }

    /// Adds blocks.
    pub fn with_content(mut self, blocks: impl IntoIterator<Item = Content>) -> Self {
        self.content.get_or_insert_default().extend(blocks);
        self
    }

    /// Says that the tool ran and what was asked failed all the same; value
    /// and blocks tell why. Where a message is all there is to tell, return
    /// `Err` instead.
    ///
    /// ```
    /// use sandglass_sdk::{Output, tool};
    ///
    /// /// Looks for a word.
    /// #[tool]
    /// fn look_up(word: String) -> Output<Option<u32>> {
    ///     Output::new(None).with_text(format!("{word} is not in the book")).as_error()
    /// }
    /// ```
    pub fn as_error(mut self) -> Self {
        self.is_error = true;
        self
    }

    /// The result as the contract has it.
    ///
    /// # Errors
    /// `failed` if the value can't be written as JSON.
    #[doc(hidden)]
    pub fn finish(self) -> Result<Success, CallError>
    where
        T: Value,
    {
        let value = self.value.json().map_err(|error| {
            CallError::Failed(format!(
                "the tool's result can't be written as JSON: {error}"
            ))
        })?;
        Ok(Success {
            content: self.content,
            value,
            is_error: self.is_error,
            meta: None,
        })
    }
}

impl Output<NoValue> {
    /// Blocks without a value.
    pub fn content(blocks: impl IntoIterator<Item = Content>) -> Self {
        Self::new(NoValue).with_content(blocks)
    }
}

/// What the value of a result can be: any type that can be written as JSON
/// and has a schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a tool",
    label = "this can't be written as JSON or has no schema",
    note = "a type of your own needs `#[derive(serde::Serialize, schemars::JsonSchema)]`"
)]
pub trait Value {
    /// The value's JSON Schema, if there is a value.
    #[doc(hidden)]
    fn schema() -> Option<String>;

    /// The value as JSON, if there is one.
    #[doc(hidden)]
    fn json(&self) -> serde_json::Result<Option<String>>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Value for T {
    fn schema() -> Option<String> {
        Some(schema::of_value::<T>())
    }

    fn json(&self) -> serde_json::Result<Option<String>> {
        serde_json::to_string(self).map(Some)
    }
}

impl Value for NoValue {
    fn schema() -> Option<String> {
        None
    }

    fn json(&self) -> serde_json::Result<Option<String>> {
        Ok(None)
    }
}
