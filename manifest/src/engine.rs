//! Settings of the engine that all tools share.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Count, Duration, field::Field};

/// Settings of the engine that all tools share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// The most that any tool's `limits.memory` may be.
    pub max_memory: ByteSize,
    /// Instances, that is calls of all tools, at once.
    pub max_instances: Count,
    /// Where downloads and compiled components are kept; nowhere if the process has no home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// What `cache_dir` may hold; what is longest unused goes first.
    pub cache_size: ByteSize,
    /// Time between two looks at what the tags of registries stand for.
    pub tag_interval: Duration,
}

impl Engine {
    pub(crate) const MAX_MEMORY: ByteSize = ByteSize::mib(512);
    pub(crate) const MAX_INSTANCES: Count = Count::new(512).expect("more than zero");
    pub(crate) const CACHE_SIZE: ByteSize = ByteSize::mib(2048);
    pub(crate) const TAG_INTERVAL: Duration = Duration::secs(300);
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
    /// The folder where downloads and compiled components are kept; a relative one starts at the manifest's
    /// folder. Without it: `sandglass` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    #[schemars(extend("minLength" = 1))]
    pub cache_dir: Field<String>,
    /// What the folder may hold; what is longest unused goes first.
    #[schemars(extend("default" = Engine::CACHE_SIZE))]
    pub cache_size: Field<ByteSize>,
    /// Time between two looks at what the tags of registries stand for. References with a digest need none.
    #[schemars(extend("default" = Engine::TAG_INTERVAL))]
    pub tag_interval: Field<Duration>,
}
