//! Write a tool for AI agents as a plain function; the build makes a
//! WebAssembly component of it that Sandglass (or any host of
//! `sandglass:tool`) serves over MCP and REST.
//!
//! ```
//! use sandglass_sdk::{export, tool};
//!
//! /// Adds two numbers.
//! #[tool]
//! fn add(
//!     /// The first number.
//!     a: i64,
//!     /// The second number.
//!     b: i64,
//! ) -> i64 {
//!     a + b
//! }
//!
//! export!(add);
//!
//! # fn main() {
//! // A tool stays a plain function. And tests can call it as a host does:
//! use sandglass_sdk::{serde_json::json, testing};
//!
//! assert_eq!(add(1, 2), 3);
//! assert_eq!(testing::call(TOOLS, "add", json!({"a": 1, "b": 2})).unwrap().value, Some(json!(3)));
//! # }
//! ```
//!
//! In `Cargo.toml` the library is a `cdylib`; then
//! `cargo build --release --target wasm32-wasip2` makes the component:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! sandglass-sdk = "0.1"
//!
//! [profile.release]
//! opt-level = "s"
//! lto = true
//! strip = true
//! ```
//!
//! # Arguments
//! The function's arguments become the properties of the tool's input schema
//! and their doc comments the descriptions. An argument has any type that is
//! [`Deserialize`](serde::Deserialize) and [`JsonSchema`](schemars::JsonSchema)
//! and owns its data. An [`Option`] may be left out or be `null`. Attributes
//! of serde and schemars go where they would go on a struct's field:
//!
//! ```
//! # use sandglass_sdk::tool;
//! fn ten() -> u32 {
//!     10
//! }
//!
//! /// The first lines of a text.
//! #[tool]
//! fn head(
//!     text: String,
//!     /// How many lines.
//!     #[serde(default = "ten")]
//!     #[schemars(range(min = 1))]
//!     lines: u32,
//! ) -> String {
//!     text.lines().take(lines as usize).collect::<Vec<_>>().join("\n")
//! }
//! ```
//!
//! # Results
//! | returns | the caller gets |
//! |---|---|
//! | a type that is `Serialize` and `JsonSchema`: a number, a `String`, a struct, a `Vec` | the value, with its output schema |
//! | nothing | nothing |
//! | [`Content`] or `Vec<Content>` | blocks: text, image, audio, resource, link |
//! | [`Output<T>`](Output) | value and blocks, also for a result that is an error |
//! | `Result<T, E>`, `T` one of the above, `E` with `Display` | the error's message as the tool's failure; write `?` freely |
//!
//! # Names and hints
//! `#[tool(name = "add-numbers", title = "Add", read_only, destructive = false,
//! idempotent, open_world = false, task = "optional", output = Sum)]`: all of it is optional. The name is the
//! function's unless it is given; `task` lets calls that take long go on as MCP tasks (`"required"`: only so, where
//! the client has a choice); `input_schema = SCHEMA` is the JSON Schema of the arguments, as text, where it says more than
//! their types do; `output` is a type whose schema is that of the result, for functions that return a
//! [`Value`](serde_json::Value) of their own making; the rest are MCP's tool annotations.
//!
//! # Prompts and resources
//! [`#[prompt]`](prompt) makes a prompt of a function whose arguments are text, and [`#[resource]`](resource) a resource
//! of one that returns what it holds; with `{name}` in its URI it is a family of them, and `name` an argument. An
//! argument with `#[complete(function)]` is completed while a person types: see [`Typing`]. [`export!`] shows all three
//! kinds in one component.
//!
//! # `async`
//! An `async fn` is a tool as any other. What it awaits goes on at once where
//! it is joined, with `futures::future::join` or its like. The executor is
//! that of [wstd](https://docs.rs/wstd), whose timers and tasks work too.
//!
//! # What there is
//! | module or function | what it reaches | what must be granted |
//! |---|---|---|
//! | [`http`] | other servers | `http` |
//! | [`config`] | settings and secrets | `env` |
//! | [`keyvalue`] | stores that outlive a call | `keyvalue` |
//! | `std::fs` | files and folders | `files` |
//! | [`log`] | the host's log and clients that listen | |
//! | [`progress`], [`cancelled`] | the caller: how far the call is, whether it is still wanted | |
//! | [`elicit`], [`ask`] | the person or the model behind the client | |
//! | `std::time`, `HashMap`'s seeds, the crate `getrandom` | clocks and randomness | |
//! | [`testing`] | tools, natively: for `cargo test` | |
//!
//! What is granted is the operator's choice, in the manifest at the tool's
//! source; the error of what is not says what to write there. Each call runs
//! in a new instance, so nothing is kept between calls but what goes into a
//! store. `examples/whole.rs` has all that tools have in one component.

#![deny(missing_docs)]

mod arguments;
mod ask;
#[doc(hidden)]
pub mod bindings;
mod complete;
pub mod config;
mod contract;
mod executor;
mod export;
mod host;
pub mod http;
mod input_required;
pub mod keyvalue;
pub mod log;
mod output;
mod probe;
mod progress;
mod prompt;
mod resource;
mod schema;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod tool;

pub use arguments::Argument;
pub use ask::{AskError, Elicited, ask, elicit};
pub use complete::Typing;
pub use contract::{
    Annotations, Answer, CallError, Content, ElicitationAction, ElicitationAnswer,
    EmbeddedResource, FormElicitation, Icon, IconTheme, LogLevel, MediaContent, Question,
    QuestionKind, ResourceBody, ResourceContents, ResourceLink, Role, Root, TextContent,
    ToolAnnotations, ToolDescription, UrlElicitation,
};
pub use input_required::{InputRequired, Resumed, resumed};
pub use output::{NoValue, Output, Value};
pub use probe::Failure;
pub use progress::{cancelled, progress};
pub use prompt::{IntoPrompt, Prompt, PromptArgument, PromptError, PromptMessage, PromptResult};
pub use resource::{IntoResource, ReadError, Resource, updated};
pub use sandglass_sdk_macros::{prompt, resource, tool};
pub use tool::Tool;
// The versions that the SDK works with, so that authors need not find them.
pub use {schemars, serde, serde_json};

/// For the code that the macros make; it may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use schemars;
    pub use serde;

    pub use crate::{
        arguments::{check_argument, read},
        complete::{
            CompletionRequest, CompletionResult, Guest as CompletionGuest, Typing, complete,
        },
        contract::{
            CallError, CallRequest, Guest, Outcome, ResourceContents, Success, TaskSupport,
            ToolAnnotations, ToolDescription,
        },
        executor::block_on,
        output::Value,
        probe::{Infallible, Plain, Probe, probe},
        prompt::{
            ArgumentDescription, Guest as PromptGuest, IntoPrompt, PromptArgument,
            PromptDescription, PromptError, PromptFunction, PromptResult, get as get_prompt,
            list as list_prompts, read as read_argument,
        },
        resource::{
            Guest as ResourceGuest, IntoResource, ReadError, ResourceFunction, ResourceTemplate,
            Summary as ResourceSummary, list as list_resources, list_templates,
            read as read_resource, typed, variable as read_variable,
        },
        tool::{Summary, ToolFunction, call, check_names, list},
    };

    /// A doc comment, if there is one.
    pub fn description(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}
