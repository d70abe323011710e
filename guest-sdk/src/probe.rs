//! Tells the kinds of result apart: nothing, blocks, an [`Output`], a plain
//! value, and each of them in a `Result`.
//!
//! A trait can't: `()` and `Result` can be written as JSON themselves, so
//! their implementations would overlap with the one for plain values. But a
//! method of a type comes before a trait's method of the same name. The code
//! that `#[tool]` makes knows the type, so it calls the methods below on
//! `Probe<Type>`, and the most fitting one answers.

use std::{fmt::Display, marker::PhantomData};

use crate::{
    contract::{CallError, Content},
    output::{NoValue, Output, Value},
};

/// Stands for a type of result without having one.
pub struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    /// For the type that a function returns.
    #[expect(clippy::new_without_default, reason = "only generated code makes one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// For the type of a value.
pub fn probe<T>(_: &T) -> Probe<T> {
    Probe::new()
}

/// What the error of a tool can be: anything that has words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the error of a tool",
    label = "this has no message",
    note = "the error's message goes to whoever called the tool: implement `std::fmt::Display`"
)]
pub trait Failure {
    /// The message.
    fn message(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<E: Display> Failure for E {
    /// In the alternate form: error types that carry a chain of causes write it there.
    fn message(&self) -> String {
        format!("{self:#}")
    }
}

impl<T, E> Probe<Result<T, E>> {
    /// The type of the result if all goes well.
    pub fn success(self) -> Probe<T> {
        Probe::new()
    }

    /// The result if all went well.
    ///
    /// # Errors
    /// `failed` with the message of the tool's own error.
    pub fn split(self, returned: Result<T, E>) -> Result<T, CallError>
    where
        E: Failure,
    {
        returned.map_err(|error| CallError::Failed(error.message()))
    }
}

/// Any type but `Result`: the function can't fail.
pub trait Infallible {
    /// The type that the function returns.
    type Success;

    /// The same type.
    fn success(self) -> Probe<Self::Success>;

    /// The same result.
    ///
    /// # Errors
    /// None.
    fn split(self, returned: Self::Success) -> Result<Self::Success, CallError>;
}

impl<T> Infallible for Probe<T> {
    type Success = T;

    fn success(self) -> Probe<T> {
        self
    }

    fn split(self, returned: T) -> Result<T, CallError> {
        Ok(returned)
    }
}

impl Probe<()> {
    /// Nothing has no schema.
    pub fn schema(self) -> Option<String> {
        None
    }

    /// Neither a value nor blocks.
    pub fn output(self, (): ()) -> Output<NoValue> {
        Output::new(NoValue)
    }
}

impl Probe<Content> {
    /// Blocks have no schema.
    pub fn schema(self) -> Option<String> {
        None
    }

    /// One block.
    pub fn output(self, block: Content) -> Output<NoValue> {
        Output::content([block])
    }
}

impl Probe<Vec<Content>> {
    /// Blocks have no schema.
    pub fn schema(self) -> Option<String> {
        None
    }

    /// The blocks.
    pub fn output(self, blocks: Vec<Content>) -> Output<NoValue> {
        Output::content(blocks)
    }
}

impl<T> Probe<Output<T>> {
    /// The schema of the value in it.
    pub fn schema(self) -> Option<String>
    where
        T: Value,
    {
        T::schema()
    }

    /// As the tool made it.
    pub fn output(self, output: Output<T>) -> Output<T> {
        output
    }
}

/// Any other type: a plain value.
pub trait Plain {
    /// The value's type.
    type Value;

    /// The value's schema.
    fn schema(self) -> Option<String>
    where
        Self::Value: Value;

    /// The value and no blocks.
    fn output(self, value: Self::Value) -> Output<Self::Value>
    where
        Self::Value: Value;
}

impl<T> Plain for Probe<T> {
    type Value = T;

    fn schema(self) -> Option<String>
    where
        T: Value,
    {
        T::schema()
    }

    fn output(self, value: T) -> Output<T>
    where
        T: Value,
    {
        Output::new(value)
    }
}
