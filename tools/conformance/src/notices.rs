//! What a tool says while it runs.

use std::{thread::sleep, time::Duration};

use sandglass_sdk::{Content, log, progress, tool, updated};

/// Between two notices, so that a client sees them come one by one.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends three log messages.
#[tool]
pub fn test_tool_with_logging() -> Content {
    log::info("Tool execution started");
    sleep(PAUSE);
    log::info("Tool processing data");
    sleep(PAUSE);
    log::info("Tool execution completed");
    Content::text("Logged three messages")
}

/// Sends a log message, which only who asked for it gets.
#[tool]
pub fn test_logging_tool() -> Content {
    log::info("A message for who wants it");
    Content::text("Logged a message")
}

/// Reports its progress.
#[tool]
pub fn test_tool_with_progress() -> Content {
    progress(0.0, Some(100.0), None);
    sleep(PAUSE);
    progress(50.0, Some(100.0), None);
    sleep(PAUSE);
    progress(100.0, Some(100.0), None);
    Content::text("Progress: 100 of 100")
}

/// Takes a while, so that a client can lose the stream and resume it.
#[tool]
pub fn test_reconnection() -> Content {
    sleep(4 * PAUSE);
    Content::text("The client came back for this")
}

/// Says that the watched resource has changed.
#[tool]
pub fn test_update_resource() -> Content {
    updated("test://watched-resource");
    Content::text("test://watched-resource was updated")
}

/// Takes an argument that clients repeat in a header (`Mcp-Param-Region`).
#[tool]
pub fn test_header(
    /// Where to run.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
) -> String {
    region
}
