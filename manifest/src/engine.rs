//! Settings of the engine that all tools share.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Count, field::Field};

/// Settings of the engine that all tools share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// The most that any tool's `limits.memory` may be.
    pub max_memory: ByteSize,
    /// Instances, that is calls of all tools, at once.
    pub max_instances: Count,
    /// Where compiled components are kept; nowhere if the process has no home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
}

impl Engine {
    pub(crate) const MAX_MEMORY: ByteSize = ByteSize::mib(512);
    pub(crate) const MAX_INSTANCES: Count = Count::new(512).expect("more than zero");
}

/// Settings of the engine that all tools share.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Engine")]
pub(crate) struct EngineDocument {
    /// The most that any tool's `limits.memory` may be; at least 64KiB.
    #[schemars(extend("default" = Engine::MAX_MEMORY))]
    pub max_memory: Field<ByteSize>,
    /// Instances, that is calls of all tools, at once.
    #[schemars(extend("default" = Engine::MAX_INSTANCES))]
    pub max_instances: Field<Count>,
    /// The folder where compiled components are kept; a relative one starts at the manifest's
    /// folder. Without it: `sandglass` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    #[schemars(extend("minLength" = 1))]
    pub cache_dir: Field<String>,
}
