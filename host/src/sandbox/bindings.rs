//! The contract between host and guest (`wit/`), as Rust types.

#![allow(
    missing_docs,
    reason = "generated: the WIT files carry the documentation"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "sandglass:tool/everything",
    imports: { default: trappable },
    exports: { default: async },
    additional_derives: [serde::Deserialize, serde::Serialize],
});

pub use self::exports::sandglass::tool::completion::{
    CompletionRequest, CompletionResult, CompletionTarget,
};
pub use self::exports::sandglass::tool::prompts::{
    Prompt, PromptArgument, PromptError, PromptMessage, PromptResult,
};
pub use self::exports::sandglass::tool::resources::{ReadError, ResourceTemplate};
pub use self::exports::sandglass::tool::tools::{
    CallError, CallRequest, Continuation, InputRequest, Outcome, Success, TaskSupport, Tool,
    ToolAnnotations,
};
pub use self::exports::sandglass::tool::{completion, prompts, resources, tools};
pub use self::sandglass::tool::host::AskError;
pub use self::sandglass::tool::types::{
    Annotations, Answer, Content, ElicitationAction, ElicitationAnswer, FormElicitation, Icon,
    IconTheme, LogLevel, MediaContent, Question, QuestionKind, ResourceBody, ResourceContents,
    ResourceLink, Role, Root, TextContent, UrlElicitation,
};
