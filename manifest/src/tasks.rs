//! Where tasks are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{StoreName, field::Field};

/// Calls that go on as tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// The store that keeps them with their results.
    pub store: StoreName,
}

/// Calls that go on as tasks: where they are kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tasks")]
pub(crate) struct TasksDocument {
    /// The store that keeps them with their results, by its name in `stores`: a Redis server for replicas that share
    /// them, a file for a host that starts again.
    pub store: Field<StoreName>,
}
