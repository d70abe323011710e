//! Messages for the host's log and for clients that listen.
//!
//! A message is any value that can be written as JSON; mostly it is text.
//! Messages over the call's log budget are dropped and counted by the host.
//! In native tests these functions do nothing.
//!
//! ```
//! use sandglass_sdk::{log, serde_json::json};
//!
//! log::info("looked up 3 names");
//! log::debug(json!({"cache": "hit", "age": 12}));
//! ```

use serde::Serialize;

use crate::{contract::LogLevel, host};

/// Logs at any level, under the name of a logger if there is one.
pub fn log(level: LogLevel, logger: Option<&str>, message: impl Serialize) {
    // What can't be written can't be logged; a log line is no reason to fail a call.
    if let Ok(data) = serde_json::to_string(&message) {
        host::log(level, &data, logger);
    }
}

/// For whoever debugs the tool.
pub fn debug(message: impl Serialize) {
    log(LogLevel::Debug, None, message);
}

/// What happens in the normal course of things.
pub fn info(message: impl Serialize) {
    log(LogLevel::Info, None, message);
}

/// Normal but worth a look.
pub fn notice(message: impl Serialize) {
    log(LogLevel::Notice, None, message);
}

/// Not an error, but it may become one.
pub fn warning(message: impl Serialize) {
    log(LogLevel::Warning, None, message);
}

/// Something failed.
pub fn error(message: impl Serialize) {
    log(LogLevel::Error, None, message);
}

/// A part of the system failed.
pub fn critical(message: impl Serialize) {
    log(LogLevel::Critical, None, message);
}

/// Somebody must act at once.
pub fn alert(message: impl Serialize) {
    log(LogLevel::Alert, None, message);
}

/// The system is unusable.
pub fn emergency(message: impl Serialize) {
    log(LogLevel::Emergency, None, message);
}
