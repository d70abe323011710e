//! Who is served, and who asks.

use std::fmt;
use std::sync::Arc;

/// A tenant: the owner of tools, limits and credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl Default for TenantId {
    /// The tenant of the root paths and of the manifest's top-level `tools`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody was asked to say who they are.
    Anonymous,
    /// The person at this machine's terminal.
    Local,
}
