//! The contract between host and guest (`wit/`), as Rust types.

#![allow(
    missing_docs,
    reason = "generated: the WIT files carry the documentation"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "sandglass:tool/provider",
    imports: { default: trappable },
    exports: { default: async },
    additional_derives: [serde::Deserialize, serde::Serialize],
});

pub use self::exports::sandglass::tool::tools::{
    CallError, CallRequest, Outcome, Success, Tool, ToolAnnotations,
};
pub use self::sandglass::tool::types::{
    Annotations, Content, Icon, IconTheme, LogLevel, MediaContent, ResourceBody, ResourceContents,
    ResourceLink, Role, TextContent,
};
