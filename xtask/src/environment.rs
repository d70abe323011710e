//! What tests and benches are told through environment variables.

use std::path::{Path, PathBuf};

use crate::clients::Clients;
use crate::tools;

/// The variables' names and values; `host` is the `sandglass` to use.
pub fn variables(host: &Path, clients: Clients) -> [(&'static str, PathBuf); 14] {
    [
        ("SANDGLASS_BIN", host.to_path_buf()),
        ("SANDGLASS_TOOLS_DIR", tools::FIRST_PARTY.collected()),
        ("SANDGLASS_GUESTS_DIR", tools::GUESTS.collected()),
        ("SANDGLASS_PYTHON_LATEST", clients.python_latest),
        ("SANDGLASS_PYTHON_LEGACY", clients.python_legacy),
        ("SANDGLASS_PYTHON_AGENTS", clients.python_agents),
        ("SANDGLASS_FASTMCP", clients.fastmcp),
        ("SANDGLASS_SCHEMATHESIS", clients.schemathesis),
        ("SANDGLASS_HELM", clients.helm),
        ("SANDGLASS_COMPONENTIZE_PY", clients.componentize_py),
        ("SANDGLASS_NODE", clients.node),
        ("SANDGLASS_INSPECTOR", clients.inspector),
        ("SANDGLASS_CONFORMANCE", clients.conformance),
        ("SANDGLASS_MCP_REMOTE", clients.mcp_remote),
    ]
}
