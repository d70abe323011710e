//! Questions as the result of a call: the explicit form, for tools that keep their own place.

use std::cell::RefCell;
use std::fmt;

use crate::contract::{Answer, Continuation, InputRequest, Question};

thread_local! {
    static CONTINUATION: RefCell<Option<Continuation>> = const { RefCell::new(None) };
    static ASKED: RefCell<Option<InputRequest>> = const { RefCell::new(None) };
}

/// Ends a call with questions: return it as the error of the tool. The tool is then called again, with the same arguments,
/// and finds the answers by [`resumed`]. [`ask`](crate::ask) is the simpler way.
///
/// ```
/// use sandglass_sdk::{InputRequired, Question, Resumed, resumed, tool};
///
/// /// Counts the client's folders.
/// #[tool]
/// fn folders() -> Result<usize, InputRequired> {
///     match resumed() {
///         None => Err(InputRequired::new(vec![Question::list_roots("roots")], None)),
///         Some(Resumed { answers, .. }) => Ok(answers.len()),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputRequired(());

impl InputRequired {
    /// With what the tool wants to find again beside the answers; the client has it in between, sealed.
    pub fn new(questions: Vec<Question>, state: Option<String>) -> Self {
        ASKED.set(Some(InputRequest { questions, state }));
        Self(())
    }
}

impl fmt::Display for InputRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tool asks for input")
    }
}

impl std::error::Error for InputRequired {}

/// What a tool finds that has ended with [`InputRequired`] before.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// As the tool gave it.
    pub state: Option<String>,
    /// In the order of the questions.
    pub answers: Vec<Answer>,
}

/// The answers that the call goes on with; none in a call that begins.
pub fn resumed() -> Option<Resumed> {
    let Continuation { state, answers } = CONTINUATION.take()?;
    Some(Resumed { state, answers })
}

/// A call begins, or goes on.
pub(crate) fn begin(continuation: Option<Continuation>) {
    CONTINUATION.set(continuation);
    ASKED.set(None);
}

/// The questions with which a failed call has ended.
pub(crate) fn asked() -> Option<InputRequest> {
    ASKED.take()
}
