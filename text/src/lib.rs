//! Text that somebody else wrote: the author of a component, a caller, a registry, an API server.
//!
//! - [`hidden`]: the characters that a reader does not see.
//! - [`walk`]: where one stands in data.
//! - [`Line`]: such text in an error, a log line, a status: one line, bounded, with hidden characters shown escaped.
//! - [`lines`]: the same for a terminal, with its line breaks.
//! - [`json`]: JSON in a line, and on a terminal. It says the same before and after.
//! - [`log`]: a log whose lines are the program's own.

mod escape;
pub mod hidden;
pub mod json;
mod line;
pub mod log;
pub mod walk;

pub use escape::lines;
pub use line::Line;
